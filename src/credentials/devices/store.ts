// All SQL of account_devices.
import type { AccountId, DeviceId } from '../../lib/ids.ts';
import type { Db } from '../../platform/database/postgres.ts';

export interface DeviceRow {
  id: DeviceId;
  address: string | null;
  userAgent: string | null;
  createdAt: Date;
  seenAt: Date;
  rememberedUntil: Date | null;
}

const columns = {
  id: 'id',
  address: 'address',
  userAgent: 'user_agent',
  createdAt: 'created_at',
  seenAt: 'seen_at',
  rememberedUntil: 'remembered_until',
};

/**
 * What a remembered browser stands under: whoever changes the password, a factor, an address or the number ends it without
 * having to know of it. No row while the account is suspended.
 */
const stateOf = (accountId: string) => `(
  select sha256(convert_to(concat_ws('|',
    (select extract(epoch from set_at)::text from passwords where account_id = accounts.id),
    (select string_agg(id, ',' order by id) from factors where account_id = accounts.id and disabled_at is null),
    (select string_agg(kind || ':' || normalized, ',' order by kind) from account_identifiers
     where account_id = accounts.id),
    phone_number), 'UTF8'))
  from accounts where id = ${accountId} and status = 'active')`;

export interface Seen {
  id: DeviceId;
  accountId: AccountId;
  secretHash: Buffer;
  address: string | null;
  userAgent: string | null;
  now: Date;
  expiresAt: Date;
}

/** `isFirst`: nothing was known of the account's browsers before. undefined: there is no such account. */
export async function upsertDevice(
  db: Db,
  seen: Seen,
): Promise<{ id: DeviceId; isNew: boolean; isFirst: boolean } | undefined> {
  // A row that was inserted has no xmax.
  const { rows } = await db.raw<{ rows: { id: DeviceId; isNew: boolean; isFirst: boolean }[] }>(
    `insert into account_devices (id, account_id, secret_hash, address, user_agent, created_at, seen_at, expires_at)
     select :id, id, :secretHash, :address, :userAgent, :now, :now, :expiresAt from accounts
     where id = :accountId for key share
     on conflict (account_id, secret_hash) do update
     set address = excluded.address, user_agent = excluded.user_agent, seen_at = excluded.seen_at,
       expires_at = excluded.expires_at
     returning id, xmax = 0 as "isNew", not exists (
       select from account_devices as other where other.account_id = :accountId) as "isFirst"`,
    { ...seen },
  );
  return rows[0];
}

export async function isRemembered(
  db: Db,
  { accountId, secretHash, now }: Pick<Seen, 'accountId' | 'secretHash' | 'now'>,
): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `select 1 from account_devices
     where account_id = :accountId and secret_hash = :secretHash and remembered_until > :now
       and remembered_state = ${stateOf(':accountId')}`,
    { accountId, secretHash, now },
  );
  return rows.length > 0;
}

export async function remember(
  db: Db,
  { accountId, id, until }: { accountId: AccountId; id: DeviceId; until: Date },
): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    `update account_devices set remembered_until = :until, remembered_state = ${stateOf(':accountId')}
     where account_id = :accountId and id = :id
       and exists (select from accounts where id = :accountId and status = 'active')
     returning 1`,
    { accountId, id, until },
  );
  return rows.length > 0;
}

/** How many were remembered. */
export async function forget(db: Db, accountId: AccountId, id?: DeviceId): Promise<number> {
  return db('account_devices')
    .where({ account_id: accountId, ...(id !== undefined && { id }) })
    .whereNotNull('remembered_until')
    .update({ remembered_until: null, remembered_state: null });
}

/** Those that are remembered, the one used last first. */
export async function listRemembered(db: Db, accountId: AccountId, now: Date): Promise<DeviceRow[]> {
  return db('account_devices')
    .where({ account_id: accountId })
    .where('remembered_until', '>', now)
    .whereRaw(`remembered_state = ${stateOf('account_devices.account_id')}`)
    .orderBy('seen_at', 'desc')
    .select(columns);
}

export async function findId(
  db: Db,
  { accountId, secretHash }: Pick<Seen, 'accountId' | 'secretHash'>,
): Promise<DeviceId | undefined> {
  const row = await db('account_devices')
    .where({ account_id: accountId, secret_hash: secretHash })
    .first('id');
  return row?.id;
}

export async function deleteExpired(db: Db, now: Date, limit: number): Promise<number> {
  const over = db('account_devices')
    .select('id')
    .where('expires_at', '<', now)
    .orderBy('expires_at')
    .limit(limit)
    .forUpdate()
    .skipLocked();
  return db('account_devices').whereIn('id', over).delete();
}
