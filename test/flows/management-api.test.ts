// The management API as programs and administrators use it: whole stories with real tokens.
import { beforeAll, describe, expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createClient, createPerson } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const wide = { LIMIT_ADMIN_READ_PER_MINUTE: '1000000', LIMIT_ADMIN_WRITE_PER_MINUTE: '1000000' };
const gatehouse = useGatehouse({ settings: wide });
const made: { all?: Machine } = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('the machine is made before the tests');
  return made.all;
});
beforeAll(async () => {
  made.all = await machine(gatehouse);
});

const audience = () => `${gatehouse.issuer}/api`;
let count = 0;
const email = () => {
  count += 1;
  return `story${count}@example.com`;
};

describe('an account', () => {
  it('is made, found, changed, suspended, reinstated and deleted', async () => {
    const address = email();
    const created = await call('POST', '/accounts', { body: { email: address, name: 'Ada' } });
    expect(created.status).toBe(201);
    const { id } = created.body;
    expect(
      new URL(created.headers.get('location') ?? '', `${gatehouse.issuer}/api/v1/accounts`).pathname,
    ).toBe(`/api/v1/accounts/${id}`);

    const found = await call('GET', `/accounts?search=${address}`);
    expect(found.body.items.map((item: { id: string }) => item.id)).toEqual([id]);

    const changed = await call('PATCH', `/accounts/${id}`, {
      body: { name: null, locale: 'de-AT' },
      headers: { 'If-Match': created.headers.get('etag') ?? '' },
    });
    expect(changed.body).toMatchObject({ name: null, locale: 'de-AT', email: address, version: 2 });
    expect(changed.headers.get('etag')).toBe('"2"');

    const suspended = await call('POST', `/accounts/${id}/suspend`, { body: { reason: 'left' } });
    expect(suspended.body.status).toBe('suspended');
    const back = await call('POST', `/accounts/${id}/reinstate`);
    expect(back.body.status).toBe('active');

    const gone = await call('DELETE', `/accounts/${id}`, {
      headers: { 'If-Match': back.headers.get('etag') ?? '' },
    });
    expect(gone.status).toBe(204);
    expect((await call('GET', `/accounts/${id}`)).status).toBe(404);
  });

  it('takes no field that is not one of those that may be set', async () => {
    for (const field of ['id', 'status', 'version', 'createdAt', 'password']) {
      const reply = await call('POST', '/accounts', { body: { email: email(), [field]: 'x' } });
      expect([field, reply.status, reply.body.code]).toEqual([field, 400, 'request_invalid']);
    }
  });

  it('changed by twenty at once is changed by exactly one; the others are told', async () => {
    const { id } = await createPerson(gatehouse.services);
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_none, turn) =>
        call('PATCH', `/accounts/${id}`, { body: { name: `Name ${turn}` }, headers: { 'If-Match': '"1"' } }),
      ),
    );
    const won = replies.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 412)).toHaveLength(19);
    const { body } = await call('GET', `/accounts/${id}`);
    expect([body.name, body.version]).toEqual([won[0]?.body.name, 2]);
  });

  it('is not changed, and its version stays, by a change that names nothing', async () => {
    const { id } = await createPerson(gatehouse.services);
    const reply = await call('PATCH', `/accounts/${id}`, { body: {}, headers: { 'If-Match': '"1"' } });
    expect([reply.status, reply.headers.get('etag')]).toEqual([200, '"1"']);
  });
});

describe('a list', () => {
  it('is read page by page, each item once, to the end', async () => {
    for (let turn = 0; turn < 7; turn += 1) await createPerson(gatehouse.services);
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await call('GET', `/accounts?limit=3${cursor && `&cursor=${cursor}`}`);
      expect(body.items.length).toBeLessThanOrEqual(3);
      seen.push(...body.items.map((item: { id: string }) => item.id));
      cursor = body.nextCursor ?? '';
    } while (cursor !== '');
    expect(new Set(seen).size).toBe(seen.length);
    const { rows } = await gatehouse.database.db.raw('select count(*)::int as count from accounts');
    expect(seen.length).toBe(rows[0].count);
    expect(seen).toEqual([...seen].sort().reverse());
  });
});

