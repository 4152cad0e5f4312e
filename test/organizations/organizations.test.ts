// Organizations: creating, changing, suspending, removing and listing them, and what the ledger says of it.
import { describe, expect, it } from 'vitest';
import { useDatabase } from '../support/database.ts';
import { createNode, createPeople, makeOrganization, operator, tag } from './world.ts';

const database = useDatabase();
const { db } = database;
const { organizations } = createNode(database);
const person = createPeople(database);
const page = { limit: 10, cursor: null };
const nobody = 'org_00000000000000000000000000';

async function eventsOf(id: string) {
  return db('audit_events').where({ target_id: id }).orderBy('sequence').select('type', 'details', 'reason');
}

describe('an organization', () => {
  it('is created with its slug, name, time zone and ceiling, and one event', async () => {
    const slug = `o-${tag()}`;
    const made = await organizations.create(
      { slug, name: ' Acme ', timeZone: 'Europe/Vienna', permissions: ['notes:read:*', 'notes:read'] },
      operator,
    );
    expect(made).toMatchObject({
      slug,
      name: 'Acme',
      status: 'active',
      timeZone: 'Europe/Vienna',
      permissions: ['notes:read'],
      version: 1,
    });
    expect(await organizations.find(made.id)).toEqual(made);
    expect(await organizations.findBySlug(slug)).toEqual(made);
    expect(await organizations.known(made.id)).toEqual(made);
    expect((await eventsOf(made.id)).map(({ type }) => type)).toEqual(['organization.created']);
  });

  it('has UTC and no ceiling unless told', async () => {
    expect(await makeOrganization(organizations)).toMatchObject({ timeZone: 'UTC', permissions: ['*:*'] });
  });

  it.each([
    ['a slug in capitals', { slug: 'Acme' }, 'request_invalid'],
    ['a slug that begins with a dash', { slug: '-acme' }, 'request_invalid'],
    ['an empty slug', { slug: '' }, 'request_invalid'],
    ['a slug of 64 characters', { slug: 'a'.repeat(64) }, 'request_invalid'],
    ['a slug that looks like an id', { slug: nobody }, 'request_invalid'],
    ['a slug with a line end', { slug: 'acme\n' }, 'request_invalid'],
    ['a name of nothing', { name: ' ' }, 'request_invalid'],
    ['a null byte in the name', { name: 'a\0' }, 'request_invalid'],
    ['a time zone that is none', { timeZone: 'Mars/Olympus' }, 'request_invalid'],
    ['an offset as time zone', { timeZone: '+01:00' }, 'request_invalid'],
    ['a permission that is none', { permissions: ['notes'] }, 'permission_invalid'],
    ['a permission with an empty segment', { permissions: ['notes:read:'] }, 'permission_invalid'],
    ['a list of permissions without end', { permissions: Array(201).fill('a:b') }, 'request_invalid'],
  ])('is refused with %s', async (_what, input, code) => {
    const wanted = { slug: `o-${tag()}`, name: 'Acme', ...input };
    await expect(organizations.create(wanted, operator)).rejects.toMatchObject({ code, status: 400 });
  });

  it('gets a slug that no other one has, also when twenty ask at once', async () => {
    const slug = `o-${tag()}`;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => makeOrganization(organizations, { slug })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'organization_slug_taken' });
    }
  });

  it('is changed in the fields that are named, and the ledger names them', async () => {
    const { id } = await makeOrganization(organizations);
    const changed = await organizations.change(id, { name: 'Bolt', permissions: ['a:b'] }, operator);
    expect(changed).toMatchObject({ name: 'Bolt', permissions: ['a:b'], version: 2 });
    expect(await organizations.change(id, { name: 'Bolt', permissions: ['a:b:*'] }, operator)).toEqual(
      changed,
    );
    expect(await organizations.find(id)).toEqual(changed);
    const [, event, ...more] = await eventsOf(id);
    expect([event?.type, event?.details, more]).toEqual([
      ...['organization.changed', { fields: ['name', 'permissions'] }, []],
    ]);
  });

  it('refuses a change of an older version, and the slug of another one', async () => {
    const other = await makeOrganization(organizations);
    const { id, version } = await makeOrganization(organizations);
    await organizations.change(id, { name: 'First', version }, operator);
    await expect(organizations.change(id, { name: 'Second', version }, operator)).rejects.toMatchObject({
      code: 'version_conflict',
      details: { version: 2 },
    });
    await expect(
      organizations.change(id, { slug: other.slug, name: 'Second' }, operator),
    ).rejects.toMatchObject({ code: 'organization_slug_taken' });
    expect(await organizations.find(id)).toMatchObject({ name: 'First', version: 2 });
  });

  it('of many that take one slug at once one gets it and the others stay as they are', async () => {
    const made = await Promise.all(Array.from({ length: 6 }, () => makeOrganization(organizations)));
    const slug = `o-${tag()}`;
    const results = await Promise.allSettled(
      made.map(({ id }) => organizations.change(id, { slug, name: 'New' }, operator)),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const found = await Promise.all(made.map(({ id }) => organizations.find(id)));
    expect(found.filter((one) => one?.name === 'New')).toHaveLength(1);
  });

  it('is suspended with a reason and reinstated, each once', async () => {
    const { id } = await makeOrganization(organizations);
    for (let turn = 0; turn < 2; turn += 1) await organizations.suspend(id, 'unpaid', operator);
    expect(await organizations.known(id)).toMatchObject({ status: 'suspended', version: 2 });
    for (let turn = 0; turn < 2; turn += 1) await organizations.reinstate(id, operator);
    expect(await organizations.known(id)).toMatchObject({ status: 'active', version: 3 });
    const events = await eventsOf(id);
    expect(events.map(({ type, reason }) => [type, reason])).toEqual([
      ['organization.created', null],
      ['organization.suspended', 'unpaid'],
      ['organization.reinstated', null],
    ]);
  });

  it('is removed with members and teams, and is known no more', async () => {
    const account = await person();
    const { id, slug } = await makeOrganization(organizations);
    await organizations.addMember(id, account, operator);
    const team = await organizations.createTeam(id, { name: 'Crew' }, operator);
    await organizations.addTeamMember(id, team.id, account, operator);
    expect(await organizations.membershipsOf(account)).toHaveLength(1);
    await expect(organizations.remove(id, operator, 7)).rejects.toMatchObject({ code: 'version_conflict' });
    await organizations.remove(id, operator, 1);
    expect(await organizations.known(id)).toBeUndefined();
    expect(await organizations.findBySlug(slug)).toBeUndefined();
    expect(await organizations.membershipsOf(account)).toEqual([]);
    for (const table of ['organization_members', 'teams', 'team_members']) {
      expect(await db(table).where({ organization_id: id })).toEqual([]);
    }
    expect((await eventsOf(id)).at(-1)?.type).toBe('organization.deleted');
  });

  it.each([nobody, 'acc_00000000000000000000000000', 'nonsense', 'a\0', ''])(
    'of the id %j does not exist, and every act says so',
    async (id) => {
      const refused = { code: 'organization_not_found', status: 404 };
      const account = await person();
      expect(await organizations.find(id)).toBeUndefined();
      expect(await organizations.findBySlug(id)).toBeUndefined();
      expect(await organizations.known(id)).toBeUndefined();
      for (const act of [
        () => organizations.change(id, { name: 'x' }, operator),
        () => organizations.suspend(id, null, operator),
        () => organizations.reinstate(id, operator),
        () => organizations.remove(id, operator),
        () => organizations.addMember(id, account, operator),
        () => organizations.removeMember(id, account, operator),
        () => organizations.createTeam(id, { name: 'x' }, operator),
      ]) {
        await expect(act()).rejects.toMatchObject(refused);
      }
      expect(await organizations.listMembers(id, page)).toEqual({ items: [], nextCursor: null });
      expect(await organizations.listTeams(id, page)).toEqual({ items: [], nextCursor: null });
    },
  );
});

