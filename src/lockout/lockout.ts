// Failed sign-ins by identifier, address and pair: who must wait, for how long, and who is released.
// docs/sign-in-protection.md says why there are three levels.
import type { Actor, Audit } from '../audit/audit.ts';
import { normalizeIdentifier } from '../lib/identifiers.ts';
import type { AccountId } from '../lib/ids.ts';
import { addressPrefix, normalizeAddress } from '../lib/ip.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import { currentOrigin } from '../platform/origin.ts';
import { keyedHash } from '../platform/secrets/tokens.ts';
import * as guesses from './guesses.ts';
import {
  delayTable,
  FORGET_AFTER_SECONDS,
  FREE_KEPT_SECONDS_PER_FAILURE,
  freeAttemptsOf,
  GUESSES_PER_SIGN_IN,
  GUESSING_SECONDS,
  KNOWN_ADDRESS_SECONDS,
  type Level,
  type LockoutSettings,
} from './policy.ts';
import * as store from './store.ts';

export type { Level, LockoutSettings } from './policy.ts';
export type { Also, Standing } from './store.ts';

/** An attempt that was counted as a failure in advance. It must be settled or taken back, or it stays a failure. */
export interface Attempt extends store.AttemptKeys {
  /** The levels at which this attempt used up the last free one. */
  readonly lastFreeAt: readonly Level[];
}

export type Reservation =
  /** `also`: the row that the caller's part of the statement returned. */
  { kind: 'allowed'; attempt: Attempt; also: unknown } | { kind: 'locked'; retryAfterSeconds: number };

export interface Lockout {
  /**
   * For what was typed, whether an account has it or not; the address is that of the current origin. `also` is done in the
   * same statement, when the attempt is allowed. The factors of an account are counted by themselves: who guesses at them
   * locks nobody out of the password, and nobody can type their name.
   */
  reserve(typed: string | { factorsOf: AccountId }, also?: store.Also): Promise<Reservation>;
  /**
   * One guess of the few that one sign-in has, whatever the account may have left: undefined, or the seconds until there is
   * another. `noGuess` begins anew after a right one.
   */
  guess(binding: string): Promise<number | undefined>;
  noGuess(binding: string): Promise<void>;
  /** Together with `also`: false when that touched nothing, and then the attempt stays a failure. */
  succeeded(attempt: Attempt, also?: store.Also): Promise<boolean>;
  /** The proof was never looked at (the server was busy). */
  takeBack(attempt: Attempt, db?: Db): Promise<void>;
  standing(typed: string | { factorsOf: AccountId }): Promise<Standing>;
  /** True when something was locked. The ledger gets the account when the identifier is one's. */
  releaseIdentifier(
    typed: string | { factorsOf: AccountId },
    accountId: AccountId | null,
    by: Actor,
  ): Promise<boolean>;
  releaseAddress(address: string, by: Actor): Promise<boolean>;
  jobs(): Job[];
}

export interface LockoutDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  /** The server secret 'identifier': no table may hold in clear what somebody typed. */
  identifierKey: Buffer;
  settings: LockoutSettings;
}

type Standing = store.Standing;

