// Organizations and memberships from memory: the same object while nothing changed, fresh after a change here and elsewhere.
import { describe, expect, it } from 'vitest';
import { useDatabase } from '../support/database.ts';
import { createNode, createPeople, makeOrganization, operator, tag } from './world.ts';

const database = useDatabase();
const { db } = database;
const person = createPeople(database);
const silence = { here: 0 };
const here = createNode(database, { silence: () => silence.here });
const elsewhere = createNode(database, { silence: () => 0 });
const { organizations } = here;

async function member(name = 'Acme') {
  const { id } = await makeOrganization(organizations, { name });
  const account = await person();
  await organizations.addMember(id, account, operator);
  return { id, account };
}

/** How many statements ask for organizations or memberships meanwhile. */
async function statements(run: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const note = ({ sql }: { sql: string }) => {
    if (/organization/.test(sql)) count += 1;
  };
  db.on('query', note);
  await run();
  db.off('query', note);
  return count;
}

describe('what is known', () => {
  it('is asked for once, by many in one statement, and is the same object as long as nothing changes', async () => {
    const people = await Promise.all([1, 2, 3, 4].map(() => member()));
    await here.changes.poll();
    const all = () => Promise.all(people.map(({ account }) => organizations.membershipsOf(account)));
    expect(await statements(all)).toBeLessThan(people.length * 2);
    const before = await all();
    expect(await statements(async () => expect(await all()).toEqual(before))).toBe(0);
    for (const [at, list] of (await all()).entries()) expect(list).toBe(before[at]);
    expect(before[0]).toMatchObject([{ organizationId: people[0]?.id, name: 'Acme', teamIds: [] }]);
  });

  it('holds active organizations by name, with the teams there', async () => {
    const { id, account } = await member('Zebra');
    const second = await makeOrganization(organizations, { name: 'apple' });
    await organizations.addMember(second.id, account, operator);
    const team = await organizations.createTeam(id, { name: 'Crew' }, operator);
    await organizations.addTeamMember(id, team.id, account, operator);
    expect((await organizations.membershipsOf(account)).map(({ name }) => name)).toEqual(['apple', 'Zebra']);
    await organizations.suspend(second.id, null, operator);
    expect(await organizations.membershipsOf(account)).toMatchObject([{ name: 'Zebra', teamIds: [team.id] }]);
  });

  it('is fresh here at once after every act of this node', async () => {
    const { id, account } = await member();
    const seen = async () => {
      const [one] = await organizations.membershipsOf(account);
      return one && [one.slug, one.name, one.teamIds.length];
    };
    const slug = `o-${tag()}`;
    await organizations.change(id, { slug, name: 'Renamed' }, operator);
    expect(await seen()).toEqual([slug, 'Renamed', 0]);
    const team = await organizations.createTeam(id, { name: 'Crew' }, operator);
    await organizations.addTeamMember(id, team.id, account, operator);
    expect(await seen()).toEqual([slug, 'Renamed', 1]);
    await organizations.removeTeam(id, team.id, operator);
    expect(await seen()).toEqual([slug, 'Renamed', 0]);
    await organizations.suspend(id, null, operator);
    expect(await seen()).toBeUndefined();
    await organizations.reinstate(id, operator);
    expect(await seen()).toEqual([slug, 'Renamed', 0]);
    await organizations.removeMember(id, account, operator);
    expect(await seen()).toBeUndefined();
    await organizations.addMember(id, account, operator);
    await organizations.remove(id, operator);
    expect(await seen()).toBeUndefined();
  });

  it('is fresh elsewhere with the next look, also of a team with more members than are named one by one', async () => {
    const { id, account } = await member();
    const team = await organizations.createTeam(id, { name: 'Crew' }, operator);
    await organizations.addTeamMember(id, team.id, account, operator);
    for (let n = 0; n < 101; n += 1) {
      const other = await person();
      await db('organization_members').insert({
        organization_id: id,
        account_id: other,
        created_at: new Date(),
      });
      await db('team_members').insert({
        organization_id: id,
        team_id: team.id,
        account_id: other,
        created_at: new Date(),
      });
    }
    await elsewhere.changes.poll();
    expect(await elsewhere.organizations.membershipsOf(account)).toMatchObject([{ teamIds: [team.id] }]);
    await organizations.removeTeam(id, team.id, operator);
    await elsewhere.changes.poll();
    expect(await elsewhere.organizations.membershipsOf(account)).toMatchObject([{ teamIds: [] }]);
    await organizations.suspend(id, null, operator);
    await elsewhere.changes.poll();
    expect(await elsewhere.organizations.membershipsOf(account)).toEqual([]);
    expect(await elsewhere.organizations.known(id)).toMatchObject({ status: 'suspended' });
    await organizations.reinstate(id, operator);
    await organizations.removeMember(id, account, operator);
    await elsewhere.changes.poll();
    expect(await elsewhere.organizations.membershipsOf(account)).toEqual([]);
  });

  it('is not used once changes have gone unheard for five seconds', async () => {
    const { id, account } = await member();
    await organizations.membershipsOf(account);
    // As if another node had done it, and no message came.
    await db('organization_members').where({ organization_id: id }).delete();
    await db('organizations').where({ id }).update({ status: 'suspended' });
    silence.here = 4999;
    expect(await organizations.membershipsOf(account)).toHaveLength(1);
    silence.here = 5000;
    expect(await organizations.membershipsOf(account)).toEqual([]);
    expect(await organizations.known(id)).toMatchObject({ status: 'suspended' });
    silence.here = 0;
  });
});
