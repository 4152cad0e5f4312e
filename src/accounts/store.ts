// All SQL of accounts and their identifiers: rows in, records out.
import type { Identifier, IdentifierKind } from '../lib/identifiers.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import { prepared, runPrepared } from '../platform/database/prepared.ts';
import type { Account, AccountStatus } from './schema.ts';

interface AccountRow {
  id: AccountId;
  status: AccountStatus;
  admin: boolean;
  email: string | null;
  email_verified: boolean | null;
  username: string | null;
  name: string | null;
  given_name: string | null;
  family_name: string | null;
  picture: string | null;
  locale: string | null;
  zoneinfo: string | null;
  phone_number: string | null;
  phone_number_verified_at: Date | null;
  profile: Account['profile'];
  appearance: Account['appearance'];
  delete_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

/** The columns of an account that are plain values of its own. */
export interface AccountFields {
  admin: boolean;
  name: string | null;
  givenName: string | null;
  familyName: string | null;
  picture: string | null;
  locale: string | null;
  zoneinfo: string | null;
  phoneNumber: string | null;
  phoneNumberVerified: boolean;
  profile: Account['profile'];
  appearance: Account['appearance'];
}

const COLUMNS = [
  'a.id',
  'a.status',
  'a.admin',
  'e.value as email',
  'e.verified as email_verified',
  'u.value as username',
  'a.name',
  'a.given_name',
  'a.family_name',
  'a.picture',
  'a.locale',
  'a.zoneinfo',
  'a.phone_number',
  'a.phone_number_verified_at',
  'a.profile',
  'a.appearance',
  'a.delete_at',
  'a.version',
  'a.created_at',
  'a.updated_at',
];

function accounts(db: Db) {
  return db('accounts as a')
    .leftJoin('account_identifiers as e', (join) =>
      join.on('e.account_id', 'a.id').andOnVal('e.kind', 'email'),
    )
    .leftJoin('account_identifiers as u', (join) =>
      join.on('u.account_id', 'a.id').andOnVal('u.kind', 'username'),
    )
    .select<AccountRow[]>(COLUMNS);
}

export async function findAccount(db: Db, id: AccountId): Promise<Account | undefined> {
  const [row] = await accounts(db).where('a.id', id);
  return row && toAccount(row);
}

/** For many requests at once: each of them asks for its own account, again and again. */
export async function findAccounts(db: Db, ids: readonly AccountId[]): Promise<(Account | undefined)[]> {
  const rows = await runPrepared<AccountRow>(db, FOUND, [ids]);
  const byId = new Map(rows.map((row) => [row.id, toAccount(row)]));
  return ids.map((id) => byId.get(id));
}

const FOUND = prepared('accounts_find', select('a.id = any(?::text[])'));

function select(condition: string, join = ''): string {
  return `select ${COLUMNS.join(', ')} from accounts a
   left join account_identifiers e on e.account_id = a.id and e.kind = 'email'
   left join account_identifiers u on u.account_id = a.id and u.kind = 'username'
   ${join} where ${condition}`;
}

export async function findAccountByIdentifier(db: Db, normalized: string): Promise<Account | undefined> {
  const [row] = await runPrepared<AccountRow>(db, FOUND_BY_IDENTIFIER, [normalized]);
  return row && toAccount(row);
}

const FOUND_BY_IDENTIFIER = prepared(
  'accounts_find_by_identifier',
  select('i.normalized = ?', 'join account_identifiers i on i.account_id = a.id'),
);

export interface ListedBy {
  status: AccountStatus | undefined;
  /** Case-folded beginning of an identifier; empty when nobody can have such an identifier. */
  identifierPrefix: string | undefined;
  namePrefix: string | undefined;
  id: string | undefined;
  before: string | undefined;
  limit: number;
}

/** Newest first: ids carry their time. */
export async function listAccounts(db: Db, by: ListedBy): Promise<Account[]> {
  const query = accounts(db).orderBy('a.id', 'desc').limit(by.limit);
  if (by.status !== undefined) query.where('a.status', by.status);
  if (by.before !== undefined) query.where('a.id', '<', by.before);
  if (by.namePrefix !== undefined) query.whereIn('a.id', matching(db, by));
  return (await query).map(toAccount);
}

// A union of three index scans; one condition with "or" over two tables could use none of the indexes.
function matching(db: Db, by: ListedBy) {
  const query = db('accounts')
    .select('id')
    .where('id', by.id ?? '')
    .union(
      db('accounts')
        .select('id')
        .whereRaw('lower(name) like lower(?)', [startsWith(by.namePrefix ?? '')]),
    );
  if (by.identifierPrefix === undefined) return query;
  return query.union(
    db('account_identifiers')
      .select('account_id as id')
      .whereLike('normalized', startsWith(by.identifierPrefix)),
  );
}

function startsWith(prefix: string): string {
  return `${prefix.replace(/[\\%_]/g, String.raw`\$&`)}%`;
}

export async function insertAccount(db: Db, id: AccountId, fields: AccountFields, at: Date): Promise<void> {
  await db('accounts').insert(newAccountRow(id, fields, at));
}

export function newAccountRow(id: AccountId, fields: AccountFields, at: Date): Record<string, unknown> {
  return { id, ...toColumns(fields, at), created_at: at, updated_at: at };
}

/** The row is locked until the transaction ends, so that two changes follow one another; rows may still refer to it. */
export async function lockAccount(
  db: Db,
  id: AccountId,
): Promise<{ status: AccountStatus; admin: boolean; version: number } | undefined> {
  return db('accounts').where({ id }).forNoKeyUpdate().first('status', 'admin', 'version');
}

export async function updateAccount(
  db: Db,
  id: AccountId,
  change: Partial<AccountFields> & { status?: AccountStatus },
  at: Date,
): Promise<void> {
  await db('accounts')
    .where({ id })
    .update({ ...toColumns(change, at), version: db.raw('version + 1'), updated_at: at });
}

export async function deleteAccount(db: Db, id: AccountId): Promise<boolean> {
  return (await db('accounts').where({ id }).delete()) > 0;
}

/** False when it was to stay anyway. */
export async function setDeletion(
  db: Db,
  id: AccountId,
  at: Date | null,
  { now, was }: { now: Date; was?: Date | undefined },
): Promise<boolean> {
  const change = { delete_at: at, version: db.raw('version + 1'), updated_at: now };
  const query = db('accounts').where({ id }).update(change);
  if (at === null) query.whereNotNull('delete_at');
  if (was !== undefined) query.where('delete_at', was);
  return (await query) > 0;
}

export async function dueForDeletion(
  db: Db,
  now: Date,
  limit: number,
): Promise<{ id: AccountId; version: number }[]> {
  return db('accounts')
    .where('delete_at', '<=', now)
    .orderBy('delete_at')
    .limit(limit)
    .select<{ id: AccountId; version: number }[]>('id', 'version');
}

/** One insert claims it. False: another account has it. */
export async function claimIdentifier(
  db: Db,
  accountId: AccountId,
  identifier: Identifier,
  verified: boolean,
  at: Date,
): Promise<boolean> {
  const rows = await db('account_identifiers')
    .insert({
      account_id: accountId,
      kind: identifier.kind,
      value: identifier.value,
      normalized: identifier.normalized,
      verified,
      created_at: at,
    })
    .onConflict('normalized')
    .ignore()
    .returning('normalized');
  return rows.length > 0;
}

export async function releaseIdentifier(db: Db, accountId: AccountId, kind: IdentifierKind): Promise<void> {
  await db('account_identifiers').where({ account_id: accountId, kind }).delete();
}

export async function setVerified(db: Db, accountId: AccountId, verified: boolean): Promise<void> {
  await db('account_identifiers').where({ account_id: accountId, kind: 'email' }).update({ verified });
}

/** The active administrators, locked in one order, so that two of them cannot both be the last but one. */
export async function lockActiveAdmins(db: Db): Promise<string[]> {
  return db('accounts').where({ admin: true, status: 'active' }).orderBy('id').forNoKeyUpdate().pluck('id');
}

export async function anyAccount(db: Db): Promise<boolean> {
  return (await db('accounts').first('id')) !== undefined;
}

function toColumns(
  fields: Partial<AccountFields> & { status?: AccountStatus },
  at: Date,
): Record<string, unknown> {
  const { givenName, familyName, phoneNumber, phoneNumberVerified, profile, ...same } = fields;
  const columns: Record<string, unknown> = { ...same };
  if (profile !== undefined) columns.profile = JSON.stringify(profile);
  if (givenName !== undefined) columns.given_name = givenName;
  if (familyName !== undefined) columns.family_name = familyName;
  if (phoneNumber !== undefined) columns.phone_number = phoneNumber;
  if (phoneNumberVerified !== undefined) columns.phone_number_verified_at = phoneNumberVerified ? at : null;
  return columns;
}

function toAccount(row: AccountRow): Account {
  return {
    id: row.id,
    status: row.status,
    admin: row.admin,
    email: row.email,
    emailVerified: row.email_verified ?? false,
    username: row.username,
    name: row.name,
    givenName: row.given_name,
    familyName: row.family_name,
    picture: row.picture,
    locale: row.locale,
    zoneinfo: row.zoneinfo,
    phoneNumber: row.phone_number,
    phoneNumberVerified: row.phone_number_verified_at !== null,
    profile: row.profile,
    appearance: row.appearance,
    deleteAt: row.delete_at,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
