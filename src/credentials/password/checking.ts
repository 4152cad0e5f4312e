// Whether a password may be this person's: long enough for how they sign in, not one that is tried first, in no list of
// breaches. Asked for a new one, and of one that is presented where a setting wants that.
import type { Account } from '../../accounts/accounts.ts';
import type { Audit } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { Log } from '../../platform/telemetry/log.ts';
import type { Blocklist } from './blocklist.ts';
import type { Candidate } from './matching.ts';
import { type PasswordRefusal, refusalOf, wordsOf } from './policy.ts';
import { hasFactor } from './store.ts';

/** What a page says beside the field. */
export interface PasswordLimits {
  minimumLength: number;
  maximumLength: number;
}

/** Whether a password is known from a breach; undefined or a rejection when it could not be found out. */
export type BreachCheck = (password: string) => Promise<boolean | undefined>;

export interface PasswordCheckDeps {
  db: Db;
  audit: Audit;
  log: Log;
  settings: { minimumLength: number; minimumLengthWithFactor: number; maximumLength: number };
  /** The names of product and operator. */
  contextWords: readonly string[];
  /** The names of what the account belongs to. */
  wordsAround: (accountId: AccountId) => Promise<readonly string[]>;
  /** Whether this account has to sign in with a second factor, also before it has one. */
  mustHaveFactor: (accountId: AccountId) => Promise<boolean>;
  blocklist: Blocklist;
  /** The lists of breaches, in the order in which they are asked. */
  breaches: readonly BreachCheck[];
}

export interface PasswordChecking {
  limitsFor(accountId: AccountId, db?: Db): Promise<PasswordLimits>;
  /** Why it may not be theirs, by the rules that need nothing but the password; then by the lists of breaches. */
  refusalFor(account: Account, candidate: Candidate, db?: Db): Promise<PasswordRefusal | undefined>;
  isBreached(account: Account, candidate: Candidate): Promise<boolean>;
  /** Too short for a password that stands alone. */
  isShort(candidate: Candidate): boolean;
}

export function createPasswordChecking(deps: PasswordCheckDeps): PasswordChecking {
  const { minimumLength, maximumLength } = deps.settings;
  const beside = Math.min(deps.settings.minimumLengthWithFactor, minimumLength);

  async function limitsFor(accountId: AccountId, db = deps.db): Promise<PasswordLimits> {
    const hasSecond = (await hasFactor(db, accountId)) || (await deps.mustHaveFactor(accountId));
    return { minimumLength: hasSecond ? beside : minimumLength, maximumLength };
  }

  return {
    limitsFor,
    isShort: ({ normalized }) => [...normalized].length < minimumLength,
    isBreached: (account, { typed }) => isBreached(deps, account, typed),
    async refusalFor(account, { normalized }, db = deps.db) {
      return refusalOf(normalized, {
        ...(await limitsFor(account.id, db)),
        contextWords: [...deps.contextWords, ...wordsOf(account), ...(await deps.wordsAround(account.id))],
        isListed: (folded) => deps.blocklist.has(folded),
      });
    },
  };
}

// A list that is away must not keep people from changing a password, least of all a stolen one: fails open.
async function isBreached(deps: PasswordCheckDeps, account: Account, password: string): Promise<boolean> {
  for (const check of deps.breaches) {
    const breached = await check(password).catch((error: unknown) => {
      // Only the name: the message of a foreign error might quote what was sent.
      deps.log.warn('the breached-password check failed', {
        error: error instanceof Error ? error.name : 'unknown',
      });
      return undefined;
    });
    if (breached === true) return true;
    if (breached === undefined) await tellFailed(deps, account.id);
  }
  return false;
}

async function tellFailed({ audit }: PasswordCheckDeps, accountId: AccountId): Promise<void> {
  await audit.append({
    type: 'password.breach-check-failed',
    actor: { kind: 'system', id: null },
    outcome: 'failure',
    accountId,
  });
}
