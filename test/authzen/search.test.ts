// Searches are complete: what they answer, page by page, is exactly what evaluations permit.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { acting, allow, ask, keyOf, operator, person, tag, useDecisions } from './world.ts';

const world = useDecisions();
const search = (what: string, body: object) => ask(world, `/access/v1/search/${what}`, body);

interface Entity {
  type: string;
  id: string;
}

/** Every page, with `limit` results each. */
async function all(what: string, question: object, limit: number) {
  const results = [];
  let token = '';
  for (let page = 0; page < 200; page += 1) {
    const { status, body } = await search(what, { ...question, page: { limit, ...(token && { token }) } });
    expect(status).toBe(200);
    expect(body.page.count).toBe(body.results.length);
    expect(body.results.length).toBeLessThanOrEqual(limit);
    results.push(...body.results);
    token = body.page.next_token;
    if (token === '') return results;
  }
  throw new Error('the search has no end');
}

async function permitted(subject: Entity, action: string, resource: object): Promise<boolean> {
  const { body } = await ask(world, '/access/v1/evaluation', { subject, action: { name: action }, resource });
  return body.decision;
}

const subjects: Entity[] = [];
const names = ['view', 'edit', 'share'];
const things = Array.from({ length: 12 }, (_none, at) => ({
  type: at % 2 === 0 ? 'page' : 'note',
  id: `t${at}`,
}));

beforeAll(async () => {
  await world.apis.create(
    {
      audience: 'https://pages.example',
      name: 'Pages',
      permissions: [
        { name: 'page:view', sentence: 'See pages.' },
        { name: 'page:edit', sentence: 'Change pages.' },
        { name: 'page:archive', sentence: 'Archive pages.' },
      ],
    },
    operator,
  );
  const people: Awaited<ReturnType<typeof person>>[] = [];
  for (let at = 0; at < 14; at += 1) {
    const email = at % 3 === 0 ? { email: `p${at}@example.com` } : {};
    people.push(await person(world, { username: `p${at}`, ...email }));
  }
  const ofAccount = (from: number, to: number) =>
    people.slice(from, to).map(({ id }) => ({ kind: 'account' as const, id }));
  const base = await allow(world, ['page:view'], ofAccount(0, 3));
  await allow(world, ['page:edit:t4', 'page:share:@owner', 'note:*:@owner'], ofAccount(2, 7));
  await allow(world, ['*:view'], ofAccount(6, 8));
  await allow(world, ['page:*:page:*'], ofAccount(8, 9));
  await allow(world, ['other:view'], ofAccount(9, 11));
  const heir = await world.access.createRole(
    { name: `heir-${tag()}`, permissions: [], parents: [base.id] },
    acting,
  );
  const assigned = { roleId: heir.id, organizationId: null };
  const last = people.at(-1);
  if (last) await world.access.assign({ ...assigned, subject: { kind: 'account', id: last.id } }, acting);
  await world.accounts.create({ username: 'boss', admin: true }, operator);
  const gone = await person(world, { username: 'gone' });
  await allow(world, ['*:*'], [{ kind: 'account', id: gone.id }]);
  await world.accounts.suspend(gone.id, null, operator);

  const { client } = await world.clients.register(
    {
      kind: 'machine',
      name: 'Entitled',
      apis: [{ audience: 'https://pages.example', permissions: ['page:view'] }],
    },
    operator,
  );
  const starred = await world.clients.register(
    { kind: 'machine', name: 'Starred', apis: [{ audience: 'https://pages.example', permissions: ['*'] }] },
    operator,
  );
  const plain = await world.clients.register({ kind: 'machine', name: 'Plain', apis: [] }, operator);
  const helped = await world.clients.register({ kind: 'machine', name: 'Helped', apis: [] }, operator);
  await allow(world, ['note:view'], [{ kind: 'client', id: helped.client.id }]);
  const keys = [];
  for (const { id } of people.slice(0, 5)) keys.push(await keyOf(world, id));
  for (const { id } of people.slice(0, 5))
    keys.push(await keyOf(world, id, { permissions: ['page:view:t2'] }));
  const bare = await keyOf(world, people[0]?.id ?? '', { permissions: [] });
  await allow(world, ['page:view'], [{ kind: 'api-key', id: bare }]);

  for (const [at, { type, id }] of things.entries()) {
    const owner =
      at % 4 === 0 ? { owner: [`p${at}`, 'p3@example.com'] } : at % 4 === 1 ? { owner: 'p5' } : {};
    await world.resources.put({ organizationId: null, type, id }, { properties: owner }, operator);
  }
  await world.changes.poll();
  const everybody = [...people.map(({ username }) => username ?? ''), 'boss', 'gone'];
  subjects.push(
    ...everybody.map((id) => ({ type: 'user', id })),
    ...[client, starred.client, plain.client, helped.client].map(({ id }) => ({ type: 'client', id })),
    ...[...keys, bare].map((id) => ({ type: 'api-key', id })),
  );
});

