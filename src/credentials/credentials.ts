// The only door by which a person proves who they are. Lockout, the bound on hashing and the ledger are inside it, so
// that no caller can forget them.
import type { Accounts } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Lockout } from '../lockout/lockout.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { createFactorDoors, type FactorDoorDeps } from './factors/doors.ts';
import type { Factors } from './factors/factors.ts';
import { type Blocklist, createBlocklist } from './password/blocklist.ts';
import { type BreachCheck, createPasswordChecking } from './password/checking.ts';
import {
  createHashPool,
  type HashPoolObserver,
  type HashPoolSettings,
  type HashPoolState,
} from './password/hash-pool.ts';
import type { Argon2Settings } from './password/hashing.ts';
import { createMatcher } from './password/matching.ts';
import { createPasswords, type Passwords } from './password/passwords.ts';
import { createReasonToChange, type SignInCheck } from './password/reason-to-change.ts';
import { createPasswordSetting, type SetPasswordOptions } from './password/setting.ts';
import { createPasswordSignIn } from './password/sign-in.ts';
import * as store from './password/store.ts';
import type { Presented, Verification } from './schema.ts';

export { createDevices, type Device, type Devices } from './devices/devices.ts';
export { openBreachLists } from './password/breached.ts';
export type { BreachCheck, PasswordLimits } from './password/checking.ts';
export type { BroughtPassword, ChangeReason, Passwords } from './password/passwords.ts';
export type { SetPasswordOptions } from './password/setting.ts';
export type {
  AddedFactor,
  Factor,
  FactorKind,
  FactorSummary,
  Presented,
  Sent,
  Verification,
} from './schema.ts';

export interface Credentials {
  verify<M extends keyof Presented>(method: M, proof: Presented[M]): Promise<Verification>;
  factors: Factors;
  /**
   * In place of another password it ends the account's sessions, grants and tokens in the same commit. Throws password_…
   * (with details.minimumLength), account_not_found or server_busy. With `db`, in that transaction.
   */
  setPassword(
    accountId: AccountId,
    password: string,
    by: Actor,
    db?: Db,
    options?: SetPasswordOptions,
  ): Promise<void>;
  hasPassword(accountId: AccountId): Promise<boolean>;
  /** True when it failed so often in a row that only a new password helps. */
  isPasswordDisabled(accountId: AccountId): Promise<boolean>;
  /** What they must be, and which must be changed. */
  passwords: Passwords;
  /** How many hashes are being made and waited for, for the metrics. */
  hashing(): HashPoolState;
  jobs(): Job[];
}

export interface CredentialSettings extends HashPoolSettings {
  minimumLength: number;
  /** Beside a second factor. */
  minimumLengthWithFactor: number;
  maximumLength: number;
  /** How many former passwords may not be chosen again. */
  history: number;
  checkAtSignIn: SignInCheck;
  argon2: Argon2Settings;
  /** NIST SP 800-63B §3.2.2: at most 100 failures in a row for one password, however long it takes. */
  maximumConsecutiveFailures: number;
}

export interface CredentialDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  log: Log;
  accounts: Accounts;
  lockout: Lockout;
  /** Ends all that the account has open, inside the transaction it is given; it lives on a higher floor. */
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  settings: CredentialSettings;
  factors: FactorDoorDeps;
  /** The names of product and operator: no password may be made of them (OWASP ASVS 6.1.2). */
  contextWords: readonly string[];
  /** The names of the organizations of an account: no password of theirs may be made of them either. */
  wordsAround?: (accountId: AccountId) => Promise<readonly string[]>;
  /** Whether an account has to sign in with a second factor, also before it has one; it lives on a higher floor. */
  mustHaveFactor?: (accountId: AccountId) => Promise<boolean>;
  blocklist?: Blocklist;
  /** Lists of breaches, the nearest first. */
  breaches?: readonly BreachCheck[];
  observeHashing?: HashPoolObserver;
}

export function createCredentials(given: CredentialDeps): Credentials {
  const { postgres, settings } = given;
  const deps = {
    ...given,
    db: postgres.db,
    blocklist: given.blocklist ?? createBlocklist(),
    breaches: given.breaches ?? [],
    wordsAround: given.wordsAround ?? (async () => []),
    mustHaveFactor: given.mustHaveFactor ?? (async () => false),
    pool: createHashPool(settings, given.observeHashing),
    matcher: createMatcher(),
  };
  const checking = createPasswordChecking(deps);
  const reasonToChange = createReasonToChange(checking, settings.checkAtSignIn);
  const signIn = createPasswordSignIn({ ...deps, reasonToChange }, deps.pool);
  const { factors, doors, jobs } = createFactorDoors({ ...given, ...given.factors });
  const all: { readonly [M in keyof Presented]: (proof: Presented[M]) => Promise<Verification> } = {
    password: signIn,
    ...doors,
  };
  return {
    verify: (method, proof) => all[method](proof),
    factors,
    jobs,
    setPassword: createPasswordSetting({
      ...deps,
      checking,
      endCodes: (trx, accountId) => given.factors.verification.end(trx, { accountId }),
    }),
    passwords: createPasswords({ ...deps, checking }),
    hasPassword: async (accountId) => (await store.readFailures(postgres.db, accountId)) !== undefined,
    async isPasswordDisabled(accountId) {
      const failures = await store.readFailures(postgres.db, accountId);
      return failures !== undefined && failures >= settings.maximumConsecutiveFailures;
    },
    hashing: () => deps.pool.state(),
  };
}
