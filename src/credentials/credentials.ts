// The only door by which a person proves who they are. Lockout, the bound on hashing and the ledger are inside it, so
// that no caller can forget them.
import type { Accounts } from '../accounts/accounts.ts';
import type { Actor, Audit } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Lockout } from '../lockout/lockout.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { type Blocklist, createBlocklist } from './password/blocklist.ts';
import {
  createHashPool,
  type HashPoolObserver,
  type HashPoolSettings,
  type HashPoolState,
} from './password/hash-pool.ts';
import type { Argon2Settings } from './password/hashing.ts';
import { createPasswordSetting, type SetPasswordOptions } from './password/setting.ts';
import { createPasswordSignIn } from './password/sign-in.ts';
import * as store from './password/store.ts';
import type { PasswordProof, Verification } from './schema.ts';

export { createDevices, type Device, type Devices } from './devices/devices.ts';
export { createBreachCheck } from './password/breached.ts';
export type { PasswordProof, Verification } from './schema.ts';

export interface Credentials {
  verify(method: 'password', proof: PasswordProof): Promise<Verification>;
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
  /** How many hashes are being made and waited for, for the metrics. */
  hashing(): HashPoolState;
}

export interface CredentialSettings extends HashPoolSettings {
  minimumLength: number;
  maximumLength: number;
  argon2: Argon2Settings;
  /** NIST SP 800-63B §3.2.2: at most 100 failures in a row for one password, however long it takes. */
  maximumConsecutiveFailures: number;
}

/** Whether a password is known from a breach; undefined or a rejection when it could not be found out. */
export type BreachCheck = (password: string) => Promise<boolean | undefined>;

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
  /** The names of product and operator: no password may be made of them (OWASP ASVS 6.1.2). */
  contextWords: readonly string[];
  blocklist?: Blocklist;
  isBreached?: BreachCheck;
  observeHashing?: HashPoolObserver;
}

export function createCredentials(deps: CredentialDeps): Credentials {
  const { postgres, settings } = deps;
  const pool = createHashPool(settings, deps.observeHashing);
  const signIn = createPasswordSignIn(deps, pool);
  const setting = createPasswordSetting({ ...deps, pool, blocklist: deps.blocklist ?? createBlocklist() });
  return {
    verify: (_method, proof) => signIn(proof),
    setPassword: setting,
    hasPassword: async (accountId) => (await store.readFailures(postgres.db, accountId)) !== undefined,
    async isPasswordDisabled(accountId) {
      const failures = await store.readFailures(postgres.db, accountId);
      return failures !== undefined && failures >= settings.maximumConsecutiveFailures;
    },
    hashing: () => pool.state(),
  };
}
