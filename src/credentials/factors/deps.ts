// What factors are made of, and what everything of theirs is done with.
import type { Accounts } from '../../accounts/accounts.ts';
import type { Audit } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Lockout } from '../../lockout/lockout.ts';
import type { Messages } from '../../messages/messages.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import type { Vault } from '../../platform/secrets/vault.ts';
import type { Verification } from '../../verification/verification.ts';

export interface FactorSettings {
  /** ISO 3166 codes; empty: numbers of every country. */
  smsCountries: readonly string[];
  /** NIST SP 800-63B §3.2.2: so many failures in a row disable a factor, however long they take. */
  maximumConsecutiveFailures: number;
}

export interface FactorDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  accounts: Accounts;
  lockout: Lockout;
  vault: Vault;
  verification: Verification;
  messages: Pick<Messages, 'canSend'>;
  /** The server secret 'one-time'. */
  oneTimeKey: Buffer;
  /** As authenticator apps show it. */
  productName: string;
  settings: FactorSettings;
  /** Whether an account has to sign in with a second factor whatever it has set up itself; it lives on a higher floor. */
  needsFactor: (accountId: AccountId) => Promise<boolean>;
  /** A device that was remembered in place of a factor ends with that factor. */
  forgetDevices: (trx: Db, accountId: AccountId) => Promise<unknown>;
  /** Ends all that the account has open, inside the transaction it is given; it lives on a higher floor. */
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
}
