// A new password: checked against the rules, the ones before it and the lists of breaches, hashed, and written with its event.
import type { Accounts } from '../../accounts/accounts.ts';
import type { Actor, Audit } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db, Postgres } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type { PasswordChecking } from './checking.ts';
import type { HashPool } from './hash-pool.ts';
import { type Argon2Settings, hashPassword, normalizePassword } from './hashing.ts';
import type { Candidate, Matcher } from './matching.ts';
import { readHashes, replacePassword } from './store.ts';

export interface SetPasswordOptions {
  /** What the account has open stays open; for a password that nobody else can have known. */
  keepSessions?: boolean;
  /** A link or code sent by mail is all that proves who sets it. */
  byMail?: boolean;
  /** When the present one was proved: in place of one that was set since, it throws version_conflict. */
  provedAt?: Date;
}

export interface PasswordSettingDeps {
  postgres: Postgres;
  audit: Audit;
  clock: Clock;
  accounts: Accounts;
  settings: { hashQueueSeconds: number; argon2: Argon2Settings; history: number };
  checking: PasswordChecking;
  matcher: Matcher;
  pool: HashPool;
  endAccountState: (trx: Db, accountId: AccountId) => Promise<void>;
  /** Codes and links on their way to the account were asked for under the password before. */
  endCodes: (trx: Db, accountId: AccountId) => Promise<void>;
}

export function createPasswordSetting(deps: PasswordSettingDeps) {
  return async (
    accountId: AccountId,
    password: string,
    by: Actor,
    db?: Db,
    options: SetPasswordOptions = {},
  ): Promise<void> => {
    const candidate = { typed: password, normalized: normalizePassword(password) };
    await check(deps, accountId, candidate, db);
    const hash = await inPool(deps, () => hashPassword(candidate.normalized, deps.settings.argon2));
    const act = { accountId, hash, short: deps.checking.isShort(candidate), by, ...options };
    const write = (trx: Db) => writePassword(deps, trx, act);
    await (db === undefined ? deps.postgres.transaction(write) : write(db));
  };
}

async function inPool<T>(deps: PasswordSettingDeps, task: () => Promise<T>): Promise<T> {
  const done = await deps.pool.run(task);
  if (done.kind === 'done') return done.value;
  throw failure('server_busy', { retryAfterSeconds: deps.settings.hashQueueSeconds });
}

async function check(
  deps: PasswordSettingDeps,
  accountId: AccountId,
  candidate: Candidate,
  db?: Db,
): Promise<void> {
  const account = await deps.accounts.find(accountId, db);
  if (account === undefined) throw failure('account_not_found', { id: accountId });
  const refusal =
    (await deps.checking.refusalFor(account, candidate, db)) ??
    ((await isReused(deps, accountId, candidate, db)) ? 'password_reused' : undefined) ??
    ((await deps.checking.isBreached(account, candidate)) ? 'password_breached' : undefined);
  if (refusal !== undefined) throw failure(refusal, { ...(await deps.checking.limitsFor(accountId, db)) });
}

/** One place in the pool for each of them, so that nobody else waits for all. */
async function isReused(
  deps: PasswordSettingDeps,
  accountId: AccountId,
  candidate: Candidate,
  db: Db = deps.postgres.db,
): Promise<boolean> {
  for (const hash of await readHashes(db, accountId, deps.settings.history)) {
    if (await inPool(deps, () => deps.matcher.matches(hash, candidate))) return true;
  }
  return false;
}

interface Act extends SetPasswordOptions {
  accountId: AccountId;
  hash: string;
  short: boolean;
  by: Actor;
}

async function writePassword(deps: PasswordSettingDeps, trx: Db, act: Act): Promise<void> {
  const { accountId, hash, short, byMail = false, provedAt } = act;
  const { history } = deps.settings;
  const at = deps.clock.now();
  const written = await replacePassword(trx, accountId, { hash, at, short, byMail, history, provedAt });
  if (written === undefined) throw failure('account_not_found', { id: accountId });
  if (written === 'stale') throw failure('version_conflict');
  if (written === 'replaced') await deps.endCodes(trx, accountId);
  // A new password is most often an answer to an old one that somebody else knows (OWASP ASVS 7.4.3, RFC 9700 §4.14.2).
  const ends = written === 'replaced' && act.keepSessions !== true;
  if (ends) await deps.endAccountState(trx, accountId);
  await deps.audit.record(trx, {
    type: 'password.set',
    actor: act.by,
    outcome: 'success',
    accountId,
    details: {
      ...(written === 'replaced' && { sessions: ends ? 'ended' : 'kept' }),
      ...(byMail && { byMail }),
    },
  });
}