export function createLockout(deps: LockoutDeps): Lockout {
  const { postgres, clock } = deps;
  const rules = rulesOf(deps.settings);
  // Without an address (the command line, a test) nothing can be said about one, so nothing is held against it.
  const rulesWithoutAddress = { ...rules, address: { delays: [0], free: Number.MAX_SAFE_INTEGER } };

  return {
    async reserve(typed, also) {
      const { db } = postgres;
      const address = currentOrigin().address;
      const keys = { identifier: identifierHash(deps, typed), address: addressHash(deps, address) };
      const times = timesAt(clock.now());
      const counted = await store.reserveAttempt(
        db,
        keys,
        address === null ? rulesWithoutAddress : rules,
        times,
        also,
      );
      if (counted.length < 3) {
        const until = await store.blockedUntilOf(db, keys, times);
        return { kind: 'locked', retryAfterSeconds: secondsUntil(until, times.now) };
      }
      const lastFreeAt = counted
        .filter((row) => row.failures === rules[row.level].free)
        .map((row) => row.level);
      const row = counted.find(({ level }) => level === 'address')?.also ?? undefined;
      return { kind: 'allowed', attempt: { ...keys, lastFreeAt }, also: row };
    },
    async guess(binding) {
      const now = clock.now();
      const at = { now, endsAt: new Date(now.getTime() + GUESSING_SECONDS * 1000) };
      const key = bindingHash(deps, binding);
      if (await guesses.countGuess(postgres.db, key, GUESSES_PER_SIGN_IN, at)) return undefined;
      return secondsUntil(await guesses.guessingEnd(postgres.db, key), now);
    },
    noGuess: (binding) => guesses.forgetGuesses(postgres.db, bindingHash(deps, binding)),
    succeeded({ identifier, address }, also) {
      const now = clock.now();
      const expiresAt = new Date(now.getTime() + KNOWN_ADDRESS_SECONDS * 1000);
      return store.settleSuccess(postgres.db, { identifier, address }, rules, { now, expiresAt }, also);
    },
    takeBack: ({ identifier, address }, db = postgres.db) =>
      store.takeBackAttempt(db, { identifier, address }, rules),
    standing: (typed) => store.readStanding(postgres.db, identifierHash(deps, typed), clock.now()),
    releaseIdentifier: (typed, accountId, by) => releaseIdentifier(deps, typed, accountId, by),
    releaseAddress: (address, by) => releaseAddress(deps, address, by),
    jobs: () => [
      { name: 'sign-in-attempts-expiry', everySeconds: 3600, run: (signal) => deleteExpired(deps, signal) },
    ],
  };
}

async function releaseIdentifier(
  deps: LockoutDeps,
  typed: string | { factorsOf: AccountId },
  accountId: AccountId | null,
  by: Actor,
): Promise<boolean> {
  return deps.postgres.transaction(async (trx) => {
    const released = await store.releaseIdentifier(trx, identifierHash(deps, typed), deps.clock.now());
    await deps.audit.record(trx, {
      type: 'lockout.released',
      actor: by,
      outcome: 'success',
      accountId,
      reason: 'identifier',
    });
    return released;
  });
}

async function releaseAddress(deps: LockoutDeps, address: string, by: Actor): Promise<boolean> {
  return deps.postgres.transaction(async (trx) => {
    const released = await store.releaseAddress(trx, addressHash(deps, address), deps.clock.now());
    await deps.audit.record(trx, {
      type: 'lockout.released',
      actor: by,
      outcome: 'success',
      target: { kind: 'address', id: prefixOf(address) },
      reason: 'address',
    });
    return released;
  });
}

async function deleteExpired(deps: LockoutDeps, signal?: AbortSignal): Promise<void> {
  const now = deps.clock.now();
  await inBatches((limit) => store.deleteExpired(deps.postgres.db, now, limit), signal);
}

function rulesOf(settings: LockoutSettings): store.Rules {
  const rule = (level: Level) => {
    const free = freeAttemptsOf(level, settings);
    return { free, delays: delayTable(free, settings) };
  };
  return { pair: rule('pair'), identifier: rule('identifier'), address: rule('address') };
}

function bindingHash(deps: LockoutDeps, binding: string): Buffer {
  return keyedHash(deps.identifierKey, `guesses:${binding}`);
}

function identifierHash(deps: LockoutDeps, typed: string | { factorsOf: AccountId }): Buffer {
  if (typeof typed !== 'string') return keyedHash(deps.identifierKey, `factors:${typed.factorsOf}`);
  // What nobody can be called is counted as it was typed: it must be answered like every other unknown identifier.
  return keyedHash(deps.identifierKey, `identifier:${normalizeIdentifier(typed) ?? typed.trim()}`);
}

function addressHash(deps: LockoutDeps, address: string | null): Buffer {
  return keyedHash(deps.identifierKey, `address:${address === null ? '' : prefixOf(address)}`);
}

function prefixOf(address: string): string {
  return addressPrefix(normalizeAddress(address) ?? address);
}

function timesAt(now: Date): store.Times {
  const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);
  return {
    now,
    forgetBefore: at(-FORGET_AFTER_SECONDS),
    knownSince: at(-KNOWN_ADDRESS_SECONDS),
    expiresAt: at(FORGET_AFTER_SECONDS),
    freeKeptSeconds: FREE_KEPT_SECONDS_PER_FAILURE,
  };
}

function secondsUntil(until: Date | undefined, now: Date): number {
  return until === undefined ? 1 : Math.max(1, Math.ceil((until.getTime() - now.getTime()) / 1000));
}
