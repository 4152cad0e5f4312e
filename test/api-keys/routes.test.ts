// Keys over HTTP: those of everybody by permission, one's own, and those below the key that is presented.
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { permissions } from '../../src/vocabulary/permissions.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';

const gatehouse = useGatehouse({
  settings: { LIMIT_ADMIN_WRITE_PER_MINUTE: '100000', API_KEY_MAXIMUM_LIFETIME_DAYS: '0' },
});
const made: { all?: Machine; ownerId?: string; adminKey?: string } = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('the machine is made before the tests');
  return made.all;
});
const withKey = (key: string) => ({ token: null, headers: { 'X-API-Key': key } });
const atTheMachine = asOperator(operator);

beforeAll(async () => {
  const { services } = gatehouse;
  made.all = await machine(gatehouse);
  const admin = await createPerson(services, { admin: true });
  made.ownerId = admin.id;
  const issued = await services.apiKeys.create(
    { name: 'admin', permissions: ['*:*'], owner: { kind: 'account', id: admin.id }, expiresAt: null },
    atTheMachine,
  );
  made.adminKey = issued.secret;
});

describe('the routes of keys', () => {
  it('D5: a key with *:* does everything, one with a permission just that', async () => {
    const admin = withKey(made.adminKey ?? '');
    expect(await call('GET', '/accounts', admin)).toMatchObject({ status: 200 });
    const reader = await call('POST', '/api-keys', {
      ...admin,
      body: { name: 'reader', permissions: ['accounts:read'] },
    });
    expect(reader).toMatchObject({ status: 201, body: { owner: { kind: 'account', id: made.ownerId } } });
    const its = withKey(reader.body.secret);
    expect(await call('GET', '/accounts', its)).toMatchObject({ status: 200 });
    for (const [method, path] of [
      ['GET', '/clients'],
      ['GET', '/api-keys'],
      ['POST', '/api-keys'],
      ['GET', '/me/api-keys'],
      ['POST', '/me/api-keys'],
      ['POST', '/accounts'],
    ] as const) {
      expect(await call(method, path, { ...its, ...(method === 'POST' && { body: {} }) })).toMatchObject({
        status: 403,
        body: { code: 'permission_denied' },
      });
    }
  });

  it('D1: show the string once, in the answer that made it', async () => {
    const created = await call('POST', '/api-keys', {
      ...withKey(made.adminKey ?? ''),
      body: { name: 'once', permissions: [] },
    });
    const { secret, id } = created.body;
    expect(secret).toMatch(/^gth_/);
    expect(created.headers.get('location')).toBe(`api-keys/${id}`);
    expect(created.headers.get('etag')).toBe('"1"');
    for (const path of [`/api-keys/${id}`, '/api-keys', `/api-keys/${id}/family`, '/audit-events']) {
      expect(JSON.stringify((await call('GET', path)).body)).not.toContain(secret.slice(31));
    }
  });

  it('take scopes and expires_at as other products name them', async () => {
    const admin = withKey(made.adminKey ?? '');
    const body = {
      name: 'service',
      scopes: ['read:users', 'write:users'],
      expires_at: '2099-12-31T23:59:59Z',
    };
    const created = await call('POST', '/api-keys', { ...admin, body });
    expect(created).toMatchObject({
      status: 201,
      body: { permissions: ['read:users', 'write:users'], expiresAt: '2099-12-31T23:59:59.000Z' },
    });
    const twice = { ...body, permissions: ['read:users'] };
    expect(await call('POST', '/api-keys', { ...admin, body: twice })).toMatchObject({
      status: 400,
      body: { code: 'api_key_invalid' },
    });
    expect(await call('POST', '/api-keys', { ...admin, body: { name: 'nothing' } })).toMatchObject({
      status: 400,
    });
    const forever = await call('POST', '/api-keys', { ...admin, body: { ...body, expires_at: null } });
    expect(forever).toMatchObject({ status: 201, body: { expiresAt: null } });
  });

  it('D7: list, change, rotate and revoke a key', async () => {
    const { body: key } = await call('POST', '/me/api-keys', {
      body: { name: 'one', permissions: ['accounts:read'] },
    });
    const path = `/me/api-keys/${key.id}`;
    expect(key.owner).toEqual({ kind: 'client', id: made.all?.clientId });
    const change = { body: { name: 'two' }, headers: { 'If-Match': '"1"' } };
    expect(await call('PATCH', path, change)).toMatchObject({
      status: 200,
      body: { name: 'two', version: 2 },
    });
    expect(await call('PATCH', path, change)).toMatchObject({ status: 412 });
    const rotated = await call('POST', `${path}/rotate`, { body: { overlapSeconds: 0 } });
    expect(rotated).toMatchObject({ status: 201, body: { secrets: [{ retiresAt: null }, {}] } });
    expect(await call('GET', '/accounts', withKey(key.secret))).toMatchObject({ status: 401 });
    expect(await call('GET', '/accounts', withKey(rotated.body.secret))).toMatchObject({ status: 200 });
    expect(await call('POST', `${path}/disable`)).toMatchObject({
      status: 200,
      body: { state: 'disabled', active: false },
    });
    expect(await call('POST', `${path}/enable`)).toMatchObject({
      status: 200,
      body: { state: 'active', active: true },
    });
    const revoked = await call('POST', `${path}/revoke`, { body: { reason: 'rolled out' } });
    expect(revoked).toMatchObject({
      status: 200,
      body: { state: 'revoked', revokedReason: 'rolled out', active: false },
    });
    expect(await call('GET', '/accounts', withKey(rotated.body.secret))).toMatchObject({ status: 401 });
    const { body: listed } = await call('GET', '/me/api-keys?state=revoked');
    expect(listed.items.map(({ id }: { id: string }) => id)).toEqual([key.id]);
    const { body: found } = await call('GET', '/api-keys?search=TWO&state=revoked');
    expect(found.items).toHaveLength(1);
  });

  it("C9: a key's own keys are those below it, by the same routes", async () => {
    const parent = await call('POST', '/api-keys', {
      ...withKey(made.adminKey ?? ''),
      body: {
        name: 'agent',
        permissions: ['own-api-keys:*', 'notes:read'].flatMap((name) => expanded(name)),
      },
    });
    expect(parent.status).toBe(201);
    const as = withKey(parent.body.secret);
    const child = await call('POST', '/me/api-keys', {
      ...as,
      body: { name: 'sub', permissions: ['notes:read'] },
    });
    expect(child).toMatchObject({ status: 201, body: { parentId: parent.body.id, depth: 1 } });
    const { body } = await call('GET', '/me/api-keys', as);
    expect(body.items.map(({ id }: { id: string }) => id)).toEqual([child.body.id]);
    expect(await call('GET', `/me/api-keys/${parent.body.id}`, as)).toMatchObject({ status: 404 });
    const wider = await call('POST', '/me/api-keys', {
      ...as,
      body: { name: 'sub', permissions: ['notes:write'] },
    });
    expect(wider).toMatchObject({
      status: 403,
      body: { code: 'api_key_permission_not_held', permissions: ['notes:write'] },
    });
    expect(await call('POST', `/me/api-keys/${child.body.id}/rotate`, as)).toMatchObject({ status: 201 });
    expect(await call('POST', `/me/api-keys/${child.body.id}/revoke`, as)).toMatchObject({ status: 200 });
  });

  it('answer for a key of somebody else as for one that is none', async () => {
    const { services } = gatehouse;
    const other = await createPerson(services);
    const { key } = await services.apiKeys.create(
      { name: 'theirs', permissions: [], owner: { kind: 'account', id: other.id } },
      atTheMachine,
    );
    const none = await call('GET', '/me/api-keys/key_01m812345678901234567890ab');
    const theirs = await call('GET', `/me/api-keys/${key.id}`);
    expect([theirs.status, theirs.body.code, theirs.body.detail]).toEqual([
      404,
      none.body.code,
      none.body.detail,
    ]);
  });

  it('answer the same to a creation that is sent again under its Idempotency-Key', async () => {
    const body = { name: 'again', permissions: [] };
    const headers = { 'Idempotency-Key': 'make-one' };
    const [one, other] = [
      await call('POST', '/me/api-keys', { body, headers }),
      await call('POST', '/me/api-keys', { body, headers }),
    ];
    expect(other.body).toEqual(one.body);
  });

  it('keep callers of an organization to its keys', async () => {
    const { services } = gatehouse;
    const [own, foreign] = await Promise.all(
      ['one', 'two'].map((slug) => services.organizations.create({ slug, name: slug }, operator)),
    );
    if (!own || !foreign) throw new Error('two were made');
    const keyOf = (id: string, names: string[]) =>
      services.apiKeys.create(
        { name: 'bound', permissions: names, owner: { kind: 'organization', id } },
        atTheMachine,
      );
    const mine = await keyOf(own.id, [
      'api-keys:read',
      'api-keys:create',
      'api-keys:rotate',
      'api-keys:delete',
      'api-keys:update',
    ]);
    const theirs = await keyOf(foreign.id, ['api-keys:read']);
    const as = withKey(mine.secret);
    const { body } = await call('GET', '/api-keys', as);
    expect(body.items.map(({ id }: { id: string }) => id)).toEqual([mine.key.id]);
    const path = `/api-keys/${theirs.key.id}`;
    const outcomes = [
      await call('GET', path, as),
      await call('GET', `${path}/family`, as),
      await call('PATCH', path, {
        ...as,
        body: { name: 'mine' },
        headers: { ...as.headers, 'If-Match': '*' },
      }),
      ...(await Promise.all(
        ['rotate', 'revoke', 'disable', 'enable'].map((act) => call('POST', `${path}/${act}`, as)),
      )),
      await call('POST', '/api-keys', {
        ...as,
        body: { name: 'x', permissions: [], parentId: theirs.key.id },
      }),
    ];
    expect(outcomes.map(({ status, body: said }) => [status, said.code])).toEqual(
      outcomes.map(() => [404, 'api_key_not_found']),
    );
    const owner = { kind: 'organization', id: foreign.id };
    expect(
      await call('POST', '/api-keys', { ...as, body: { name: 'x', permissions: [], owner } }),
    ).toMatchObject({
      status: 404,
    });
    const child = await call('POST', '/api-keys', {
      ...as,
      body: { name: 'x', permissions: ['api-keys:read'] },
    });
    expect(child).toMatchObject({ status: 201, body: { owner: { kind: 'organization', id: own.id } } });
  });
});

/** A wildcard would be more than `everyone` holds; its names are not. */
function expanded(text: string): string[] {
  if (!text.endsWith(':*')) return [text];
  return Object.keys(permissions).filter((name) => name.startsWith(text.slice(0, -1)));
}
