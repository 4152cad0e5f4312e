// All SQL of passwords. A failure is counted before the password is looked at, in one conditional statement.
import { type EventRow, eventJson } from '../../audit/audit.ts';
import type { AccountId } from '../../lib/ids.ts';
import type { Also } from '../../lockout/lockout.ts';
import { insertMany } from '../../platform/database/insert-many.ts';
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
  change: { rehashed?: { hash: string; at: Date } | undefined; changeRequired?: string | undefined },
  events: readonly EventRow[],
): Also {
  return {
    name: 'password',
    sql: (condition) => `also as (
      update passwords set consecutive_failures = 0, hash = coalesce(:newHash, hash),
        hashed_at = coalesce(:hashedAt, hashed_at), change_required = coalesce(change_required, :changeRequired)
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
      newHash: change.rehashed?.hash ?? null,
      hashedAt: change.rehashed?.at ?? null,
      changeRequired: change.changeRequired ?? null,
      events: `[${events.map(eventJson.text).join(',')}]`,
    },
  };
}

export interface NewPassword {
  hash: string;
  at: Date;
  /** Too short to stand alone. */
  short: boolean;
  /** A link or code sent by mail was all that allowed it. */
  byMail: boolean;
  /** How many of the ones before are kept, so that they are not chosen again. */
  history: number;
  /** Up to when the one that it replaces was set. */
  provedAt?: Date | undefined;
}

/**
 * Whether it is the first of the account or took the place of another; nothing is written when that is not the one that
 * was proved. undefined when there is no such account.
 */
export async function replacePassword(
  db: Db,
  accountId: AccountId,
  { hash, at, short, byMail, history, provedAt }: NewPassword,
): Promise<'first' | 'replaced' | 'stale' | undefined> {
  const former = await db('passwords').where({ account_id: accountId }).forUpdate().first('hash', 'set_at');
  if (provedAt !== undefined && !(former !== undefined && former.set_at <= provedAt)) return 'stale';
  // From a select, so that an account that is being deleted gives no row instead of a foreign-key error. A row that was
  // inserted has no xmax; one that was updated has ours, also when a parallel first password came before this one.
  const { rows } = await db.raw<{ rows: { first: boolean }[] }>(
    `insert into passwords (account_id, hash, consecutive_failures, set_at, hashed_at, short, set_by_mail)
     select id, :hash, 0, :at, :at, :short, :byMail from accounts where id = :accountId for key share
     on conflict (account_id) do update
     set hash = excluded.hash, consecutive_failures = 0, set_at = excluded.set_at, hashed_at = excluded.hashed_at,
       short = excluded.short, set_by_mail = excluded.set_by_mail, change_required = null
     returning xmax = 0 as first`,
    { accountId, hash, at, short, byMail },
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  if (former !== undefined) await keepFormer(db, accountId, { hash: former.hash, at, history });
  return row.first ? 'first' : 'replaced';
}

/** Of accounts that are new in the same transaction. */
export async function insertPasswords(
  trx: Db,
  passwords: readonly { accountId: AccountId; hash: string; short: boolean; changeRequired: boolean }[],
  at: Date,
): Promise<void> {
  const rows = passwords.map(({ accountId, hash, short, changeRequired }) => ({
    account_id: accountId,
    hash,
    consecutive_failures: 0,
    set_at: at,
    hashed_at: at,
    short,
    set_by_mail: false,
    change_required: changeRequired ? 'import' : null,
  }));
  await insertMany(trx, 'passwords', rows);
}

export async function discardPassword(
  trx: Db,
  accountId: AccountId,
  { at, history }: { at: Date; history: number },
): Promise<void> {
  const [former] = await trx('passwords').where({ account_id: accountId }).delete().returning('hash');
  if (former !== undefined) await keepFormer(trx, accountId, { hash: former.hash, at, history });
}

/** Two of one instant are told apart; the oldest go. */
async function keepFormer(
  db: Db,
  accountId: AccountId,
  { hash, at, history }: { hash: string; at: Date; history: number },
): Promise<void> {
  if (history > 0) {
    await db.raw(
      `insert into password_history (account_id, hash, replaced_at)
       select :accountId, :hash, greatest(:at::timestamptz, max(replaced_at) + interval '1 microsecond')
       from password_history where account_id = :accountId`,
      { accountId, hash, at },
    );
  }
  await db.raw(
    `delete from password_history where account_id = :accountId and replaced_at not in (
       select replaced_at from password_history where account_id = :accountId
       order by replaced_at desc limit :history)`,
    { accountId, history },
  );
}

/** The hash of the present password, and of as many before it, the latest first. */
export async function readHashes(db: Db, accountId: AccountId, history: number): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { hash: string }[] }>(
    `(select hash, 0 as place, null::timestamptz as replaced_at from passwords where account_id = :accountId)
     union all
     (select hash, 1, replaced_at from password_history where account_id = :accountId
      order by replaced_at desc limit :history)
     order by place, replaced_at desc`,
    { accountId, history },
  );
  return rows.map(({ hash }) => hash);
}

export interface PasswordStanding {
  changeRequired: string | null;
  short: boolean;
  hasFactor: boolean;
}

/** undefined: there is no password. A code by mail is no second factor beside a password that a mail can replace. */
export async function readStanding(db: Db, accountId: AccountId): Promise<PasswordStanding | undefined> {
  const [row] = await db('passwords')
    .where({ account_id: accountId })
    .select({ changeRequired: 'change_required', short: 'short', hasFactor: factorOf(db, accountId) });
  return row;
}

export async function hasFactor(db: Db, accountId: AccountId): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { has: boolean }[] }>('select ? as has', [factorOf(db, accountId)]);
  return rows[0]?.has === true;
}

function factorOf(db: Db, accountId: AccountId) {
  return db.raw(
    `exists (select from factors where account_id = ? and kind <> 'mail' and disabled_at is null)`,
    [accountId],
  );
}

/** True when there is a password, which from now on has to be changed. */
export async function requireChange(db: Db, accountId: AccountId, reason: string): Promise<boolean> {
  return (await db('passwords').where({ account_id: accountId }).update({ change_required: reason })) > 0;
}

export async function readSetAt(db: Db, accountId: AccountId): Promise<Date | undefined> {
  const row = await db('passwords').where({ account_id: accountId }).first('set_at');
  return row?.set_at;
}

export async function readHash(db: Db, accountId: AccountId): Promise<string | undefined> {
  const row = await db('passwords').where({ account_id: accountId }).first('hash');
  return row?.hash;
}

export async function readFailures(db: Db, accountId: AccountId): Promise<number | undefined> {
  const row = await db('passwords').where({ account_id: accountId }).first('consecutive_failures');
  return row?.consecutive_failures;
}
