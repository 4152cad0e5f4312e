// The registry of resources: routes, limits, events, and what other nodes and bound callers see of it.
import { beforeAll, describe, expect, it } from 'vitest';
import { createResources } from '../../src/access/resources.ts';
import { createChanges } from '../../src/platform/changes.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createWorld } from '../credentials/world.ts';
import { ask, caller, operator, tag, useDecisions } from './world.ts';

const world = useDecisions();
const { postgres, db } = world.database;
const all = ['resources:read', 'resources:update', 'resources:delete'];
const ids = { red: '', blue: '' };
const call = (method: string, path: string, body?: unknown, more: { as?: string; etag?: string } = {}) =>
  ask(world, `/api/v1${path}`, body, {
    method,
    as: more.as ?? 'Bearer all',
    ...(more.etag === undefined ? {} : { headers: { 'If-Match': more.etag } }),
  });
const events = async (target: string) => {
  const rows = await db('audit_events')
    .where({ target_id: target })
    .orderBy('sequence')
    .select('type', 'details');
  return rows.map(({ type, details }) => [type, details]);
};

beforeAll(async () => {
  for (const name of ['red', 'blue'] as const) {
    const made = await world.organizations.create({ slug: `${name}-${tag()}`, name }, operator);
    ids[name] = made.id;
    world.callers[`Bearer ${name}`] = caller(all, made.id);
  }
});

describe('a resource', () => {
  it('is registered by naming it, changed by naming it again, and left alone when it says the same', async () => {
    const properties = { owner: 'anna@example.com', tags: ['a', { deep: true }], size: 3, none: null };
    const first = await call('PUT', '/resources/todo/1', { properties });
    expect(first.body).toMatchObject({ organizationId: null, type: 'todo', id: '1', properties, version: 1 });
    expect([first.status, first.headers.get('etag')]).toEqual([200, '"1"']);
    const { none, ...others } = properties;
    const same = await call('PUT', '/resources/todo/1', { properties: { none, ...others } });
    expect(same.body).toEqual(first.body);
    const changed = await call('PUT', '/resources/todo/1', { properties: {} });
    expect(changed.body).toMatchObject({ properties: {}, version: 2, createdAt: first.body.createdAt });
    expect((await call('GET', '/resources/todo/1')).body).toEqual(changed.body);
    expect(await events('todo:1')).toEqual([
      ['resource.registered', {}],
      ['resource.changed', {}],
    ]);
  });

  it('is guarded against lost updates by its version', async () => {
    await call('PUT', '/resources/todo/2', {});
    expect((await call('PUT', '/resources/todo/2', { properties: { a: 1 }, version: 1 })).status).toBe(200);
    expect((await call('PUT', '/resources/todo/2', { properties: { a: 2 }, version: 1 })).status).toBe(412);
    expect((await call('PUT', '/resources/todo/absent', { version: 1 })).status).toBe(412);
    expect((await call('DELETE', '/resources/todo/2')).status).toBe(428);
    expect((await call('DELETE', '/resources/todo/2', undefined, { etag: '"1"' })).status).toBe(412);
    expect((await call('DELETE', '/resources/todo/2', undefined, { etag: '"2"' })).status).toBe(204);
    expect((await call('GET', '/resources/todo/2')).body.code).toBe('resource_not_found');
    expect((await call('DELETE', '/resources/todo/2', undefined, { etag: '*' })).status).toBe(404);
    expect((await events('todo:2')).at(-1)).toEqual(['resource.removed', {}]);
  });

  it('may have any id that can be read', async () => {
    for (const id of ['a/b', 'a b', 'ü:1', '*', '%', 'x'.repeat(256)]) {
      const path = `/resources/todo/${encodeURIComponent(id)}`;
      expect((await call('PUT', path, {})).body.id).toBe(id);
      expect((await call('GET', path)).body.id).toBe(id);
    }
  });

  const many = Object.fromEntries(Array.from({ length: 65 }, (_none, at) => [`p${at}`, 1]));
  it.each([
    ['a type with a space', 'to do', '1', {}],
    ['a star as its type', '*', '1', {}],
    ['a type with a colon', 'a:b', '1', {}],
    ['an id without end', 'todo', 'x'.repeat(257), {}],
    ['a line break in its id', 'todo', 'a\nb', {}],
    ['properties that are a list', 'todo', '1', { properties: [] }],
    ['more than 64 properties', 'todo', '1', { properties: many }],
    ['more than 8 KiB', 'todo', '1', { properties: { text: 'x'.repeat(9000) } }],
    ['a field that nobody knows', 'todo', '1', { colour: 'red' }],
  ])('is refused with %s', async (_what, type, id, body) => {
    const path = `/resources/${encodeURIComponent(type)}/${encodeURIComponent(id)}`;
    const answer = await call('PUT', path, body);
    expect([answer.status, answer.body.code]).toEqual([
      400,
      expect.stringMatching(/^(re(source|quest)_invalid)$/),
    ]);
  });
});

