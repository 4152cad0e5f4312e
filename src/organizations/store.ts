// All SQL of organizations and their members: rows in, records out. What belongs to one is never asked for without its id.
import type { AccountId, OrganizationId, TeamId } from '../lib/ids.ts';
import { insertMany } from '../platform/database/insert-many.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db } from '../platform/database/postgres.ts';
import { prepared, runPrepared } from '../platform/database/prepared.ts';
import { unlessTaken } from '../platform/database/unique.ts';
import type { AccountOrganization, Member, Organization, OrganizationFilter } from './schema.ts';

const { columns, rowOf, recordOf } = mapping<Organization>({
  id: 'plain',
  slug: 'plain',
  name: 'plain',
  status: 'plain',
  timeZone: 'plain',
  permissions: 'plain',
  requiredAcr: 'plain',
  sessionIdleSeconds: 'plain',
  sessionAbsoluteSeconds: 'plain',
  version: 'plain',
  createdAt: 'plain',
  updatedAt: 'plain',
});

const organizations = (db: Db) => db('organizations').select(...columns);

/** False when another organization has this slug. */
export async function insertOrganization(trx: Db, organization: Organization): Promise<boolean> {
  const rows = await trx('organizations')
    .insert(rowOf(organization))
    .onConflict('slug')
    .ignore()
    .returning('id');
  return rows.length === 1;
}

/** False when another organization has its slug. */
export async function updateOrganization(trx: Db, organization: Organization): Promise<boolean> {
  const { id, ...row } = rowOf(organization);
  return isUnique(trx, (inner) => inner('organizations').where({ id }).update(row));
}

export async function deleteOrganization(trx: Db, id: OrganizationId): Promise<void> {
  await trx('organizations').where({ id }).delete();
}

export async function findOrganization(
  db: Db,
  by: { id: OrganizationId } | { slug: string },
): Promise<Organization | undefined> {
  const row = await organizations(db).where(by).first();
  return row && recordOf(row);
}

/** Locked until the transaction ends; rows may still refer to it. */
export async function lockOrganization(trx: Db, id: OrganizationId): Promise<Organization | undefined> {
  const row = await organizations(trx).where({ id }).forNoKeyUpdate().first();
  return row && recordOf(row);
}

/** It is there until the transaction ends. */
export async function holdOrganization(trx: Db, id: OrganizationId): Promise<boolean> {
  return (await trx('organizations').where({ id }).forKeyShare().first('id')) !== undefined;
}

const KNOWN = prepared(
  'organizations_known',
  `select ${columns.join(', ')} from organizations where id = any(?::text[])`,
);

export async function knownOrganizations(
  db: Db,
  ids: readonly string[],
): Promise<(Organization | undefined)[]> {
  const rows = await runPrepared<Record<string, unknown>>(db, KNOWN, [ids]);
  const byId = new Map<string, Organization>(rows.map(recordOf).map((found) => [found.id, found]));
  return ids.map((id) => byId.get(id));
}

/** Of two that take one name at once the index lets one pass; the transaction of the other goes on without the change. */
export const isUnique = (trx: Db, run: (inner: Db) => PromiseLike<unknown>): Promise<boolean> =>
  unlessTaken(trx.transaction(async (inner) => run(inner)));

/** Newest first: ids carry their time. */
export async function listOrganizations(
  db: Db,
  filter: OrganizationFilter,
  before: string | undefined,
  limit: number,
): Promise<Organization[]> {
  const query = organizations(db).orderBy('id', 'desc').limit(limit);
  if (filter.id !== undefined) query.where({ id: filter.id });
  if (filter.status !== undefined) query.where({ status: filter.status });
  if (filter.slug !== undefined) query.where({ slug: filter.slug });
  if (before !== undefined) query.where('id', '<', before);
  return (await query).map(recordOf);
}

export async function accountExists(db: Db, id: AccountId): Promise<boolean> {
  return (await db('accounts').where({ id }).first('id')) !== undefined;
}

/** Is there until the transaction ends. */
export async function holdAccount(trx: Db, id: AccountId): Promise<boolean> {
  return (await trx('accounts').where({ id }).forKeyShare().first('id')) !== undefined;
}

/** False: was one already. */
export async function insertMember(
  trx: Db,
  organizationId: OrganizationId,
  accountId: AccountId,
  at: Date,
): Promise<boolean> {
  const rows = await trx('organization_members')
    .insert({ organization_id: organizationId, account_id: accountId, created_at: at })
    .onConflict(['organization_id', 'account_id'])
    .ignore()
    .returning('account_id');
  return rows.length === 1;
}

