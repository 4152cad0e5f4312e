// What is known and decided about passwords besides presenting and setting one: what they must be, and which must be changed.
import type { Actor, Audit } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import type { PasswordChecking, PasswordLimits } from './checking.ts';
import { type ForeignHash, readForeignHash } from './foreign/formats.ts';
import { type Argon2Settings, hashPassword, normalizePassword } from './hashing.ts';
import * as store from './store.ts';

/**
 * Why a password has to be changed: an administrator says so; it is in a list of breaches; it breaks the rules of today;
 * it came from another system; it is too short without a second factor, and there is none any more; its
 * owner said that somebody else was in the account.
 */
export type ChangeReason = 'admin' | 'breached' | 'rules' | 'import' | 'short' | 'protected';

export interface Passwords {
  /** What holds for this account now: shorter ones will do where a second factor stands beside it. */
  limitsFor(accountId: AccountId): Promise<PasswordLimits>;
  /** Why this account has to choose a new password before anything else; undefined when it need not. */
  mustChange(accountId: AccountId): Promise<ChangeReason | undefined>;
  /**
   * From now on no sign-in comes to its end without a new password; ends what is open unless told to keep it. False when
   * the account has none. With `db`, in that transaction.
   */
  requireChange(
    accountId: AccountId,
    reason: ChangeReason,
    by: Actor,
    options?: { keepSessions?: boolean; db?: Db },
  ): Promise<boolean>;
  /**
   * From now on nobody signs in by it, nor ends a sign-in under way with it; it stays among those that may not be chosen
   * again. Ends nothing else and tells nobody: that is for the act that it is part of.
   */
  discard(trx: Db, accountId: AccountId): Promise<void>;
  /** A hash of another system, in the form in which it is kept; docs/import.md lists what is known. */
  readForeign(hash: string): ForeignHash;
  /** When the present one was set; undefined when there is none. */
  setAt(accountId: AccountId): Promise<Date | undefined>;
  /** A password as it is, whatever it is: nobody is asked for another one here. */
  hash(password: string): Promise<{ hash: string; short: boolean }>;
  /** Of accounts that are new in this transaction; told with them. */
  bring(trx: Db, brought: readonly BroughtPassword[]): Promise<void>;
}

/** A password that comes with an account from another system. */
export interface BroughtPassword {
  accountId: AccountId;
  hash: string;
  short: boolean;
  changeRequired: boolean;
}

export interface PasswordsDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  settings: { history: number; argon2: Argon2Settings };
  checking: PasswordChecking;
  mustHaveFactor: (accountId: AccountId) => Promise<boolean>;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
}

export function createPasswords(deps: PasswordsDeps): Passwords {
  const { postgres } = deps;
  return {
    limitsFor: (accountId) => deps.checking.limitsFor(accountId),

    setAt: (accountId) => store.readSetAt(postgres.db, accountId),

    async mustChange(accountId) {
      const standing = await store.readStanding(postgres.db, accountId);
      if (standing === undefined) return undefined;
      // `as`: only requireChange and the sign-in write it.
      if (standing.changeRequired !== null) return standing.changeRequired as ChangeReason;
      if (!standing.short || standing.hasFactor) return undefined;
      return (await deps.mustHaveFactor(accountId)) ? undefined : 'short';
    },

    discard: (trx, accountId) =>
      store.discardPassword(trx, accountId, { at: deps.clock.now(), history: deps.settings.history }),

    readForeign: readForeignHash,

    async hash(password) {
      const normalized = normalizePassword(password);
      const short = deps.checking.isShort({ typed: password, normalized });
      return { hash: await hashPassword(normalized, deps.settings.argon2), short };
    },

    bring: (trx, brought) => store.insertPasswords(trx, brought, deps.clock.now()),

    requireChange(accountId, reason, by, { keepSessions = false, db } = {}) {
      const write = async (trx: Db) => {
        if (!(await store.requireChange(trx, accountId, reason))) return false;
        if (!keepSessions) await deps.endAccountState(trx, accountId);
        await deps.audit.record(trx, {
          type: 'password.change-required',
          actor: by,
          outcome: 'success',
          accountId,
          reason,
          details: { sessions: keepSessions ? 'kept' : 'ended' },
        });
        return true;
      };
      return db === undefined ? postgres.transaction(write) : write(db);
    },
  };
}
