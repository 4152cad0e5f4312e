// All SQL of verifications. A guess is counted, and a code or link used, in one conditional statement.
import type { AccountId, VerificationId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Channel, Purpose, Used } from './schema.ts';

export interface VerificationRow {
  id: VerificationId;
  purpose: Purpose;
  channel: Channel;
  accountId: AccountId | null;
  to: string;
  binding: Buffer | null;
  address: string | null;
  codeHash: Buffer | null;
  linkHash: Buffer | null;
  attemptsLeft: number;
  details: Record<string, unknown>;
  createdAt: Date;
  expiresAt: Date;
}

const USED = 'id, purpose, account_id as "accountId", recipient as "to", details';

export async function insertVerification(trx: Db, row: VerificationRow): Promise<void> {
  await trx('verifications').insert({
    id: row.id,
    purpose: row.purpose,
    channel: row.channel,
    account_id: row.accountId,
    recipient: row.to,
    binding: row.binding,
    address: row.address,
    code_hash: row.codeHash,
    link_hash: row.linkHash,
    attempts_left: row.attemptsLeft,
    details: JSON.stringify(row.details),
    created_at: row.createdAt,
    expires_at: row.expiresAt,
  });
}

/** Of the same attempt; and with a link, which any browser may open, all of this purpose for the account or recipient. */
export async function endEarlier(
  trx: Db,
  of: {
    purpose: Purpose;
    accountId: AccountId | null;
    to: string;
    binding: Buffer | null;
    hasLink: boolean;
    now: Date;
  },
): Promise<void> {
  await trx.raw(
    `update verifications set used_at = :now
     where purpose = :purpose and used_at is null and (binding = :binding
       or (:hasLink and link_hash is not null and (account_id = :accountId
         or (cast(:accountId as text) is null and account_id is null and recipient = :to))))`,
    {
      now: of.now,
      purpose: of.purpose,
      binding: of.binding,
      hasLink: of.hasLink,
      accountId: of.accountId,
      to: of.to,
    },
  );
}

/** Held until the transaction ends, in one order for everybody. */
export async function lockLimits(trx: Db, keys: readonly string[]): Promise<void> {
  await trx.raw(
    `select pg_advisory_xact_lock(hashtextextended('verifications:' || key, 0))
     from unnest(cast(? as text[])) as key order by hashtextextended(key, 0)`,
    [[...keys]],
  );
}

/** When so many were begun since then: the oldest of the last so many, after which one more may come. */
export async function oldestOfMost(
  trx: Db,
  limit: {
    by: 'recipient' | 'account_id' | 'address';
    value: string;
    most: number;
    /** Counted together; without any, all are. */
    purposes?: readonly Purpose[];
  },
  since: Date,
): Promise<Date | undefined> {
  const same = limit.by === 'recipient' ? 'lower(recipient) = lower(?)' : `${limit.by} = ?`;
  const begun = trx('verifications').whereRaw(same, [limit.value]).where('created_at', '>', since);
  if (limit.purposes !== undefined) begun.whereIn('purpose', limit.purposes);
  const row = await begun
    .orderBy('created_at', 'desc')
    .offset(limit.most - 1)
    .first('created_at');
  return row?.created_at;
}

export async function findNewest(
  db: Db,
  of: { purpose: Purpose; binding: Buffer; id?: VerificationId | undefined },
): Promise<VerificationId | undefined> {
  const row = await db('verifications')
    .where({ purpose: of.purpose, binding: of.binding, ...(of.id && { id: of.id }) })
    .whereNotNull('code_hash')
    .orderBy('id', 'desc')
    .first('id');
  return row?.id;
}

/** undefined: it was used, is over, or has no guesses left. Parallel guesses queue up at the row. */
export async function guess(
  trx: Db,
  { id, codeHash, now }: { id: VerificationId; codeHash: Buffer; now: Date },
): Promise<(Used & { right: boolean; left: number }) | undefined> {
  const { rows } = await trx.raw<{ rows: (Used & { right: boolean; left: number })[] }>(
    `update verifications
     set attempts_left = attempts_left - 1, used_at = case when code_hash = :codeHash then cast(:now as timestamptz) end
     where id = :id and used_at is null and expires_at > :now and attempts_left > 0
     returning ${USED}, code_hash = :codeHash as right, attempts_left as left`,
    { id, codeHash, now },
  );
  return rows[0];
}

interface Link {
  purpose: Purpose;
  linkHash: Buffer;
  now: Date;
}

export async function useLink(trx: Db, link: Link): Promise<Used | undefined> {
  const { rows } = await trx.raw<{ rows: Used[] }>(
    `update verifications set used_at = :now
     where link_hash = :linkHash and purpose = :purpose and used_at is null and expires_at > :now
     returning ${USED}`,
    { ...link },
  );
  return rows[0];
}

export async function peekLink(db: Db, link: Link): Promise<Used | undefined> {
  const { rows } = await db.raw<{ rows: Used[] }>(
    `select ${USED} from verifications
     where link_hash = :linkHash and purpose = :purpose and used_at is null and expires_at > :now`,
    { ...link },
  );
  return rows[0];
}

export async function endOfAccount(
  trx: Db,
  accountId: AccountId,
  purposes: readonly Purpose[] | undefined,
  now: Date,
): Promise<void> {
  const rows = trx('verifications').where({ account_id: accountId }).whereNull('used_at');
  if (purposes !== undefined) rows.whereIn('purpose', purposes);
  await rows.update({ used_at: now });
}

export async function deleteExpired(db: Db, before: Date, limit: number): Promise<number> {
  const expired = db('verifications')
    .select('id')
    .where('expires_at', '<', before)
    .orderBy('expires_at')
    .limit(limit)
    .forUpdate()
    .skipLocked();
  return db('verifications').whereIn('id', expired).delete();
}
