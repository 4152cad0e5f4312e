// The shapes of AuthZEN 1.0 as its certification scenario (github.com/openid/authzen, certification/) asks for them: the levels
// Basic Core, Batch Core and Discovery. Search is in search.test.ts.
import { beforeAll, describe, expect, it } from 'vitest';
import { acting, allow, ask, caller, ISSUER, operator, person, useDecisions } from './world.ts';

const world = useDecisions();
const alice = { type: 'user', id: 'alice' };
const bob = { type: 'user', id: 'bob' };
const read = { name: 'read' };
const write = { name: 'write' };
const record1 = { type: 'record', id: 'record-1' };
const record2 = { type: 'record', id: 'record-2' };
const permit = { subject: alice, action: read, resource: record1 };
const deny = { subject: bob, action: write, resource: record1 };

const EVALUATION = '/access/v1/evaluation';
const EVALUATIONS = '/access/v1/evaluations';
const SEARCHES = ['/access/v1/search/subject', '/access/v1/search/resource', '/access/v1/search/action'];
const ENDPOINTS = [EVALUATION, EVALUATIONS, ...SEARCHES];
const evaluate = (body: unknown, more = {}) => ask(world, EVALUATION, body, more);
const evaluateAll = (body: unknown, more = {}) => ask(world, EVALUATIONS, body, more);

beforeAll(async () => {
  const a = await person(world, { username: 'alice', email: 'alice@example.com' });
  const b = await person(world, { username: 'bob', email: 'bob@example.com', emailVerified: false });
  await allow(world, ['record:read', 'record:write:record-1'], [{ kind: 'account', id: a.id }]);
  await allow(world, ['record:read'], [{ kind: 'account', id: b.id }]);
  world.callers['Bearer execute'] = caller(['access:execute']);
  world.callers['Bearer search'] = caller(['access:search']);
  world.callers['Bearer others'] = caller(['accounts:read', 'resources:read']);
});

