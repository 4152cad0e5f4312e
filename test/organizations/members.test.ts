// Members and teams: joining, leaving, what ends with a membership, and who may be put into which team.
import { describe, expect, it } from 'vitest';
import { compilePermissions } from '../../src/lib/permission.ts';
import { useDatabase } from '../support/database.ts';
import { createNode, createPeople, makeOrganization, operator, tag } from './world.ts';

const database = useDatabase();
const { db } = database;
const held = { team: ['notes:read', 'notes:write:files:*'] };
const { organizations, ended } = createNode(database, { permissionsOfTeam: async () => held.team });
const person = createPeople(database);
const page = { limit: 10, cursor: null };

async function eventsOf(accountId: string) {
  const rows = await db('audit_events').where({ account_id: accountId }).orderBy('sequence').select('*');
  return rows
    .map((row) => [row.type, row.target_kind, row.target_id])
    .filter(([type]) => type !== 'account.created');
}

async function crew() {
  const { id } = await makeOrganization(organizations);
  const account = await person();
  await organizations.addMember(id, account, operator);
  const team = await organizations.createTeam(id, { name: `Crew ${tag()}` }, operator);
  return { id, account, team };
}

describe('a member', () => {
  it('is one once, however often it is said, and shown as who it is', async () => {
    const { id } = await makeOrganization(organizations);
    const account = await person('Grace');
    const added = await Promise.all([1, 2, 3].map(() => organizations.addMember(id, account, operator)));
    expect(new Set(added.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(added[0]).toMatchObject({ accountId: account, name: 'Grace', status: 'active' });
    expect(added[0]?.email).toContain('@example.com');
    expect(await organizations.findMember(id, account)).toEqual(added[0]);
    expect(await eventsOf(account)).toEqual([['organization.member-added', 'organization', id]]);
  });

  it('leaves with its places in teams and its keys there, in one commit', async () => {
    const { id, account, team } = await crew();
    const { id: elsewhere } = await makeOrganization(organizations);
    await organizations.addMember(elsewhere, account, operator);
    await organizations.addTeamMember(id, team.id, account, operator);
    ended.length = 0;
    expect(await organizations.removeMember(id, account, operator)).toBe(true);
    expect(await organizations.removeMember(id, account, operator)).toBe(false);
    expect(ended).toEqual([{ organizationId: id, accountId: account }]);
    expect(await organizations.findMember(id, account)).toBeUndefined();
    expect((await organizations.listTeamMembers(id, team.id, page)).items).toEqual([]);
    expect((await organizations.membershipsOf(account)).map(({ organizationId }) => organizationId)).toEqual([
      elsewhere,
    ]);
    expect((await eventsOf(account)).at(-1)).toEqual(['organization.member-removed', 'organization', id]);
  });

  it('stays when its keys cannot be ended', async () => {
    const failing = createNode(database, {
      async revokeKeysOf() {
        if (failing.broken) throw new Error('no');
      },
    }) as ReturnType<typeof createNode> & { broken?: boolean };
    const { id } = await makeOrganization(organizations);
    const account = await person();
    await organizations.addMember(id, account, operator);
    failing.broken = true;
    await expect(failing.organizations.removeMember(id, account, operator)).rejects.toThrow('no');
    expect(await organizations.findMember(id, account)).toBeDefined();
    expect(await eventsOf(account)).toHaveLength(1);
  });

  it('brings nothing along from an earlier membership', async () => {
    const { id, account } = await crew();
    await organizations.removeMember(id, account, operator);
    await organizations.addMember(id, account, operator);
    expect(await organizations.membershipsOf(account)).toMatchObject([{ teamIds: [] }]);
  });

  it.each(['acc_00000000000000000000000000', 'nonsense', 'a\0'])('is not made of %j', async (account) => {
    const { id } = await makeOrganization(organizations);
    await expect(organizations.addMember(id, account, operator)).rejects.toMatchObject({
      code: 'account_not_found',
    });
    expect(await organizations.removeMember(id, account, operator)).toBe(false);
    expect(await organizations.findMember(id, account)).toBeUndefined();
    expect(await organizations.membershipsOf(account)).toEqual([]);
    expect(await organizations.organizationsOf(account, {}, page)).toBeUndefined();
  });

  it('is listed once, page by page', async () => {
    const { id } = await makeOrganization(organizations);
    const accounts = await Promise.all([1, 2, 3, 4, 5].map(() => person()));
    for (const account of accounts) await organizations.addMember(id, account, operator);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const got: Awaited<ReturnType<typeof organizations.listMembers>> = await organizations.listMembers(id, {
        limit: 2,
        cursor,
      });
      seen.push(...got.items.map(({ accountId }) => accountId));
      cursor = got.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual([...accounts].sort());
  });

  it('of a deleted account is gone', async () => {
    const { id, account, team } = await crew();
    await organizations.addTeamMember(id, team.id, account, operator);
    await db('accounts').where({ id: account }).delete();
    expect((await organizations.listMembers(id, page)).items).toEqual([]);
    expect((await organizations.listTeamMembers(id, team.id, page)).items).toEqual([]);
  });
});

describe('a team', () => {
  it('has a name that no other team of its organization has, in any letters', async () => {
    const { id } = await makeOrganization(organizations);
    const { id: elsewhere } = await makeOrganization(organizations);
    const crewTeam = await organizations.createTeam(id, { name: 'Crew' }, operator);
    const other = await organizations.createTeam(id, { name: 'Other' }, operator);
    await organizations.createTeam(elsewhere, { name: 'Crew' }, operator);
    const taken = { code: 'team_name_taken', status: 409 };
    await expect(organizations.createTeam(id, { name: 'CREW' }, operator)).rejects.toMatchObject(taken);
    const rename = organizations.changeTeam(id, other.id, { name: 'crew' }, operator);
    await expect(rename).rejects.toMatchObject(taken);
    expect(await organizations.changeTeam(id, crewTeam.id, { name: 'CREW' }, operator)).toMatchObject({
      name: 'CREW',
      version: 2,
    });
    expect(await organizations.findTeamByName(id, 'crew')).toMatchObject({ id: crewTeam.id });
    expect((await organizations.listTeams(id, page)).items.map(({ name }) => name)).toEqual([
      'CREW',
      'Other',
    ]);
  });

  it('is changed and removed in the version that is meant only', async () => {
    const { id, team } = await crew();
    const stale = { code: 'version_conflict' };
    const change = organizations.changeTeam(id, team.id, { name: 'x', version: 9 }, operator);
    await expect(change).rejects.toMatchObject(stale);
    await expect(organizations.removeTeam(id, team.id, operator, 9)).rejects.toMatchObject(stale);
    await organizations.removeTeam(id, team.id, operator, 1);
    expect(await organizations.findTeam(id, team.id)).toBeUndefined();
  });

  it('takes in members of its organization only', async () => {
    const { id, team, account } = await crew();
    const stranger = await person();
    await expect(organizations.addTeamMember(id, team.id, stranger, operator)).rejects.toMatchObject({
      code: 'member_not_found',
      status: 404,
    });
    for (let turn = 0; turn < 2; turn += 1) await organizations.addTeamMember(id, team.id, account, operator);
    expect((await organizations.listTeamMembers(id, team.id, page)).items).toHaveLength(1);
    expect(await organizations.removeTeamMember(id, team.id, account, operator)).toBe(true);
    expect(await organizations.removeTeamMember(id, team.id, account, operator)).toBe(false);
    expect((await eventsOf(account)).slice(1)).toEqual([
      ['team.member-added', 'team', team.id],
      ['team.member-removed', 'team', team.id],
    ]);
  });

  it('is not there for another organization, whatever is done to it', async () => {
    const { id, team, account } = await crew();
    const other = await crew();
    await organizations.addMember(other.id, account, operator);
    const refused = { code: 'team_not_found', status: 404 };
    expect(await organizations.findTeam(other.id, team.id)).toBeUndefined();
    expect((await organizations.listTeamMembers(other.id, team.id, page)).items).toEqual([]);
    for (const act of [
      () => organizations.changeTeam(other.id, team.id, { name: 'x' }, operator),
      () => organizations.removeTeam(other.id, team.id, operator),
      () => organizations.addTeamMember(other.id, team.id, account, operator),
      () => organizations.removeTeamMember(other.id, team.id, account, operator),
    ]) {
      await expect(act()).rejects.toMatchObject(refused);
    }
    expect(await organizations.findTeam(id, team.id)).toEqual(team);
  });

  it('that may do more than whoever asks gets nobody from them', async () => {
    const { id, team, account } = await crew();
    const join = (...texts: string[]) =>
      organizations.addTeamMember(id, team.id, account, operator, compilePermissions(texts));
    await expect(join('notes:read')).rejects.toMatchObject({
      code: 'permission_denied',
      details: { permission: 'notes:write:files:*' },
    });
    expect((await organizations.listTeamMembers(id, team.id, page)).items).toEqual([]);
    await join('notes:*');
  });

  it('ends with the roles it had, and its members have their other ones still', async () => {
    const { id, team, account } = await crew();
    await organizations.addTeamMember(id, team.id, account, operator);
    expect(await organizations.membershipsOf(account)).toMatchObject([{ teamIds: [team.id] }]);
    await organizations.removeTeam(id, team.id, operator);
    expect(await organizations.membershipsOf(account)).toMatchObject([{ organizationId: id, teamIds: [] }]);
  });
});

describe('where an account is a member', () => {
  it('is shown with suspended organizations and the names of teams, in one organization alone when asked', async () => {
    const { id, team, account } = await crew();
    await organizations.addTeamMember(id, team.id, account, operator);
    const second = await makeOrganization(organizations);
    await organizations.addMember(second.id, account, operator);
    await organizations.suspend(second.id, null, operator);
    const all = await organizations.organizationsOf(account, {}, page);
    expect(all?.items).toMatchObject([
      { organizationId: id, status: 'active', teams: [{ id: team.id, name: team.name }] },
      { organizationId: second.id, status: 'suspended', teams: [] },
    ]);
    const only = await organizations.organizationsOf(account, { organizationId: second.id }, page);
    expect(only?.items.map(({ organizationId }) => organizationId)).toEqual([second.id]);
    const first = await organizations.organizationsOf(account, {}, { limit: 1, cursor: null });
    const next = await organizations.organizationsOf(
      account,
      {},
      { limit: 1, cursor: first?.nextCursor ?? '' },
    );
    expect(next?.items[0]?.organizationId).toBe(second.id);
  });
});
