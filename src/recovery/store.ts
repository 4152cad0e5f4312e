// All SQL of links that take back a change of mail address, and of what is to be looked at after a recovery.
import type { AccountId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';

export interface EmailUndo {
  accountId: AccountId;
  /** The address of before. */
  email: string;
  verified: boolean;
}

const COLUMNS = 'account_id as "accountId", email, verified';

export async function insertUndo(
  trx: Db,
  undo: EmailUndo & { linkHash: Buffer; createdAt: Date; expiresAt: Date },
): Promise<void> {
  await trx('email_undos').insert({
    link_hash: undo.linkHash,
    account_id: undo.accountId,
    email: undo.email,
    verified: undo.verified,
    created_at: undo.createdAt,
    expires_at: undo.expiresAt,
  });
}

export async function findUndo(db: Db, linkHash: Buffer, now: Date): Promise<EmailUndo | undefined> {
  const { rows } = await db.raw<{ rows: EmailUndo[] }>(
    `select ${COLUMNS} from email_undos where link_hash = :linkHash and expires_at > :now`,
    { linkHash, now },
  );
  return rows[0];
}

/**
 * With the younger ones of the account: whoever changed the address once more, after the change that is taken back here,
 * got a link of their own by that. Older ones stay, for they lead further back.
 */
export async function takeUndo(trx: Db, linkHash: Buffer, now: Date): Promise<EmailUndo | undefined> {
  const { rows } = await trx.raw<{ rows: EmailUndo[] }>(
    `with used as (
       delete from email_undos where link_hash = :linkHash and expires_at > :now
       returning account_id, email, verified, created_at
     ), younger as (
       delete from email_undos using used
       where email_undos.account_id = used.account_id and email_undos.created_at > used.created_at
     )
     select ${COLUMNS} from used`,
    { linkHash, now },
  );
  return rows[0];
}

/** Proven ones, to which a change can still be taken back. */
export async function formerAddresses(trx: Db, accountId: AccountId, now: Date): Promise<string[]> {
  const former = { account_id: accountId, verified: true };
  return trx('email_undos').where(former).andWhere('expires_at', '>', now).distinct().pluck('email');
}

export async function deleteExpired(db: Db, now: Date, limit: number): Promise<number> {
  const expired = db('email_undos')
    .select('link_hash')
    .where('expires_at', '<', now)
    .orderBy('expires_at')
    .limit(limit)
    .forUpdate()
    .skipLocked();
  return db('email_undos').whereIn('link_hash', expired).delete();
}

// What came after the recovery counts as well: who had left a factor there may have put another one in its place.
const OPEN = `r.until > now() - interval '30 days'`;
const CODES = `(${OPEN} and exists (select 1 from recovery_codes c
  where c.account_id = r.account_id and c.used_at is null and c.created_at > r.since))`;
const FACTORS = `(${OPEN} and exists (select 1 from factors f
  where f.account_id = r.account_id and f.created_at > r.since))`;

/** Where one is open already, it goes on to look back as far. */
export async function beginReview(trx: Db, accountId: AccountId, since: Date, until: Date): Promise<void> {
  await trx.raw(
    `insert into account_reviews as before (account_id, since, until)
     select r.account_id, r.since, r.until
     from (values (:accountId, :since::timestamptz, :until::timestamptz)) as r (account_id, since, until)
     where ${FACTORS} or ${CODES}
     on conflict (account_id) do update set since = least(before.since, excluded.since), until = excluded.until`,
    { accountId, since, until },
  );
}

export async function isDue(db: Db, accountId: AccountId): Promise<boolean> {
  const { rows } = await db
    .raw(`select 1 from account_reviews r where r.account_id = ? and (${FACTORS} or ${CODES})`, [accountId])
    .options({ name: 'account_review_is_due' });
  return rows.length > 0;
}

export async function findReview(
  db: Db,
  accountId: AccountId,
): Promise<{ since: Date; until: Date; recoveryCodes: boolean } | undefined> {
  const { rows } = await db.raw(
    `select r.since, r.until, ${CODES} as "recoveryCodes"
     from account_reviews r where r.account_id = ? and ${OPEN}`,
    [accountId],
  );
  return rows[0];
}

/** Not one that began anew meanwhile, nor while there is a factor that was not shown. */
export async function endReview(
  trx: Db,
  accountId: AccountId,
  until: Date,
  shown: readonly string[],
): Promise<boolean> {
  const { rowCount } = await trx.raw(
    `delete from account_reviews r where r.account_id = :accountId and r.until = :until
       and not exists (select 1 from factors f
         where f.account_id = r.account_id and f.created_at > r.since and f.id <> all(:shown::text[]))`,
    { accountId, until, shown: [...shown] },
  );
  return rowCount > 0;
}