describe('an evaluation', () => {
  it('is permitted or denied with 200, application/json, a boolean, and why', async () => {
    const yes = await evaluate(permit);
    expect(yes.status).toBe(200);
    expect(yes.headers.get('content-type')).toMatch(/^application\/json/);
    expect(yes.headers.get('cache-control')).toBe('no-store');
    expect(yes.body).toEqual({
      decision: true,
      context: { reason_admin: { permitted: expect.stringContaining('record:read') } },
    });
    const no = await evaluate(deny);
    expect([no.status, no.body.decision]).toEqual([200, false]);
    expect(Object.keys(no.body.context.reason_admin)).toEqual(['no_permission']);
    expect(Object.keys(no.body.context.reason_user)).toEqual(['no_permission']);
    expect(no.body.context.reason_user.no_permission).not.toContain('record');
  });

  it.each([
    ['a context', { context: { time: '2025-06-27T18:03-07:00', ip: '192.168.1.1' } }],
    ['fields that nobody knows', { foo: 'bar', futureField: { nested: true } }],
    ['unknown fields inside', { subject: { ...alice, foo: 1 }, resource: { ...record1, foo: 1 } }],
    [
      'more properties',
      {
        subject: { ...alice, properties: { department: 'Sales', role: 'manager' } },
        action: { ...read, properties: { method: 'GET' } },
        resource: { ...record1, properties: { status: 'active', owner: 'bob' } },
      },
    ],
  ])('is no different with %s', async (_what, more) => {
    const { status, body } = await evaluate({ ...permit, ...more });
    expect([status, body.decision]).toEqual([200, true]);
  });

  it('is the same each time', async () => {
    const decisions = [];
    for (let turn = 0; turn < 5; turn += 1) decisions.push((await evaluate(permit)).body.decision);
    expect(decisions).toEqual([true, true, true, true, true]);
  });

  it('looks at the id of the resource', async () => {
    const of = async (resource: object) => (await evaluate({ ...permit, action: write, resource })).body;
    expect((await of(record1)).decision).toBe(true);
    expect(await of(record2)).toMatchObject({
      decision: false,
      context: { reason_admin: { other_resource: expect.any(String) } },
    });
  });

  it.each([
    [
      'an account id',
      async () => ({ type: 'account', id: (await world.accounts.findByIdentifier('alice'))?.id }),
    ],
    [
      'an account id of a user',
      async () => ({ type: 'user', id: (await world.accounts.findByIdentifier('alice'))?.id }),
    ],
    ['a user name', async () => ({ type: 'account', id: 'alice' })],
    ['a user name in other letters', async () => ({ type: 'user', id: 'ALICE' })],
    ['a verified mail address', async () => ({ type: 'user', id: 'alice@example.com' })],
  ])('knows its subject by %s', async (_what, subject) => {
    expect((await evaluate({ ...permit, subject: await subject() })).body.decision).toBe(true);
  });

  it.each([
    ['a name that nobody has', { type: 'user', id: 'nobody' }],
    ['a mail address that was not verified', { type: 'user', id: 'bob@example.com' }],
    ['an account id that nobody has', { type: 'user', id: 'acc_00000000000000000000000000' }],
    ['a type that is none', { type: 'spaceship', id: 'alice' }],
    ['a type that every object inherits', { type: 'constructor', id: 'alice' }],
    ['an empty id', { type: 'user', id: '' }],
    ['a key that there is not', { type: 'api-key', id: 'key_00000000000000000000000000' }],
    ['a client that there is not', { type: 'client', id: 'nobody' }],
  ])('is a denial for %s, and not an error', async (_what, subject) => {
    const { status, body } = await evaluate({ ...permit, subject });
    expect([status, body.decision, Object.keys(body.context.reason_admin)]).toEqual([
      200,
      false,
      ['subject_unknown'],
    ]);
  });

  it('follows a name to whom it belongs now', async () => {
    const first = await person(world, { username: 'carol' });
    await allow(world, ['record:read'], [{ kind: 'account', id: first.id }]);
    const asked = { ...permit, subject: { type: 'user', id: 'carol' } };
    expect((await evaluate(asked)).body.decision).toBe(true);
    await world.accounts.change(first.id, { username: 'caroline' }, operator);
    await world.changes.poll();
    await person(world, { username: 'carol' });
    expect((await evaluate(asked)).body.decision).toBe(false);
    expect((await evaluate({ ...asked, subject: { type: 'user', id: 'caroline' } })).body.decision).toBe(
      true,
    );
  });

  it('is a denial from the moment on at which the role is taken away or the account is suspended', async () => {
    const { id } = await person(world, { username: 'dave' });
    const role = await allow(world, ['record:read'], [{ kind: 'account', id }]);
    const asked = { ...permit, subject: { type: 'user', id: 'dave' } };
    expect((await evaluate(asked)).body.decision).toBe(true);
    const assignment = { roleId: role.id, subject: { kind: 'account', id }, organizationId: null } as const;
    await world.access.unassign(assignment, acting);
    expect((await evaluate(asked)).body.decision).toBe(false);
    await world.access.assign(assignment, acting);
    expect((await evaluate(asked)).body.decision).toBe(true);
    await world.accounts.suspend(id, null, operator);
    await world.changes.poll();
    expect((await evaluate(asked)).body.decision).toBe(false);
  });
});

describe('a question that was asked before', () => {
  it('is answered without a statement, alone and among many', async () => {
    const { db } = world.database;
    const subject = { type: 'user', id: 'alice@example.com' };
    const questions = [
      { path: EVALUATION, body: { ...permit, subject } },
      { path: EVALUATION, body: { ...deny, subject: { type: 'user', id: 'bob' } } },
      { path: EVALUATIONS, body: { subject, evaluations: [permit, { ...permit, resource: record2 }] } },
    ];
    const askAll = async () => {
      for (const { path, body } of questions) expect((await ask(world, path, body)).status).toBe(200);
    };
    await askAll();
    const statements: string[] = [];
    const note = ({ sql }: { sql: string }) => statements.push(sql);
    db.on('query', note);
    await askAll();
    db.removeListener('query', note);
    // The look at the changes of other nodes comes each second, whoever asks.
    expect(statements.filter((sql) => !sql.includes('change_counters'))).toEqual([]);
  });
});

