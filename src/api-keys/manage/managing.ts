// What is done to keys: made, changed, rotated, revoked, disabled, enabled. Each act and its event are one commit, and every
// node hears of it.
import type { Actor, Audit } from '../../audit/audit.ts';
import { newApiKey } from '../../lib/api-key-format.ts';
import { type ApiKeySecretId, newId, parseId } from '../../lib/ids.ts';
import { compilePermissions } from '../../lib/permission.ts';
import type { Changes } from '../../platform/changes.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import { createCrowd } from '../../platform/limits/crowd.ts';
import type { Peppers } from '../../platform/secrets/peppers.ts';
import type { EventType } from '../../vocabulary/events.ts';
import { type ApiKey, type ApiKeyChange, type NewApiKey, Rotation, stateOf } from '../schema.ts';
import * as store from '../store.ts';
import type { KeyRights } from '../use/rights.ts';
import { invalid, type KeySettings, parse, refuseUnheld } from './bounds.ts';
import type { Authority, Makers } from './makers.ts';
import type { Making } from './making.ts';
import type { OwnBounds } from './own-bounds.ts';

export interface IssuedKey {
  readonly key: ApiKey;
  /** The one string; in this answer and nowhere else. */
  readonly secret: string;
  readonly secretId: ApiKeySecretId;
}

export interface Managing {
  create(input: NewApiKey, as: Authority): Promise<IssuedKey>;
  change(id: string, change: ApiKeyChange, as: Authority): Promise<ApiKey>;
  rotate(id: string, rotation: Rotation, as: Authority): Promise<IssuedKey>;
  revoke(id: string, reason: string | null, as: Authority): Promise<ApiKey>;
  disable(id: string, as: Authority): Promise<ApiKey>;
  enable(id: string, as: Authority): Promise<ApiKey>;
  /** Writes a prepared key with its first secret. In the caller's transaction. */
  insert(trx: Db, key: ApiKey, by: Actor): Promise<IssuedKey>;
  /** Of an account, or only those of it that are bound to an organization; answers how many. In the caller's transaction. */
  revokeAllOf(trx: Db, accountId: string, by: Actor, organizationId?: string): Promise<number>;
  /** Of a client that is deleted: its id may be registered again, and must bring no key back. In the caller's transaction. */
  forgetClient(trx: Db, clientId: string): Promise<void>;
}

export interface ManagingDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'poll'>;
  clock: Clock;
  peppers: Peppers;
  making: Making;
  makers: Makers;
  ownBounds: OwnBounds;
  rights: KeyRights;
  settings: KeySettings;
}

/** Working at the same time, the new one with them; all of them are compared at each use. */
export const MAXIMUM_WORKING_SECRETS = 3;

/**
 * What an owner holds may have to be read while the transaction is open, over another connection: were every connection
 * taken by such a transaction, each would wait for the others, and the whole server with them. One at a time is sure with
 * the smallest pool there may be.
 */
const TURNS = { places: 1, line: 1_000, patienceMilliseconds: 10_000 };

