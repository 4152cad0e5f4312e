// Browsers in which somebody signed in before: a new one is told of, and one may be remembered in place of a second step.
import type { Actor, Audit } from '../../audit/audit.ts';
import { type AccountId, type DeviceId, newId, parseId } from '../../lib/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import { inBatches } from '../../platform/jobs/batches.ts';
import type { Job } from '../../platform/jobs/jobs.ts';
import { currentOrigin } from '../../platform/origin.ts';
import { keyedHash } from '../../platform/secrets/tokens.ts';
import { createDeviceCookie, DEVICE_SECONDS, type DeviceCookie } from './cookie.ts';
import * as store from './store.ts';

/** A browser that is remembered. */
export interface Device extends store.DeviceRow {
  /** Whether it is the one with this cookie. */
  isThis: boolean;
}

export interface Devices {
  readonly cookie: DeviceCookie;
  /** How many days a browser may be remembered; 0: never. */
  readonly rememberedDays: number;
  /** At each sign-in that completes, with the renewed cookie. Writes device.new for one that the account never used. */
  recognise(
    cookie: string,
    accountId: AccountId,
  ): Promise<{ deviceId: DeviceId; isNew: boolean; remembered: boolean }>;
  /** Whether this browser serves in place of a second step: nothing that it was remembered under has changed since. */
  isRemembered(cookie: string | undefined, accountId: AccountId): Promise<boolean>;
  /** After a sign-in with a second step, when the person asked for it. False where the setting does not allow it. */
  remember(accountId: AccountId, deviceId: DeviceId, by: Actor): Promise<boolean>;
  /** Those that are remembered now; `cookie`: that of the browser that asks. */
  list(accountId: AccountId, cookie?: string): Promise<Device[]>;
  /** It is asked for a second step again; nothing when it was not remembered. */
  forget(accountId: AccountId, deviceId: string, by: Actor): Promise<void>;
  /** All of them, in the transaction of what ends them if there is one. How many there were. */
  forgetAll(trx: Db | undefined, accountId: AccountId, by?: Actor): Promise<number>;
  jobs(): Job[];
}

export interface DeviceDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  /** The server secret 'device'. */
  deviceKey: Buffer;
  secure: boolean;
  settings: { rememberedDays: number };
}

const DAY_SECONDS = 24 * 3600;
const system: Actor = { kind: 'system', id: null };

export function createDevices(deps: DeviceDeps): Devices {
  const { postgres, clock } = deps;
  const { db } = postgres;
  const { rememberedDays } = deps.settings;
  // With the account in it, so that the rows of one browser do not tell which accounts share it.
  const hashOf = (cookie: string, accountId: AccountId) =>
    keyedHash(deps.deviceKey, `${accountId}:${cookie}`);
  const after = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);

  async function isRemembered(cookie: string | undefined, accountId: AccountId): Promise<boolean> {
    if (cookie === undefined || rememberedDays === 0) return false;
    return store.isRemembered(db, { accountId, secretHash: hashOf(cookie, accountId), now: clock.now() });
  }

  return {
    cookie: createDeviceCookie(deps),
    rememberedDays,
    isRemembered,
    async recognise(cookie, accountId) {
      const { id, isNew } = await postgres.transaction((trx) =>
        noteIn(trx, deps, {
          accountId,
          secretHash: hashOf(cookie, accountId),
          now: clock.now(),
          expiresAt: after(DEVICE_SECONDS),
        }),
      );
      return { deviceId: id, isNew, remembered: await isRemembered(cookie, accountId) };
    },
    async remember(accountId, deviceId, by) {
      if (rememberedDays === 0) return false;
      return postgres.transaction(async (trx) => {
        const until = after(rememberedDays * DAY_SECONDS);
        if (!(await store.remember(trx, { accountId, id: deviceId, until }))) return false;
        await record(deps, trx, 'device.remembered', { accountId, deviceId, by });
        return true;
      });
    },
    async list(accountId, cookie) {
      const devices = await store.listRemembered(db, accountId, clock.now());
      const own = cookie && (await store.findId(db, { accountId, secretHash: hashOf(cookie, accountId) }));
      return devices.map((device) => ({ ...device, isThis: device.id === own }));
    },
    async forget(accountId, typed, by) {
      const deviceId = parseId('dev', typed);
      if (deviceId === undefined) return;
      await postgres.transaction(async (trx) => {
        if ((await store.forget(trx, accountId, deviceId)) === 0) return;
        await record(deps, trx, 'device.forgotten', { accountId, deviceId, by });
      });
    },
    forgetAll(trx, accountId, by = system) {
      const forget = async (handle: Db) => {
        const count = await store.forget(handle, accountId);
        if (count > 0) await record(deps, handle, 'device.forgotten', { accountId, by, count });
        return count;
      };
      return trx === undefined ? postgres.transaction(forget) : forget(trx);
    },
    jobs: () => [
      {
        name: 'devices-expiry',
        everySeconds: 3600,
        async run(signal) {
          await inBatches((limit) => store.deleteExpired(db, clock.now(), limit), signal);
        },
      },
    ],
  };
}

async function noteIn(
  trx: Db,
  deps: DeviceDeps,
  seen: Omit<store.Seen, 'id' | 'address' | 'userAgent'>,
): Promise<{ id: DeviceId; isNew: boolean }> {
  const { address, userAgent } = currentOrigin();
  const noted = await store.upsertDevice(trx, { ...seen, id: newId('dev'), address, userAgent });
  if (noted === undefined) throw failure('account_not_found', { id: seen.accountId });
  // Whoever signs in for the first time has no other browser, and would be told of their own.
  const isNew = noted.isNew && !noted.isFirst;
  if (isNew) {
    const by = { kind: 'account', id: seen.accountId } as const;
    await record(deps, trx, 'device.new', { accountId: seen.accountId, deviceId: noted.id, by });
  }
  return { id: noted.id, isNew };
}

interface Act {
  accountId: AccountId;
  by: Actor;
  deviceId?: DeviceId;
  count?: number;
}

async function record(
  deps: DeviceDeps,
  trx: Db,
  type: 'device.new' | 'device.remembered' | 'device.forgotten',
  { accountId, by, deviceId, count }: Act,
): Promise<void> {
  await deps.audit.record(trx, {
    type,
    actor: by,
    outcome: 'success',
    accountId,
    target: deviceId === undefined ? null : { kind: 'device', id: deviceId },
    details: count === undefined ? {} : { count },
  });
}