describe('the list of organizations', () => {
  it('goes through all of them once, the newest first, and finds by slug, status and id', async () => {
    const made: string[] = [];
    for (let n = 0; n < 5; n += 1) made.push((await makeOrganization(organizations)).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const got: Awaited<ReturnType<typeof organizations.list>> = await organizations.list(
        {},
        { limit: 2, cursor },
      );
      seen.push(...got.items.map(({ id }) => id));
      cursor = got.nextCursor;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => made.includes(id))).toEqual([...made].reverse());

    const [id = ''] = made;
    await organizations.suspend(id, null, operator);
    const slug = (await organizations.find(id))?.slug;
    const ids = async (filter: Parameters<typeof organizations.list>[0]) =>
      (await organizations.list(filter, page)).items.map((one) => one.id);
    expect(await ids({ slug })).toEqual([id]);
    expect(await ids({ id })).toEqual([id]);
    expect(await ids({ slug, status: 'active' })).toEqual([]);
    expect(await ids({ status: 'suspended' })).toContain(id);
    for (const none of ['%', 'A', 'a\0']) expect(await ids({ slug: none })).toEqual([]);
  });

  it.each(['nonsense', 'WyJhIl0', ''])('refuses the cursor %j', async (cursor) => {
    const refused = { code: 'request_invalid' };
    const [account, { id }] = [await person(), await makeOrganization(organizations)];
    const request = { limit: 3, cursor };
    await expect(organizations.list({}, request)).rejects.toMatchObject(refused);
    await expect(organizations.listMembers(id, request)).rejects.toMatchObject(refused);
    await expect(organizations.listTeams(id, request)).rejects.toMatchObject(refused);
    await expect(organizations.organizationsOf(account, {}, request)).rejects.toMatchObject(refused);
  });
});
