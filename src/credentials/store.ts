// All SQL of passwords. A failure is counted before the password is looked at, in one conditional statement.
import type { AccountId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';

export interface UsablePassword {
  hash: string;
  /** Failures in a row, this attempt counted as one in advance. */
  consecutiveFailures: number;
}

/**
 * Takes one of the attempts that a password has in all (NIST SP 800-63B §3.2.2). undefined: there is no password, or it
 * has none left. Parallel attempts queue up at the row, so that none can be taken twice.
 */
export async function takeAttempt(
  db: Db,
  accountId: AccountId,
  maximum: number,
): Promise<UsablePassword | undefined> {
  const rows = await db('passwords')
    .where({ account_id: accountId })
    .where('consecutive_failures', '<', maximum)
    .update({ consecutive_failures: db.raw('consecutive_failures + 1') })
    .returning(['hash', 'consecutive_failures']);
  const row: { hash: string; consecutive_failures: number } | undefined = rows[0];
  return row && { hash: row.hash, consecutiveFailures: row.consecutive_failures };
}

export async function giveBackAttempt(db: Db, accountId: AccountId): Promise<void> {
  await db('passwords')
    .where({ account_id: accountId })
    .update({ consecutive_failures: db.raw('greatest(consecutive_failures - 1, 0)') });
}

/** False when the password was changed or removed since its hash was read: then this proof is stale. */
export async function acceptPassword(
  db: Db,
  accountId: AccountId,
  hash: string,
  rehashed: { hash: string; at: Date } | undefined,
): Promise<boolean> {
  const renewed = rehashed && { hash: rehashed.hash, hashed_at: rehashed.at };
  const count = await db('passwords')
    .where({ account_id: accountId, hash })
    .update({ consecutive_failures: 0, ...renewed });
  return count > 0;
}

/** Whether it is the first of the account or took the place of another; undefined when there is no such account. */
export async function upsertPassword(
  db: Db,
  accountId: AccountId,
  hash: string,
  at: Date,
): Promise<'first' | 'replaced' | undefined> {
  // From a select, so that an account that is being deleted gives no row instead of a foreign-key error. A row that was
  // inserted has no xmax; one that was updated has ours, also when a parallel first password came before this one.
  const { rows } = await db.raw<{ rows: { first: boolean }[] }>(
    `insert into passwords (account_id, hash, consecutive_failures, set_at, hashed_at)
     select id, :hash, 0, :at, :at from accounts where id = :accountId for key share
     on conflict (account_id) do update
     set hash = excluded.hash, consecutive_failures = 0, set_at = excluded.set_at, hashed_at = excluded.hashed_at
     returning xmax = 0 as first`,
    { accountId, hash, at },
  );
  const [row] = rows;
  return row && (row.first ? 'first' : 'replaced');
}

export async function readFailures(db: Db, accountId: AccountId): Promise<number | undefined> {
  const row = await db('passwords').where({ account_id: accountId }).first('consecutive_failures');
  return row?.consecutive_failures;
}