describe('an Idempotency-Key', () => {
  it('gives the same client and the same secret again, and makes one', async () => {
    const headers = { 'Idempotency-Key': '"a client, once"'.replaceAll(' ', '-') };
    const body = { kind: 'machine', name: 'Only once' };
    const first = await call('POST', '/clients', { body, headers });
    const second = await call('POST', '/clients', { body, headers });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect(first.body.secret).toMatch(/^ghcs_/);
    expect([first.headers.get('idempotency-replayed'), second.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ]);
    expect([second.headers.get('etag'), second.headers.get('location')]).toEqual([
      first.headers.get('etag'),
      first.headers.get('location'),
    ]);
    expect((await call('GET', '/clients?search=Only once')).body.items).toHaveLength(1);

    const other = await call('POST', '/clients', { body: { ...body, name: 'Another' }, headers });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
  });

  it('makes one of twenty that come at once', async () => {
    const headers = { 'Idempotency-Key': 'twenty' };
    const body = { kind: 'machine', name: 'One of twenty' };
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => call('POST', '/clients', { body, headers })),
    );
    const ids = replies.filter(({ status }) => status === 201).map(({ body: client }) => client.id);
    expect(new Set(ids).size).toBe(1);
    expect(
      replies.every(({ status, body: { code } }) => status === 201 || code === 'idempotency_key_in_use'),
    ).toBe(true);
    expect((await call('GET', '/clients?search=One of twenty')).body.items).toHaveLength(1);
  });

  it('repeats a refusal, with the id of the request that is answered', async () => {
    const { email: taken } = await createPerson(gatehouse.services);
    const send = () =>
      call('POST', '/accounts', { body: { email: taken }, headers: { 'Idempotency-Key': 'taken' } });
    const [first, second] = [await send(), await send()];
    expect([first.status, second.status, second.body.code]).toEqual([409, 409, 'identifier_taken']);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(second.body.requestId).not.toBe(first.body.requestId);
  });

  it('leaves no secret to be read in the database', async () => {
    const { body } = await call('POST', '/clients', {
      body: { kind: 'machine', name: 'Sealed' },
      headers: { 'Idempotency-Key': 'sealed' },
    });
    const rows = await gatehouse.database.db('idempotency_keys').select('answer');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.some(({ answer }) => answer?.includes(body.secret))).toBe(false);
  });
});

describe('a client', () => {
  it('gets a second secret, uses both, and loses the first', async () => {
    const apis = [{ audience: audience(), permissions: ['accounts:read'] }];
    const { body: client } = await call('POST', '/clients', {
      body: { kind: 'machine', name: 'Rotating', apis },
    });
    const { body: added } = await call('POST', `/clients/${client.id}/secrets`, { body: {} });
    const works = (secret: string) =>
      fetch(`${gatehouse.issuer}/token`, {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa(`${client.id}:${secret}`)}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'accounts:read' }),
      }).then(({ status }) => status);
    expect([await works(client.secret), await works(added.secret)]).toEqual([200, 200]);

    const { body: list } = await call('GET', `/clients/${client.id}/secrets`);
    const first = list.items.find(({ id }: { id: string }) => id !== added.secretId);
    expect((await call('DELETE', `/clients/${client.id}/secrets/${first.id}`)).status).toBe(204);
    expect([await works(client.secret), await works(added.secret)]).toEqual([401, 200]);
    expect(JSON.stringify(list)).not.toMatch(/ghcs_/);
  });

  it('is stopped at once by its status', async () => {
    const { client } = await createClient(gatehouse.services, { kind: 'machine' });
    const headers = { 'If-Match': '*' };
    const { status, body } = await call('PATCH', `/clients/${client.id}`, {
      body: { status: 'disabled' },
      headers,
    });
    expect([status, body.status]).toEqual([200, 'disabled']);
    expect(await gatehouse.services.clients.known(client.id)).toBeUndefined();
  });
});

