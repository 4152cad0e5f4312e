// All SQL of passwords. A failure is counted before the password is looked at, in one conditional statement.
import { type EventRow, eventJson } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Also } from '../../lockout/lockout.ts';
import type { Db } from '../../platform/database/postgres.ts';

export interface UsablePassword {
  hash: string;
  /** Failures in a row, this attempt counted as one in advance. */
  consecutiveFailures: number;
}

/**
 * Takes one of the attempts that a password has in all (NIST SP 800-63B §3.2.2), and returns a UsablePassword. No row: there
 * is no password, or it has none left. Parallel attempts queue up at the row, so that none can be taken twice.
 */
export function takingAttempt(accountId: AccountId, maximum: number): Also {
  return {
    name: 'password',
    sql: (condition) => `also as (
      update passwords set consecutive_failures = consecutive_failures + 1
      where account_id = :accountId and consecutive_failures < :maximumFailures and ${condition}
      returning hash, consecutive_failures as "consecutiveFailures")`,
    bindings: { accountId, maximumFailures: maximum },
  };
}

export async function giveBackAttempt(db: Db, accountId: AccountId): Promise<void> {
  await db('passwords')
    .where({ account_id: accountId })
    .update({ consecutive_failures: db.raw('greatest(consecutive_failures - 1, 0)') });
}

/**
 * Begins the count anew and writes the events. No row when the account was suspended, or the password changed or removed,
 * since its hash was read: then this proof is stale.
 */
export function acceptingPassword(
  accountId: AccountId,
  hash: string,
  rehashed: { hash: string; at: Date } | undefined,
  events: readonly EventRow[],
): Also {
  return {
    name: 'password',
    sql: (condition) => `also as (
      update passwords set consecutive_failures = 0, hash = coalesce(:newHash, hash),
        hashed_at = coalesce(:hashedAt, hashed_at)
      where account_id = :accountId and hash = :hash and ${condition}
        and exists (select from accounts where id = :accountId and status = 'active')
      returning 1
    ), ledger as (
      insert into audit_events (${eventJson.columns})
      select told.* from also cross join json_to_recordset(cast(:events as json)) as told(${eventJson.record})
    )`,
    bindings: {
      accountId,
      hash,
      newHash: rehashed?.hash ?? null,
      hashedAt: rehashed?.at ?? null,
      events: `[${events.map(eventJson.text).join(',')}]`,
    },
  };
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

export async function readHash(db: Db, accountId: AccountId): Promise<string | undefined> {
  const row = await db('passwords').where({ account_id: accountId }).first('hash');
  return row?.hash;
}

export async function readFailures(db: Db, accountId: AccountId): Promise<number | undefined> {
  const row = await db('passwords').where({ account_id: accountId }).first('consecutive_failures');
  return row?.consecutive_failures;
}
