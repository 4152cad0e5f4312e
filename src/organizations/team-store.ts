// All SQL of teams and who is in them: rows in, records out. No team is asked for without its organization.
import type { AccountId, OrganizationId, TeamId } from '../lib/ids.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Member, Team } from './schema.ts';
import { isUnique, memberOf, withPeople } from './store.ts';

const { columns, rowOf, recordOf } = mapping<Team>({
  id: 'plain',
  organizationId: 'plain',
  name: 'plain',
  version: 'plain',
  createdAt: 'plain',
  updatedAt: 'plain',
});

/** Which team, and of which organization. */
export interface TeamKey {
  organizationId: OrganizationId;
  teamId: TeamId;
}

const teams = (db: Db) => db('teams').select(...columns);
const keyOf = ({ organizationId, teamId }: TeamKey) => ({ organization_id: organizationId, id: teamId });
const placeOf = ({ organizationId, teamId }: TeamKey) => ({
  organization_id: organizationId,
  team_id: teamId,
});

/** False when another team of the organization has this name, in any letters. */
export async function insertTeam(trx: Db, team: Team): Promise<boolean> {
  const rows = await trx('teams')
    .insert(rowOf(team))
    .onConflict(trx.raw('(organization_id, lower(name))'))
    .ignore()
    .returning('id');
  return rows.length === 1;
}

/** False when another team of the organization has its name. */
export async function updateTeam(trx: Db, team: Team): Promise<boolean> {
  const { id, organization_id, ...row } = rowOf(team);
  return isUnique(trx, (inner) => inner('teams').where({ organization_id, id }).update(row));
}

export async function deleteTeam(trx: Db, key: TeamKey): Promise<void> {
  await trx('teams').where(keyOf(key)).delete();
}

export async function findTeam(db: Db, key: TeamKey): Promise<Team | undefined> {
  const row = await teams(db).where(keyOf(key)).first();
  return row && recordOf(row);
}

/** In any letters. */
export async function findTeamByName(
  db: Db,
  organizationId: OrganizationId,
  name: string,
): Promise<Team | undefined> {
  const row = await teams(db)
    .where({ organization_id: organizationId })
    .whereRaw('lower(name) = lower(?)', [name])
    .first();
  return row && recordOf(row);
}

/** Locked until the transaction ends; places in it may still be given. */
export async function lockTeam(trx: Db, key: TeamKey): Promise<Team | undefined> {
  const row = await teams(trx).where(keyOf(key)).forNoKeyUpdate().first();
  return row && recordOf(row);
}

/** In the order of ids, which is that of their making. */
export async function listTeams(
  db: Db,
  organizationId: OrganizationId,
  after: string,
  limit: number,
): Promise<Team[]> {
  const rows = await teams(db)
    .where({ organization_id: organizationId })
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit);
  return rows.map(recordOf);
}

/** False: was in it already. */
export async function insertTeamMember(
  trx: Db,
  key: TeamKey,
  accountId: AccountId,
  at: Date,
): Promise<boolean> {
  const rows = await trx('team_members')
    .insert({ ...placeOf(key), account_id: accountId, created_at: at })
    .onConflict(['organization_id', 'team_id', 'account_id'])
    .ignore()
    .returning('account_id');
  return rows.length === 1;
}

/** False: was not in it. */
export async function deleteTeamMember(trx: Db, key: TeamKey, accountId: AccountId): Promise<boolean> {
  return (
    (await trx('team_members')
      .where({ ...placeOf(key), account_id: accountId })
      .delete()) > 0
  );
}

/** Everybody leaves, so that who they were is known. */
export async function emptyTeam(trx: Db, key: TeamKey): Promise<AccountId[]> {
  const rows = await trx('team_members').where(placeOf(key)).delete().returning('account_id');
  return rows.map((row) => row.account_id);
}

export async function findTeamMember(
  db: Db,
  key: TeamKey,
  accountId: AccountId,
): Promise<Member | undefined> {
  const row = await withPeople(db, 'team_members as m')
    .where({
      'm.organization_id': key.organizationId,
      'm.team_id': key.teamId,
      'm.account_id': accountId,
    })
    .first();
  return row && memberOf(row);
}

export async function listTeamMembers(db: Db, key: TeamKey, after: string, limit: number): Promise<Member[]> {
  const rows = await withPeople(db, 'team_members as m')
    .where({ 'm.organization_id': key.organizationId, 'm.team_id': key.teamId })
    .where('m.account_id', '>', after)
    .orderBy('m.account_id')
    .limit(limit);
  return rows.map(memberOf);
}