describe('nobody gets more than they have', () => {
  const few = ['clients:create', 'clients:update', 'accounts:create', 'accounts:update', 'accounts:delete'];

  it('by registering or changing a client, or by a secret of one that may do more', async () => {
    const { token } = await machine(gatehouse, few);
    const wide = [{ audience: audience(), permissions: ['*'] }];
    const narrow = [{ audience: audience(), permissions: ['clients:create'] }];
    const register = (apis: object) =>
      call('POST', '/clients', { token, body: { kind: 'machine', name: 'Mine', apis } });

    expect((await register(wide)).body).toMatchObject({ status: 403, code: 'permission_denied' });
    const allowed = await register(narrow);
    expect(allowed.status).toBe(201);
    const headers = { 'If-Match': '*' };
    const widened = await call('PATCH', `/clients/${allowed.body.id}`, {
      token,
      headers,
      body: { apis: wide },
    });
    expect(widened.status).toBe(403);
    const borrowed = await call('POST', `/clients/${made.all?.clientId}/secrets`, { token, body: {} });
    expect(borrowed.status).toBe(403);
  });

  it('by deleting a client that may do more, or ending one of its secrets', async () => {
    const { token } = await machine(gatehouse, [...few, 'clients:delete']);
    const apis = [{ audience: audience(), permissions: ['*'] }];
    const { client } = await createClient(gatehouse.services, { kind: 'machine', apis });
    const [secret] = (await call('GET', `/clients/${client.id}/secrets`)).body.items;
    const ended = await call('DELETE', `/clients/${client.id}/secrets/${secret.id}`, { token });
    expect([ended.status, ended.body.code]).toEqual([403, 'permission_denied']);
    const deleted = await call('DELETE', `/clients/${client.id}`, { token, headers: { 'If-Match': '*' } });
    expect([deleted.status, deleted.body.code]).toEqual([403, 'permission_denied']);
  });

  it('by making administrators, or by changing, suspending or deleting one', async () => {
    const { token } = await machine(gatehouse, few);
    const { id } = await createPerson(gatehouse.services);
    const { id: admin } = await createPerson(gatehouse.services, { admin: true });
    await createPerson(gatehouse.services, { admin: true });
    const headers = { 'If-Match': '*' };
    const tries = [
      call('POST', '/accounts', { token, body: { email: email(), admin: true } }),
      call('PATCH', `/accounts/${id}`, { token, headers, body: { admin: true } }),
      call('PATCH', `/accounts/${admin}`, { token, headers, body: { email: email() } }),
      call('POST', `/accounts/${admin}/suspend`, { token }),
      call('DELETE', `/accounts/${admin}`, { token, headers }),
      call('POST', `/accounts/${admin}/release`, { token }),
      // Their own, to guess on without a pause.
      call('POST', '/addresses/release', { token, body: { address: '192.0.2.1' } }),
    ];
    for (const reply of await Promise.all(tries)) {
      expect([reply.status, reply.body.permission]).toEqual([403, 'accounts:admin']);
    }
    const ordinary = await call('PATCH', `/accounts/${id}`, { token, headers, body: { name: 'Allowed' } });
    expect(ordinary.status).toBe(200);
    expect((await call('POST', `/accounts/${id}/release`, { token })).status).toBe(200);
  });
});

describe('an administrator', () => {
  it('does with a token what its scopes say, and it is their name in the ledger', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    const app = await relyingParty(gatehouse, { apis: [{ audience: audience(), permissions: ['*'] }] });
    const scope = 'openid apis:create apis:read';
    const { tokens } = await app.signIn(person, { resource: audience(), scope });
    const token = tokens.access_token;

    const me = await call('GET', '/me', { token });
    expect(me.body).toMatchObject({ kind: 'account', id: person.id, account: { id: person.id } });
    const body = { audience: 'https://orders.example', name: 'Orders' };
    const { body: api } = await call('POST', '/apis', { token, body });
    const { body: events } = await call('GET', `/audit-events?targetId=${api.id}`);
    expect(events.items.map(({ type, actor }: { type: string; actor: object }) => [type, actor])).toEqual([
      ['api.created', { kind: 'account', id: person.id }],
    ]);
    expect((await call('GET', '/clients', { token })).status).toBe(403);
  });

  it('of yesterday does nothing with a token of yesterday', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    await createPerson(gatehouse.services, { admin: true });
    const app = await relyingParty(gatehouse, { apis: [{ audience: audience(), permissions: ['*'] }] });
    const { tokens } = await app.signIn(person, { resource: audience(), scope: 'openid apis:read' });
    const token = tokens.access_token;
    expect((await call('GET', '/apis', { token })).status).toBe(200);
    const headers = { 'If-Match': '*' };
    expect((await call('PATCH', `/accounts/${person.id}`, { headers, body: { admin: false } })).status).toBe(
      200,
    );
    // Nothing is left of what it was issued for, so it is no token any more.
    expect((await call('GET', '/apis', { token })).status).toBe(401);
  });
});

it('shows the settings with their sources, and no secret', async () => {
  const { body } = await call('GET', '/settings');
  const named = new Map(body.items.map((item: { name: string }) => [item.name, item]));
  expect(named.get('PORT')).toMatchObject({ origin: 'environment', secret: false });
  expect(named.get('CODE_SECONDS')).toMatchObject({ origin: 'default', value: '60' });
  expect(named.get('DATABASE_URL')).toMatchObject({ secret: true, value: null });
});

it('gives registrations of an earlier release the permissions of this one', async () => {
  const { apis } = gatehouse.services;
  const permissions = [{ name: 'accounts:read', sentence: 'See accounts.' }];
  const before = await apis.ensureSystem({ audience: audience(), name: 'Management API', permissions });
  const more = [...permissions, { name: 'apis:read', sentence: 'See APIs.' }];
  const after = await apis.ensureSystem({ audience: audience(), name: 'Management API', permissions: more });
  expect([before.permissions.length, after.permissions.length, after.id]).toEqual([1, 2, before.id]);
  const anyone = await machine(gatehouse, ['apis:read']);
  expect((await call('GET', '/apis', { token: anyone.token })).status).toBe(200);
});