describe('a request that is not as it should be', () => {
  const without = (field: string) =>
    Object.fromEntries(Object.entries(permit).filter(([name]) => name !== field));

  it.each([
    ['no subject', without('subject')],
    ['no action', without('action')],
    ['no resource', without('resource')],
    ['a subject without type', { ...permit, subject: { id: 'alice' } }],
    ['a subject without id', { ...permit, subject: { type: 'user' } }],
    ['an action without name', { ...permit, action: {} }],
    ['a resource without type', { ...permit, resource: { id: 'record-1' } }],
    ['a resource without id', { ...permit, resource: { type: 'record' } }],
    ['a subject that is a text', { ...permit, subject: 'alice' }],
    ['a name that is a number', { ...permit, action: { name: 123 } }],
    ['properties that are a list', { ...permit, subject: { ...alice, properties: [] } }],
    ['a context that is a text', { ...permit, context: 'now' }],
    ['an id without end', { ...permit, resource: { ...record1, id: 'x'.repeat(1025) } }],
    ['a list', [permit]],
    ['JSON that is none', '{"subject":'],
    ['a null byte', { ...permit, resource: { ...record1, id: 'a\0' } }],
    ['JSON without end in depth', `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`],
  ])('is answered with 400 and a sentence for %s', async (_what, body) => {
    for (const path of [EVALUATION, EVALUATIONS]) {
      const answer = await ask(world, path, body);
      expect(answer.status).toBe(400);
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
      expect(answer.body).toMatch(/^The request .*\./);
    }
  });

  it('says which field is wrong', async () => {
    expect((await evaluate({ ...permit, subject: { type: 'user' } })).body).toContain('subject.id: ');
  });

  it.each(ENDPOINTS)('is answered with 400 at %s for another type and for an empty body', async (path) => {
    const text = await ask(world, path, JSON.stringify(permit), {
      headers: { 'Content-Type': 'text/plain' },
    });
    const form = await ask(world, path, 'a=b', {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
    const empty = await ask(world, path, '', {});
    const none = await ask(world, path, undefined);
    expect([text.status, form.status, empty.status, none.status]).toEqual([400, 400, 400, 400]);
  });

  it.each(ENDPOINTS)('at %s is answered with 405 for another method', async (path) => {
    const { status, headers } = await ask(world, path, undefined, { method: 'GET' });
    expect([status, headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });
});

describe('a caller', () => {
  it.each(ENDPOINTS)('at %s is asked for a token, with 401, a challenge and a sentence', async (path) => {
    for (const as of [null, 'Bearer stolen']) {
      const { status, headers, body } = await ask(world, path, permit, { as });
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
      expect(headers.get('content-type')).toMatch(/^text\/plain/);
      expect(body).toBe('A valid access token or API key is required.');
    }
  });

  it('needs access:execute for evaluations and access:search for searches, else 403', async () => {
    const statuses = async (as: string) =>
      Promise.all(ENDPOINTS.map(async (path) => (await ask(world, path, permit, { as })).status));
    expect(await statuses('Bearer others')).toEqual([403, 403, 403, 403, 403]);
    // Where it may come, the question itself is looked at.
    expect(await statuses('Bearer execute')).toEqual([200, 200, 403, 403, 403]);
    expect(await statuses('Bearer search')).toEqual([403, 403, 200, 200, 200]);
  });

  it.each([
    [200, permit, 'Bearer all'],
    [400, {}, 'Bearer all'],
    [401, permit, null],
    [403, permit, 'Bearer others'],
  ])('gets its request id back with %i, whatever it is', async (status, body, as) => {
    for (const id of ['bfe9eb29-ab87-4ca3-be83-a1d5d8305716', 'any text, of {any} "kind"', 'x'.repeat(500)]) {
      const answer = await ask(world, EVALUATION, body, { as, headers: { 'X-Request-ID': id } });
      expect([answer.status, answer.headers.get('x-request-id')]).toEqual([status, id]);
    }
  });

  it('gets a request id when it sends none', async () => {
    expect((await evaluate(permit)).headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('several evaluations', () => {
  const of = (body: { evaluations: { decision: boolean }[] }) => body.evaluations.map((one) => one.decision);

  it('are answered in their order, each with its decision, and without one for all', async () => {
    const { status, body } = await evaluateAll({
      subject: bob,
      resource: record1,
      evaluations: [{ action: read }, { action: write }],
    });
    expect([status, of(body), 'decision' in body]).toEqual([200, [true, false], false]);
  });

  it('need nothing at the top when each is whole', async () => {
    expect(of((await evaluateAll({ evaluations: [permit, deny] })).body)).toEqual([true, false]);
  });

  it('take over whole entities from the top, and never parts of one', async () => {
    const { body } = await evaluateAll({
      subject: alice,
      action: write,
      resource: { ...record1, properties: { status: 'active' } },
      context: { time: '2025-06-27T18:03-07:00' },
      evaluations: [
        {},
        { resource: record2 },
        { resource: { id: 'record-1' } },
        { context: { source: 'own' } },
      ],
    });
    expect(of(body)).toEqual([true, false, false, true]);
    expect(body.evaluations[2].context.error).toEqual({
      status: 400,
      message: expect.stringContaining('resource.type: '),
    });
  });

  it.each([[{}], [{ resource: 'record-1' }], ['text'], [7], [null], [[]]])(
    'deny the one that is %j, and answer the others',
    async (item) => {
      const { status, body } = await evaluateAll({
        subject: alice,
        action: read,
        options: { evaluations_semantic: 'execute_all' },
        evaluations: [{ resource: record1 }, item, { resource: record2 }],
      });
      expect([status, of(body)]).toEqual([200, [true, false, true]]);
      expect(body.evaluations[1].context.error.status).toBe(400);
    },
  );

  const yes = { ...permit };
  const no = { ...deny };
  it.each([
    [undefined, [yes, no, yes], [true, false, true]],
    ['execute_all', [yes, no, yes], [true, false, true]],
    ['deny_on_first_deny', [yes, no, yes], [true, false]],
    ['deny_on_first_deny', [yes, {}, yes], [true, false]],
    ['deny_on_first_deny', [yes, yes], [true, true]],
    ['permit_on_first_permit', [no, yes, no], [false, true]],
    ['permit_on_first_permit', [yes, no], [true]],
    ['permit_on_first_permit', [no, no], [false, false]],
  ])('with %s end where they should', async (evaluations_semantic, evaluations, decisions) => {
    const { body } = await evaluateAll({ evaluations, options: { evaluations_semantic, another: 'value' } });
    expect(of(body)).toEqual(decisions);
  });

  it('end where they should in the middle of many', async () => {
    const evaluations = [...Array(120).fill(yes), no, ...Array(120).fill(yes)];
    const options = { evaluations_semantic: 'deny_on_first_deny' };
    const decisions = of((await evaluateAll({ evaluations, options })).body);
    expect([decisions.length, decisions.at(-1)]).toEqual([121, false]);
  });

  it.each([[{}], [{ evaluations: [] }]])('are one evaluation when there are none: %j', async (more) => {
    const { status, body } = await evaluateAll({ ...permit, ...more });
    expect([status, body.decision, 'evaluations' in body]).toEqual([200, true, false]);
    expect((await evaluateAll({ ...more, subject: alice, action: read })).status).toBe(400);
  });

  it.each([
    ['a semantic that is none', { evaluations: [yes], options: { evaluations_semantic: 'maybe' } }],
    ['evaluations that are no list', { ...permit, evaluations: {} }],
    ['more than a thousand', { evaluations: Array(1001).fill({}) }],
    ['a top that is a text', { subject: 'alice', evaluations: [yes] }],
  ])('are refused with 400 as a whole for %s', async (_what, body) => {
    expect((await evaluateAll(body)).status).toBe(400);
  });
});

describe('the metadata', () => {
  it('names this server and its endpoints, to everybody, and may be kept for a while', async () => {
    const path = '/.well-known/authzen-configuration';
    const { status, headers, body } = await ask(world, path, undefined, { method: 'GET', as: null });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(body).toEqual({
      policy_decision_point: ISSUER,
      access_evaluation_endpoint: `${ISSUER}${EVALUATION}`,
      access_evaluations_endpoint: `${ISSUER}${EVALUATIONS}`,
      search_subject_endpoint: `${ISSUER}${SEARCHES[0]}`,
      search_resource_endpoint: `${ISSUER}${SEARCHES[1]}`,
      search_action_endpoint: `${ISSUER}${SEARCHES[2]}`,
    });
  });
});