describe('many resources', () => {
  it('are registered at once, with one event that counts them', async () => {
    const resources = Array.from({ length: 1000 }, (_none, at) => ({ type: 'bulk', id: `b${at}` }));
    const first = await call('POST', '/resources', { resources });
    expect([first.status, first.body]).toEqual([200, { made: 1000, changed: 0, unchanged: 0 }]);
    const again = resources.slice(0, 3).map((one) => ({ ...one, properties: { seen: true } }));
    const second = await call('POST', '/resources', { resources: [...again, ...resources.slice(3, 5)] });
    expect(second.body).toEqual({ made: 0, changed: 3, unchanged: 2 });
    expect(await world.resources.known({ organizationId: null, type: 'bulk', id: 'b0' })).toEqual({
      seen: true,
    });
    const counted = await db('audit_events').where({ type: 'resources.imported' }).orderBy('sequence');
    expect(counted.map(({ details }) => details.made)).toEqual([1000, 0]);
  });

  it.each([
    [
      'one is named twice',
      [
        { type: 'twice', id: '1' },
        { type: 'twice', id: '1' },
      ],
    ],
    [
      'one is not right',
      [
        { type: 'twice', id: '1' },
        { type: 'tw ice', id: '1' },
      ],
    ],
    ['there is none', []],
    [
      'there are more than a thousand',
      Array.from({ length: 1001 }, (_none, at) => ({ type: 'twice', id: `${at}` })),
    ],
  ])('are all refused when %s', async (_what, resources) => {
    expect((await call('POST', '/resources', { resources })).status).toBe(400);
    expect((await call('GET', '/resources?type=twice')).body.items).toEqual([]);
  });

  it('are listed by type and id, page by page', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await call('GET', `/resources?type=bulk&limit=100${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.nextCursor ?? '';
    } while (cursor !== '');
    expect(seen).toHaveLength(1000);
    expect(seen).toEqual([...seen].sort());
  });
});

describe('an organization', () => {
  it('has resources of its own, which callers of another do not see, change or remove', async () => {
    const own = await call(
      'PUT',
      '/resources/plan/1',
      { properties: { owner: 'ruby' } },
      { as: 'Bearer red' },
    );
    expect(own.body).toMatchObject({ organizationId: ids.red, version: 1 });
    for (const path of ['/resources/plan/1', `/resources/plan/1?organizationId=${ids.red}`]) {
      for (const method of ['GET', 'DELETE']) {
        const { status, body: problem } = await call(method, path, undefined, {
          as: 'Bearer blue',
          etag: '*',
        });
        expect([status, problem.code]).toEqual([404, expect.stringMatching(/_not_found$/)]);
      }
    }
    const put = { properties: { owner: 'bert' } };
    expect(
      (await call('PUT', `/resources/plan/1?organizationId=${ids.red}`, put, { as: 'Bearer blue' })).status,
    ).toBe(404);
    const many = { resources: [{ type: 'plan', id: '1', ...put }] };
    expect(
      (await call('POST', `/resources?organizationId=${ids.red}`, many, { as: 'Bearer blue' })).status,
    ).toBe(404);
    expect(
      (await call('GET', `/resources?organizationId=${ids.red}`, undefined, { as: 'Bearer blue' })).status,
    ).toBe(404);
    expect((await call('PUT', '/resources/plan/1', put, { as: 'Bearer blue' })).body.organizationId).toBe(
      ids.blue,
    );
    expect((await call('GET', '/resources/plan/1', undefined, { as: 'Bearer red' })).body).toEqual(own.body);
    const list = await call('GET', '/resources', undefined, { as: 'Bearer blue' });
    expect(new Set(list.body.items.map((one: { organizationId: string }) => one.organizationId))).toEqual(
      new Set([ids.blue]),
    );
  });

  it('is named by callers that are bound to none; one that there is not is not found', async () => {
    const { body } = await call('GET', `/resources/plan/1?organizationId=${ids.red}`);
    expect(body.properties).toEqual({ owner: 'ruby' });
    expect((await call('GET', '/resources/plan/1')).status).toBe(404);
    for (const [method, path, sent] of [
      ['GET', '/resources', undefined],
      ['PUT', '/resources/plan/1', {}],
      ['POST', '/resources', { resources: [{ type: 'a', id: '1' }] }],
    ] as const) {
      const answer = await call(method, `${path}?organizationId=org_00000000000000000000000000`, sent);
      expect([answer.status, answer.body.code]).toEqual([404, 'organization_not_found']);
    }
  });

  it('takes its resources with it', async () => {
    const { id } = await world.organizations.create({ slug: `gone-${tag()}`, name: 'Gone' }, operator);
    await world.resources.put({ organizationId: id, type: 'plan', id: '9' }, {}, operator);
    await world.organizations.remove(id, operator);
    expect(await db('access_resources').where({ organization_id: id })).toEqual([]);
  });
});

describe('what is kept in memory', () => {
  const other = () => {
    const changes = createChanges({ db, log: silentLog });
    const { audit, clock } = createWorld(postgres);
    const resources = createResources({ postgres, audit, clock, changes });
    resources.start();
    return { changes, resources };
  };
  const name = { organizationId: null, type: 'kept', id: '1' };

  it('asks nobody again for what is known, registered or not', async () => {
    await world.resources.put(name, { properties: { owner: 'a' } }, operator);
    const statements: string[] = [];
    const note = ({ sql }: { sql: string }) => statements.push(sql);
    await world.resources.known(name);
    await world.resources.known({ ...name, id: 'none' });
    db.on('query', note);
    for (let turn = 0; turn < 10; turn += 1) {
      expect(await world.resources.known(name)).toEqual({ owner: 'a' });
      expect(await world.resources.known({ ...name, id: 'none' })).toBeUndefined();
    }
    db.removeListener('query', note);
    expect(statements.filter((sql) => sql.includes('access_resources'))).toEqual([]);
  });

  it('is looked up again on another node once it hears of the change', async () => {
    const node = other();
    await node.changes.poll();
    await world.resources.put(name, { properties: { owner: 'a' } }, operator);
    await node.changes.poll();
    expect(await node.resources.known(name)).toEqual({ owner: 'a' });
    await world.resources.put(name, { properties: { owner: 'b' } }, operator);
    await node.changes.poll();
    expect(await node.resources.known(name)).toEqual({ owner: 'b' });
    await world.resources.remove(name, operator);
    await node.changes.poll();
    expect(await node.resources.known(name)).toBeUndefined();
  });

  it('is not used by a node that has heard of no change for five seconds', async () => {
    const { audit, clock } = createWorld(postgres);
    const silence = { milliseconds: 0 };
    const changes = { ...createChanges({ db, log: silentLog }), silence: () => silence.milliseconds };
    const deaf = createResources({ postgres, audit, clock, changes });
    await world.resources.put(name, { properties: { owner: 'a' } }, operator);
    expect(await deaf.known(name)).toEqual({ owner: 'a' });
    await world.resources.put(name, { properties: { owner: 'b' } }, operator);
    expect(await deaf.known(name)).toEqual({ owner: 'a' });
    silence.milliseconds = 5_000;
    expect(await deaf.known(name)).toEqual({ owner: 'b' });
  });
});