export function createManaging(deps: ManagingDeps): Managing {
  const { postgres, changes, clock, peppers, ownBounds, settings } = deps;

  const turns = createCrowd(TURNS);

  /** In a transaction whose change is seen on this node before it returns. */
  async function commit<T>(run: (trx: Db) => Promise<T>): Promise<T> {
    const result = await turns.run(() => postgres.transaction(run));
    // The change stands: were this look to fail, the next one in a second brings it.
    await changes.poll().catch(() => undefined);
    return result;
  }

  async function tell(
    trx: Db,
    type: EventType,
    key: ApiKey,
    by: Actor,
    more: { reason?: string | null; details?: Record<string, unknown> } = {},
  ) {
    await deps.audit.record(trx, {
      type,
      actor: by,
      outcome: 'success',
      accountId: key.accountId,
      clientId: key.clientId,
      target: { kind: 'api-key', id: key.id },
      ...more,
    });
    await changes.bump(trx, 'api-keys', key.id);
  }

  async function lock(trx: Db, id: string, as: Authority): Promise<ApiKey> {
    const keyId = parseId('key', id);
    const key = keyId && (await store.lockApiKey(trx, keyId, as.within));
    if (key === undefined) throw failure('api_key_not_found');
    await deps.makers.guard(trx, key, as);
    return key;
  }

  async function refuseEscape(key: ApiKey, as: Authority): Promise<void> {
    await ownBounds.refuseItself(key, as);
    await ownBounds.refuseBeside(key, as);
  }

  function refuseEnded(key: ApiKey): void {
    const state = stateOf(key, clock.now());
    if (state === 'revoked' || state === 'expired') throw failure('api_key_ended');
  }

  async function write(trx: Db, key: ApiKey, change: Partial<ApiKey>): Promise<ApiKey> {
    const next = { ...key, ...change, version: key.version + 1, updatedAt: clock.now() };
    await store.updateApiKey(trx, next);
    return next;
  }

  async function insertSecret(trx: Db, key: ApiKey): Promise<IssuedKey> {
    const secret = newApiKey(key.id);
    const secretId = newId('kse');
    const pepperVersion = peppers.newest();
    const hash = peppers.hash(pepperVersion, secret);
    if (hash === undefined) throw new Error('the pepper of API keys is missing');
    await store.insertSecret(trx, {
      id: secretId,
      keyId: key.id,
      hash,
      pepperVersion,
      createdAt: clock.now(),
    });
    return { key, secret, secretId };
  }

  async function insert(trx: Db, key: ApiKey, by: Actor): Promise<IssuedKey> {
    await store.insertApiKey(trx, key);
    const issued = await insertSecret(trx, key);
    const { name, ownerKind, organizationId, parentId, permissions, expiresAt } = key;
    const details = { name, ownerKind, organizationId, parentId, permissions, expiresAt };
    await tell(trx, 'api-key.created', key, by, { details: { ...details, secretId: issued.secretId } });
    return issued;
  }

  async function revokeIn(trx: Db, key: ApiKey, reason: string | null, by: Actor): Promise<ApiKey> {
    const now = clock.now();
    const ended = { revokedAt: now, revokedReason: reason, endedAt: key.endedAt ?? now };
    const revoked = await write(trx, key, ended);
    await tell(trx, 'api-key.revoked', key, by, { reason });
    return revoked;
  }

  /** Whoever gets a new secret can do what the key can, and what it can again once its owner is back. */
  async function refuseStronger(key: ApiKey, as: Authority): Promise<void> {
    const effective = await deps.rights.effective(key);
    const owner = effective?.permissions ?? compilePermissions(key.permissions);
    refuseUnheld(owner.texts, await deps.makers.handing(owner, as));
  }

  function overlapOf({ overlapSeconds = settings.overlapSeconds }: Rotation): number {
    if (overlapSeconds <= settings.maximumOverlapSeconds) return overlapSeconds;
    throw invalid({
      overlapSeconds: `must be at most ${settings.maximumOverlapSeconds} (API_KEY_MAXIMUM_OVERLAP_SECONDS)`,
    });
  }

  function setStatus(id: string, status: ApiKey['status'], as: Authority): Promise<ApiKey> {
    return commit(async (trx) => {
      const key = await lock(trx, id, as);
      if (status === 'active') await refuseEscape(key, as);
      refuseEnded(key);
      if (key.status === status) return key;
      const next = await write(trx, key, { status });
      await tell(trx, status === 'active' ? 'api-key.enabled' : 'api-key.disabled', key, as.by);
      return next;
    });
  }

  return {
    insert,
    create: (input, as) =>
      commit(async (trx) => insert(trx, await deps.making.prepare(trx, input, as), as.by)),

    change: (id, { version, ...change }, as) =>
      commit(async (trx) => {
        const key = await lock(trx, id, as);
        await refuseEscape(key, as);
        if (version !== undefined && version !== key.version) throw failure('version_conflict');
        refuseEnded(key);
        const changed = await deps.making.changed(key, change, as);
        if (changed === undefined) return key;
        const next = await write(trx, key, changed);
        const fields = changedNames(key, next);
        await tell(trx, 'api-key.changed', key, as.by, { details: { fields } });
        return next;
      }),

    rotate: (id, input, as) =>
      commit(async (trx) => {
        const overlapSeconds = overlapOf(parse(Rotation, input));
        const key = await lock(trx, id, as);
        refuseEnded(key);
        await ownBounds.refuseBeside(key, as);
        await refuseStronger(key, as);
        const now = clock.now();
        const deadline = new Date(now.getTime() + overlapSeconds * 1000);
        const retired = await store.retireSecrets(trx, key.id, deadline, now);
        if ((await store.countWorkingSecrets(trx, key.id, now)) >= MAXIMUM_WORKING_SECRETS) {
          throw failure('api_key_secret_limit');
        }
        const issued = await insertSecret(trx, await write(trx, key, {}));
        const details = { secretId: issued.secretId, retired, retiresAt: deadline };
        await tell(trx, 'api-key.rotated', key, as.by, { details });
        return issued;
      }),

    revoke: (id, reason, as) =>
      commit(async (trx) => {
        const key = await lock(trx, id, as);
        return key.revokedAt === null ? revokeIn(trx, key, reason, as.by) : key;
      }),

    disable: (id, as) => setStatus(id, 'disabled', as),
    enable: (id, as) => setStatus(id, 'active', as),

    async forgetClient(trx, clientId) {
      const ids = await store.deleteKeysOfClient(trx, clientId);
      for (const id of ids) await changes.bump(trx, 'api-keys', id);
    },

    async revokeAllOf(trx, accountId, by, organizationId) {
      const keys = await store.activeKeysOf(trx, accountId, organizationId);
      for (const key of keys) await revokeIn(trx, key, null, by);
      return keys.length;
    },
  };
}

/** Never the values: the ledger outlives the key. */
function changedNames(before: ApiKey, after: ApiKey): string[] {
  const values = new Map<string, unknown>(Object.entries(before));
  return Object.entries(after)
    .filter(([name, value]) => JSON.stringify(values.get(name)) !== JSON.stringify(value))
    .map(([name]) => name)
    .filter((name) => name !== 'version' && name !== 'updatedAt');
}
