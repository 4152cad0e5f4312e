// A new password: checked against the policy, the lists and the breach service, hashed, and written with its event.
import type { Account, Accounts } from '../../accounts/accounts.ts';
import type { Actor, Audit } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type { Log } from '../../platform/telemetry/log.ts';
import type { Blocklist } from './blocklist.ts';
import type { HashPool } from './hash-pool.ts';
import { type Argon2Settings, hashPassword, normalizePassword } from './hashing.ts';
import { refusalOf, wordsOf } from './policy.ts';
import { upsertPassword } from './store.ts';

export interface SetPasswordOptions {
  /** What the account has open stays open; for a password that nobody else can have known. */
  keepSessions?: boolean;
}

interface PasswordSettingDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  log: Log;
  accounts: Accounts;
  settings: {
    minimumLength: number;
    maximumLength: number;
    hashQueueSeconds: number;
    argon2: Argon2Settings;
  };
  contextWords: readonly string[];
  blocklist: Blocklist;
  isBreached?: (password: string) => Promise<boolean | undefined>;
  pool: HashPool;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
}

export function createPasswordSetting(deps: PasswordSettingDeps) {
  return async (
    accountId: AccountId,
    password: string,
    by: Actor,
    db?: Db,
    options: SetPasswordOptions = {},
  ): Promise<void> => {
    const account = await deps.accounts.find(accountId, db);
    if (account === undefined) throw failure('account_not_found', { id: accountId });
    const normalized = normalizePassword(password);
    await checkPolicy(deps, normalized, account);
    await checkBreaches(deps, password, account);
    const hashed = await deps.pool.run(() => hashPassword(normalized, deps.settings.argon2));
    if (hashed.kind === 'busy') {
      throw failure('server_busy', { retryAfterSeconds: deps.settings.hashQueueSeconds });
    }
    const write = (trx: Db) => writePassword(deps, trx, { accountId, hash: hashed.value, by, ...options });
    await (db === undefined ? deps.postgres.transaction(write) : write(db));
  };
}

async function writePassword(
  deps: PasswordSettingDeps,
  trx: Db,
  act: { accountId: AccountId; hash: string; by: Actor; keepSessions?: boolean },
): Promise<void> {
  const written = await upsertPassword(trx, act.accountId, act.hash, deps.clock.now());
  if (written === undefined) throw failure('account_not_found', { id: act.accountId });
  // A new password is most often an answer to an old one that somebody else knows (OWASP ASVS 7.4.3, RFC 9700 §4.14.2).
  const ends = written === 'replaced' && act.keepSessions !== true;
  if (ends) await deps.endAccountState(trx, act.accountId);
  await deps.audit.record(trx, {
    type: 'password.set',
    actor: act.by,
    outcome: 'success',
    accountId: act.accountId,
    details: written === 'first' ? {} : { sessions: ends ? 'ended' : 'kept' },
  });
}

async function checkPolicy(deps: PasswordSettingDeps, normalized: string, account: Account): Promise<void> {
  const { minimumLength, maximumLength } = deps.settings;
  const refusal = await refusalOf(normalized, {
    minimumLength,
    maximumLength,
    contextWords: [...deps.contextWords, ...wordsOf(account)],
    isListed: (folded) => deps.blocklist.has(folded),
  });
  if (refusal !== undefined) throw failure(refusal, { minimumLength, maximumLength });
}

// A breach service that is away must not keep people from changing a password, least of all a stolen one: fails open.
async function checkBreaches(deps: PasswordSettingDeps, password: string, account: Account): Promise<void> {
  if (deps.isBreached === undefined) return;
  const { minimumLength, maximumLength } = deps.settings;
  const breached = await deps.isBreached(password).catch((error: unknown) => {
    // Only the name: the message of a foreign error might quote what was sent.
    deps.log.warn('the breached-password service failed', {
      error: error instanceof Error ? error.name : 'unknown',
    });
    return undefined;
  });
  if (breached === true) throw failure('password_breached', { minimumLength, maximumLength });
  if (breached === false) return;
  await deps.audit.append({
    type: 'password.breach-check-failed',
    actor: { kind: 'system', id: null },
    outcome: 'failure',
    accountId: account.id,
  });
}