/** Of accounts that are new in the same transaction. */
export async function insertMembers(
  trx: Db,
  places: readonly { organizationId: OrganizationId; accountId: AccountId }[],
  at: Date,
): Promise<void> {
  const rows = places.map(({ organizationId, accountId }) => ({
    organization_id: organizationId,
    account_id: accountId,
    created_at: at,
  }));
  await insertMany(trx, 'organization_members', rows);
}

/** The places in teams go with it. False: was none. */
export async function deleteMember(
  trx: Db,
  organizationId: OrganizationId,
  accountId: AccountId,
): Promise<boolean> {
  const where = { organization_id: organizationId, account_id: accountId };
  return (await trx('organization_members').where(where).delete()) > 0;
}

/** Is one until the transaction ends. */
export async function holdMember(
  trx: Db,
  organizationId: OrganizationId,
  accountId: AccountId,
): Promise<boolean> {
  const where = { organization_id: organizationId, account_id: accountId };
  return (await trx('organization_members').where(where).forKeyShare().first('account_id')) !== undefined;
}

export async function findMember(
  db: Db,
  organizationId: OrganizationId,
  accountId: AccountId,
): Promise<Member | undefined> {
  const row = await withPeople(db, 'organization_members as m')
    .where({ 'm.organization_id': organizationId, 'm.account_id': accountId })
    .first();
  return row && memberOf(row);
}

export async function listMembers(
  db: Db,
  organizationId: OrganizationId,
  after: string,
  limit: number,
): Promise<Member[]> {
  const rows = await withPeople(db, 'organization_members as m')
    .where('m.organization_id', organizationId)
    .where('m.account_id', '>', after)
    .orderBy('m.account_id')
    .limit(limit);
  return rows.map(memberOf);
}

interface MemberRow {
  account_id: AccountId;
  name: string | null;
  email: string | null;
  username: string | null;
  status: Member['status'];
  created_at: Date;
}

/** Rows of memberships, of organizations or teams, with whom they are of. */
export function withPeople(db: Db, table: string) {
  return db(table)
    .join('accounts as a', 'a.id', 'm.account_id')
    .leftJoin('account_identifiers as e', (join) =>
      join.on('e.account_id', 'm.account_id').andOnVal('e.kind', 'email'),
    )
    .leftJoin('account_identifiers as u', (join) =>
      join.on('u.account_id', 'm.account_id').andOnVal('u.kind', 'username'),
    )
    .select<MemberRow[]>({
      account_id: 'm.account_id',
      name: 'a.name',
      email: 'e.value',
      username: 'u.value',
      status: 'a.status',
      created_at: 'm.created_at',
    });
}

export function memberOf(row: MemberRow): Member {
  const { account_id: accountId, created_at: since, name, email, username, status } = row;
  return { accountId, name, email, username, status, since };
}

/** Where an account is a member, and of which teams there. */
export interface Place {
  readonly organizationId: OrganizationId;
  readonly teamIds: readonly TeamId[];
}

const PLACES = prepared(
  'organizations_places',
  `select m.account_id, m.organization_id, array(
     select t.team_id from team_members t
     where t.organization_id = m.organization_id and t.account_id = m.account_id order by t.team_id) as team_ids
   from organization_members m where m.account_id = any(?::text[])`,
);

interface PlaceRow {
  account_id: string;
  organization_id: OrganizationId;
  team_ids: TeamId[];
}

export async function placesOf(db: Db, accountIds: readonly string[]): Promise<(readonly Place[])[]> {
  const rows = await runPrepared<PlaceRow>(db, PLACES, [accountIds]);
  const byAccount = Map.groupBy(rows, (row) => row.account_id);
  return accountIds.map((id) =>
    (byAccount.get(id) ?? []).map((row) => ({
      organizationId: row.organization_id,
      teamIds: row.team_ids,
    })),
  );
}

/** In the order of ids. */
export async function listAccountOrganizations(
  db: Db,
  accountId: AccountId,
  only: string | undefined,
  after: string,
  limit: number,
): Promise<AccountOrganization[]> {
  const query = db('organization_members as m')
    .join('organizations as o', 'o.id', 'm.organization_id')
    .where('m.account_id', accountId)
    .where('m.organization_id', '>', after)
    .orderBy('m.organization_id')
    .limit(limit)
    .select(
      'o.id as organizationId',
      'o.slug',
      'o.name',
      'o.status',
      'm.created_at as since',
      db.raw(`(select coalesce(json_agg(json_build_object('id', t.id, 'name', t.name) order by t.id), '[]')
        from team_members p join teams t on t.organization_id = p.organization_id and t.id = p.team_id
        where p.organization_id = m.organization_id and p.account_id = m.account_id) as teams`),
    );
  if (only !== undefined) query.where('m.organization_id', only);
  return query;
}