describe('a search for subjects', () => {
  it('finds exactly those whose evaluation is a permit, in pages of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('user', 'client', 'api-key'),
        fc.constantFrom(...names),
        fc.constantFrom(...things),
        fc.integer({ min: 1, max: 7 }),
        async (type, action, resource, limit) => {
          const found = await all(
            'subject',
            { subject: { type }, action: { name: action }, resource },
            limit,
          );
          const wanted = [];
          for (const subject of subjects.filter((one) => one.type === type)) {
            if (await permitted(subject, action, resource)) wanted.push(subject.id);
          }
          expect(found.map(({ id }) => id).sort()).toEqual(wanted.sort());
          expect(new Set(found.map((one) => one.type))).toEqual(new Set(found.length === 0 ? [] : [type]));
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);

  it('finds everybody, and nobody who is suspended, where the API says that it is for everyone', async () => {
    const question = {
      subject: { type: 'user' },
      action: { name: 'roam' },
      resource: { type: 'park', id: '1' },
    };
    expect((await all('subject', question, 5)).map(({ id }) => id)).toEqual(['boss']);
    await world.apis.create(
      {
        audience: 'https://park.example',
        name: 'Park',
        permissions: [{ name: 'park:roam', sentence: 'Walk about.', everyone: true }],
      },
      operator,
    );
    const people = subjects.filter(({ type, id }) => type === 'user' && id !== 'gone');
    const found = await all('subject', question, 5);
    expect(found.map(({ id }) => id).sort()).toEqual(people.map(({ id }) => id).sort());
  });

  it('answers accounts by their ids, and users by the names that people type', async () => {
    const question = { action: { name: 'view' }, resource: { type: 'note', id: 't1' } };
    const accounts = await all('subject', { ...question, subject: { type: 'account' } }, 100);
    const users = await all('subject', { ...question, subject: { type: 'user' } }, 100);
    const ids = await Promise.all(
      users.map(async ({ id }) => (await world.accounts.findByIdentifier(id))?.id),
    );
    expect(accounts.map(({ id }) => id)).toEqual(ids);
    expect(accounts.every(({ type, id }) => type === 'account' && id.startsWith('acc_'))).toBe(true);
  });

  it('ignores an id of the subject', async () => {
    const question = { action: { name: 'view' }, resource: { type: 'page', id: 't0' } };
    const plain = (await search('subject', { ...question, subject: { type: 'user' } })).body;
    for (const id of ['p1', 7, null]) {
      expect((await search('subject', { ...question, subject: { type: 'user', id } })).body).toEqual(plain);
    }
  });

  it('looks at properties that the question gives, after those that are registered', async () => {
    const question = { subject: { type: 'user' }, action: { name: 'share' } };
    const owned = (id: string) => ({ type: 'page', id, properties: { owner: 'p4' } });
    const free = await all('subject', { ...question, resource: owned('t2') }, 100);
    expect(free.map(({ id }) => id).sort()).toEqual(['boss', 'p4', 'p8']);
    const registered = await all('subject', { ...question, resource: owned('t4') }, 100);
    expect(registered.map(({ id }) => id).sort()).toEqual(['boss', 'p3', 'p4', 'p8']);
    const other = await all('subject', { ...question, resource: owned('t0') }, 100);
    expect(other.map(({ id }) => id).sort()).toEqual(['boss', 'p3', 'p8']);
  });
});

describe('a search for resources', () => {
  it('finds exactly those of the type whose evaluation is a permit, in pages of any size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: subjects.length - 1 }),
        fc.constantFrom(...names),
        fc.constantFrom('page', 'note', 'other'),
        fc.integer({ min: 1, max: 7 }),
        async (at, action, type, limit) => {
          const subject = subjects[at] ?? { type: 'user', id: 'nobody' };
          const question = { subject, action: { name: action }, resource: { type } };
          const found = await all('resource', question, limit);
          const wanted = [];
          for (const resource of things.filter((one) => one.type === type)) {
            if (await permitted(subject, action, resource)) wanted.push(resource);
          }
          expect(found.sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
            wanted.sort((a, b) => (a.id < b.id ? -1 : 1)),
          );
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);

  it('ignores an id of the resource', async () => {
    const question = { subject: { type: 'user', id: 'p0' }, action: { name: 'view' } };
    const plain = (await search('resource', { ...question, resource: { type: 'page' } })).body;
    expect(plain.results.length).toBeGreaterThan(2);
    expect((await search('resource', { ...question, resource: { type: 'page', id: 't0' } })).body).toEqual(
      plain,
    );
  });
});

describe('a search for actions', () => {
  it('finds exactly those that are known and whose evaluation is a permit, in pages of any size', async () => {
    const known = ['archive', 'edit', 'share', 'view'];
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: subjects.length - 1 }),
        fc.constantFrom(...things.filter(({ type }) => type === 'page')),
        fc.integer({ min: 1, max: 3 }),
        async (at, resource, limit) => {
          const subject = subjects[at] ?? { type: 'user', id: 'nobody' };
          const found = await all('action', { subject, resource }, limit);
          const wanted = [];
          for (const name of known) if (await permitted(subject, name, resource)) wanted.push({ name });
          expect(found.filter(({ name }) => known.includes(name))).toEqual(wanted);
          for (const { name } of found) expect(await permitted(subject, name, resource)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);
});

describe('pages', () => {
  const question = {
    subject: { type: 'user' },
    action: { name: 'view' },
    resource: { type: 'page', id: 't0' },
  };
  const first = async () =>
    (await search('subject', { ...question, page: { limit: 2 } })).body.page.next_token;

  it('begin with their page, count what they hold, and end with an empty token', async () => {
    const { body } = await search('subject', question);
    expect(Object.keys(body)).toEqual(['page', 'results']);
    expect(body.page).toEqual({ next_token: '', count: body.results.length });
  });

  it('go on without naming the limit again, and whatever the order of the fields', async () => {
    const token = await first();
    const { resource, action, subject } = question;
    const { body } = await search('subject', { page: { token }, resource, action, subject });
    expect(body.results).toHaveLength(2);
    expect((await search('subject', { ...question, page: { token, limit: 2 } })).body.results).toEqual(
      body.results,
    );
  });

  it.each([
    ['another limit', { page: { limit: 3 } }],
    ['another action', { action: { name: 'edit' } }],
    ['another resource', { resource: { type: 'page', id: 't2' } }],
    ['another context', { context: { time: 'now' } }],
    ['other properties of the page', { page: { properties: { sort: 'name' } } }],
    ['a token that is none', { page: { token: 'made-up' } }],
    ['a token that was changed', { page: { token: 'AAAA' } }],
  ])('are refused with 400 for %s', async (_what, changed) => {
    const { page, ...more }: { page?: object | undefined } = { page: undefined, ...changed };
    const token = await first();
    const { status, body } = await search('subject', { ...question, ...more, page: { token, ...page } });
    expect([status, body]).toEqual([400, expect.stringContaining('page.token')]);
  });

  it('of another kind of search take no token of this one', async () => {
    const resource = {
      subject: { type: 'user', id: 'p0' },
      action: { name: 'view' },
      resource: { type: 'page' },
    };
    expect((await search('resource', { ...resource, page: { token: await first() } })).status).toBe(400);
  });

  it.each([[-1], [1.5], ['2'], [null]])('are refused with 400 for the limit %j', async (limit) => {
    expect((await search('subject', { ...question, page: { limit } })).status).toBe(400);
  });

  it('of no size hold nothing and say that there is more', async () => {
    const { body } = await search('subject', { ...question, page: { limit: 0 } });
    expect(body).toEqual({ page: { next_token: expect.stringMatching(/./), count: 0 }, results: [] });
  });

  it('do not say in their token where they go on', async () => {
    const token = Buffer.from(await first(), 'base64url').toString('latin1');
    expect(token).not.toContain('acc_');
  });
});

describe('a search that finds nothing', () => {
  const nobody = { type: 'user', id: 'nobody' };
  const page0 = { type: 'page', id: 't0' };
  const view = { name: 'view' };
  it.each([
    ['subject', { subject: { type: 'spaceship' }, action: view, resource: page0 }],
    ['subject', { subject: { type: 'client' }, action: { name: 'fly' }, resource: page0 }],
    ['subject', { subject: { type: 'api-key' }, action: view, resource: { type: 'a b', id: '' } }],
    ['resource', { subject: nobody, action: view, resource: { type: 'page' } }],
    ['resource', { subject: { type: 'spaceship', id: '1' }, action: view, resource: { type: 'page' } }],
    ['resource', { subject: { type: 'user', id: 'p0' }, action: view, resource: { type: 'spaceship' } }],
    ['action', { subject: nobody, resource: page0 }],
    ['action', { subject: { type: 'user', id: 'p9' }, resource: { type: 'space ship', id: '1' } }],
  ])('for a %s answers an empty list: %j', async (what, question) => {
    const { status, body } = await search(what, question);
    expect([status, body]).toEqual([200, { page: { next_token: '', count: 0 }, results: [] }]);
  });
});

describe('a search that lacks something', () => {
  const user = { type: 'user' };
  const view = { name: 'view' };
  it.each([
    ['subject', { subject: user, resource: { type: 'page', id: '1' } }],
    ['subject', { action: view, resource: { type: 'page', id: '1' } }],
    ['subject', { subject: user, action: view, resource: { type: 'page' } }],
    ['resource', { action: view, resource: { type: 'page' } }],
    ['resource', { subject: user, action: view, resource: { type: 'page' } }],
    ['resource', { subject: { type: 'user', id: 'p0' }, action: view }],
    ['action', { subject: { type: 'user', id: 'p0' } }],
    ['action', { subject: user, resource: { type: 'page', id: '1' } }],
    ['action', { subject: { type: 'user', id: 'p0' }, resource: { type: 'page' } }],
  ])('for a %s is answered with 400: %j', async (what, question) => {
    expect((await search(what, question)).status).toBe(400);
  });
});
