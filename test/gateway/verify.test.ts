// Verify: what gateways and services are told about the keys and tokens that they are shown.
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { newApiKey } from '../../src/lib/api-key-format.ts';
import { newId, parseId } from '../../src/lib/ids.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { machine } from '../support/management.ts';
import { createApi, createPerson, operator } from '../support/people.ts';
import { createOrganization } from '../support/roles.ts';
import { createWorld, type World } from './world.ts';

const gatehouse = useGatehouse();
const by = asOperator(operator);
const made: { world?: World } = {};
const world = () => {
  if (made.world === undefined) throw new Error('the world is made before the tests');
  return made.world;
};
beforeAll(async () => {
  made.world = await createWorld(gatehouse);
});

const events = async (type: string, targetId: string) =>
  (await gatehouse.services.audit.list({ type, targetId }, { limit: 10, cursor: null })).items;

describe('a good key', () => {
  it('is told with its owner, what it holds at the API, and what is left of its limits', async () => {
    const rateLimits = [{ permits: 100, per: 'minute' as const }];
    const key = await world().key({
      rateLimits,
      claims: { plan: 'gold' },
    });
    const answer = await world().ask({
      credential: key.secret,
      permissions: ['notes:read'],
      api: world().audience,
    });
    expect(answer).toMatchObject({
      active: true,
      code: 'ok',
      kind: 'key',
      subject: key.id,
      clientId: key.id,
      keyId: key.id,
      owner: { kind: 'account', id: world().ownerId },
      accountId: world().ownerId,
      organizationId: null,
      scope: 'notes:read',
      claims: { plan: 'gold' },
      limits: [{ limit: 100, window: 'minute', remaining: 99 }],
      budgets: [],
      reservationId: null,
    });
  });

  it('was last used then, from the address that was told', async () => {
    const key = await world().key();
    const request = { address: '192.0.2.7', userAgent: 'a robot' };
    await world().ask({ credential: key.secret, request });
    await expect
      .poll(async () => (await gatehouse.services.apiKeys.find(key.id, by))?.lastUsedAddress, {
        timeout: 10_000,
      })
      .toBe('192.0.2.7');
  });
});

describe('a key that is not good', () => {
  const code = async (body: Record<string, unknown>) => {
    const { active, code, status } = await world().ask(body);
    return { active, code, status };
  };

  it('is told why, when its secret was right', async () => {
    const { apiKeys } = gatehouse.services;
    const [revoked, disabled, rotated] = [await world().key(), await world().key(), await world().key()];
    await apiKeys.revoke(revoked.id, 'lost', by);
    await apiKeys.disable(disabled.id, by);
    await apiKeys.rotate(rotated.id, { overlapSeconds: 0 }, by);
    expect(await code({ credential: revoked.secret })).toEqual({
      active: false,
      code: 'credential_revoked',
      status: 401,
    });
    expect(await code({ credential: disabled.secret })).toMatchObject({ code: 'credential_disabled' });
    expect(await code({ credential: rotated.secret })).toMatchObject({ code: 'credential_retired' });
    expect(await events('credential.refused', revoked.id)).toMatchObject([
      { outcome: 'denied', reason: 'credential_revoked', accountId: null },
    ]);
  });

  it('is not known in any other case: no answer tells whether an id exists', async () => {
    const key = await world().key();
    const wrong = newApiKey(parseId('key', key.id) ?? newId('key'));
    const unknown = newApiKey(newId('key'));
    const shortened = key.secret.slice(0, -1);
    const answers = await Promise.all(
      [wrong, unknown, shortened, key.secret.toUpperCase(), 'nothing'].map((credential) =>
        world().ask({ credential }),
      ),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({
      active: false,
      code: 'not_recognised',
      status: 401,
      keyId: null,
      subject: null,
    });
  });

  it('is told at most one event a minute, however often it is tried', async () => {
    const key = await world().key();
    for (let turn = 0; turn < 5; turn += 1)
      await world().ask({ credential: key.secret, permissions: ['no:such'] });
    expect(await events('credential.refused', key.id)).toHaveLength(1);
  });
});

describe('a request that the key is not for', () => {
  it('from an address that is not allowed, or not told, is refused', async () => {
    const key = await world().key({ allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'] });
    const from = async (address?: string) =>
      (await world().ask({ credential: key.secret, ...(address ? { request: { address } } : {}) })).code;
    expect([
      await from('192.0.2.9'),
      await from('2001:db8::1'),
      await from('198.51.100.1'),
      await from(),
    ]).toEqual(['ok', 'ok', 'address_not_allowed', 'address_not_allowed']);
  });

  it('at another API is refused', async () => {
    const other = await createApi(gatehouse.services);
    const key = await world().key({ apis: [world().audience] });
    const at = async (api: string) => (await world().ask({ credential: key.secret, api })).code;
    expect([
      await at(world().audience),
      await at(other.audience),
      await at('https://unknown.example'),
    ]).toEqual(['ok', 'api_not_allowed', 'api_not_allowed']);
  });

  it('for a value that its constraints do not name, or without saying which, is refused', async () => {
    const key = await world().key({ constraints: { model: ['small'], endpoint: ['/v1/chat'] } });
    const path = { request: { path: '/v1/chat?stream=1' } };
    const ask = (constraints: Record<string, string>, more: object = path) =>
      world().ask({ credential: key.secret, constraints, ...more });
    expect(await ask({ model: 'small' })).toMatchObject({ code: 'ok' });
    expect(await ask({ model: 'large' })).toMatchObject({ code: 'constraint_violated', constraint: 'model' });
    expect(await ask({})).toMatchObject({ code: 'constraint_violated', constraint: 'model' });
    expect(await ask({ model: 'small' }, {})).toMatchObject({ constraint: 'endpoint', status: 403 });
  });

  it('for a permission it does not hold is refused, and told which', async () => {
    const key = await world().key({ permissions: ['notes:read'] });
    const answer = await world().ask({ credential: key.secret, permissions: ['notes:read', 'notes:write'] });
    expect(answer).toMatchObject({
      active: false,
      code: 'permission_missing',
      status: 403,
      permission: 'notes:write',
    });
  });

  it('for a permission that the API does not have is refused, whatever the key holds elsewhere', async () => {
    const admin = await createPerson(gatehouse.services, { admin: true });
    const key = await world().key({ permissions: ['*:*'], owner: { kind: 'account', id: admin.id } });
    const holds = (more: object) =>
      world().ask({ credential: key.secret, permissions: ['clients:delete'], ...more });
    expect([(await holds({})).code, (await holds({ api: world().audience })).code]).toEqual([
      'ok',
      'permission_missing',
    ]);
  });
});

describe('limits', () => {
  it('are of the key, and then 429 with the time to wait', async () => {
    const key = await world().key({ rateLimits: [{ permits: 2, per: 'hour' }] });
    const ask = () => world().ask({ credential: key.secret });
    expect([(await ask()).code, (await ask()).code]).toEqual(['ok', 'ok']);
    const refused = await ask();
    expect(refused).toMatchObject({ active: false, code: 'rate_limited', status: 429, keyId: key.id });
    expect(refused.retryAfterSeconds).toBeGreaterThan(1700);
    expect(refused.limits).toMatchObject([{ limit: 2, window: 'hour', remaining: 0 }]);
  });

  it('lose nothing to a request that an earlier check refuses', async () => {
    const key = await world().key({ rateLimits: [{ permits: 1, per: 'hour' }] });
    const refused = await world().ask({ credential: key.secret, permissions: ['notes:write'] });
    expect(refused).toMatchObject({ code: 'permission_missing', limits: [] });
    expect((await world().ask({ credential: key.secret })).code).toBe('ok');
  });

  it('of a parent hold for all its children together', async () => {
    const parent = await world().key({ rateLimits: [{ permits: 2, per: 'hour' }] });
    const child = () => world().key({ parentId: parent.id, owner: undefined as never });
    const [one, two] = [await child(), await child()];
    const codes = [];
    for (const { secret } of [one, two, one, two])
      codes.push((await world().ask({ credential: secret })).code);
    expect(codes).toEqual(['ok', 'ok', 'rate_limited', 'rate_limited']);
  });
});

describe('budgets', () => {
  const budget = (scope: { kind: 'api-key' | 'account'; id: string }, meter: string, limit: number) =>
    gatehouse.services.budgets.set({ scope, meter, window: 'day', limit }, operator);
  const state = async (id: string) => {
    const [found] = await gatehouse.services.budgets.state([{ kind: 'api-key', id }]);
    return { used: Number(found?.used), reserved: Number(found?.reserved) };
  };

  it('count each good request on the meter `requests`, until 402 says usage, limit, window and reset', async () => {
    const key = await world().key();
    await budget({ kind: 'api-key', id: key.id }, 'requests', 2);
    const ask = (permissions: string[] = []) => world().ask({ credential: key.secret, permissions });
    expect(await ask()).toMatchObject({ code: 'ok', budgets: [{ meter: 'requests', usage: 1, limit: 2 }] });
    // Nothing is taken for what an earlier check refuses.
    expect(await ask(['notes:write'])).toMatchObject({ code: 'permission_missing', budgets: [] });
    expect((await ask()).code).toBe('ok');
    expect(await ask()).toMatchObject({
      active: false,
      code: 'budget_exceeded',
      status: 402,
      budgets: [
        { meter: 'requests', window: 'day', usage: 2, limit: 2, resetAt: expect.stringMatching(/T00:00:00/) },
      ],
    });
  });

  it('are reserved for what is told, of the key and of its parent, and can be settled', async () => {
    const parent = await world().key();
    const key = await world().key({ parentId: parent.id, owner: undefined as never });
    await budget({ kind: 'api-key', id: parent.id }, 'tokens', 100);
    const ask = (tokens: number) => world().ask({ credential: key.secret, meters: { tokens } });
    const { reservationId } = await ask(60);
    expect(reservationId).toMatch(/^rsv_/);
    expect(await ask(60)).toMatchObject({ code: 'budget_exceeded', keyId: key.id });
    await gatehouse.services.budgets.settle(reservationId, { tokens: 10n });
    expect(await state(parent.id)).toEqual({ used: 10, reserved: 0 });
    expect((await ask(60)).code).toBe('ok');
  });

  it('of a meter that nobody knows are refused', async () => {
    const key = await world().key();
    const reply = await world().askRaw({ credential: key.secret, meters: { smiles: 1 } });
    expect([reply.status, reply.body.code]).toEqual([422, 'meter_unknown']);
  });
});

describe('usage', () => {
  it('counts good requests for the key, and none that was refused', async () => {
    const key = await world().key();
    for (let turn = 0; turn < 3; turn += 1) await world().ask({ credential: key.secret });
    await world().ask({ credential: key.secret, permissions: ['notes:write'] });
    await gatehouse.services.usage.flush();
    const filter = { subjectKind: 'api-key' as const, subjectIds: [key.id] };
    const { items } = await gatehouse.services.usage.report(filter, { limit: 10, cursor: null });
    expect(items).toMatchObject([{ kind: 'verify', meter: 'requests', amount: 3n }]);
  });
});

/** As the machine that holds the key gets it; from this machine, which the key may allow or not. */
async function tokenWith({ id, secret }: { id: string; secret: string }): Promise<{ access_token: string }> {
  await gatehouse.services.apiKeys.change(id, { allowedAddresses: null }, by);
  const response = await fetch(`${gatehouse.issuer}/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: id,
      client_secret: secret,
      scope: 'notes:read',
      resource: world().audience,
    }),
  });
  await gatehouse.services.apiKeys.change(id, { allowedAddresses: ['192.0.2.0/24'] }, by);
  return response.json() as Promise<{ access_token: string }>;
}

describe('a token', () => {
  const machineToken = async () => {
    const apis = [{ audience: world().audience, permissions: ['notes:read'] }];
    const app = await relyingParty(gatehouse, { kind: 'machine', apis });
    const parameters = { scope: 'notes:read', resource: world().audience };
    const { access_token } = await oauth.clientCredentialsGrant(app.config, parameters);
    return { app, token: access_token };
  };

  it('is told like a key, until its client lost the permission', async () => {
    const { app, token } = await machineToken();
    const question = { credential: token, permissions: ['notes:read'], api: world().audience };
    expect(await world().ask(question)).toMatchObject({
      active: true,
      kind: 'token',
      subject: app.client.id,
      clientId: app.client.id,
      keyId: null,
      scope: 'notes:read',
    });
    await gatehouse.services.clients.change(app.client.id, { apis: [] }, operator);
    expect((await world().ask(question)).active).toBe(false);
  });

  it('for one API is not good at another', async () => {
    const other = await createApi(gatehouse.services);
    const { token } = await machineToken();
    expect(await world().ask({ credential: token, api: other.audience })).toMatchObject({
      code: 'api_not_allowed',
    });
  });

  it('made with a key is bound by it: its addresses, constraints and limits, and its end', async () => {
    const key = await world().key({
      allowedAddresses: ['192.0.2.0/24'],
      constraints: { model: ['small'] },
      // One of them for the token itself.
      rateLimits: [{ permits: 3, per: 'hour' }],
    });
    const { access_token } = await tokenWith(key);
    const ask = (address: string, model: string) =>
      world().ask({
        credential: access_token,
        api: world().audience,
        request: { address },
        constraints: { model },
      });
    expect((await ask('198.51.100.1', 'small')).code).toBe('address_not_allowed');
    expect((await ask('192.0.2.1', 'large')).code).toBe('constraint_violated');
    expect(await ask('192.0.2.1', 'small')).toMatchObject({ kind: 'token', keyId: key.id, clientId: key.id });
    // The key itself counts on the same limit.
    const request = { address: '192.0.2.1' };
    const own = await world().ask({ credential: key.secret, request, constraints: { model: 'small' } });
    expect(own.code).toBe('ok');
    expect((await ask('192.0.2.1', 'small')).code).toBe('rate_limited');
    await gatehouse.services.apiKeys.revoke(key.id, null, by);
    expect((await ask('192.0.2.1', 'small')).active).toBe(false);
  });

  it('that is a refresh token or an ID token opens nothing', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, {});
    const { tokens } = await app.signIn(person, { scope: 'openid offline_access', prompt: 'consent' });
    for (const credential of [tokens.refresh_token, tokens.id_token]) {
      expect((await world().ask({ credential })).code).toBe('not_recognised');
    }
    // Good for userinfo, and for no API.
    expect((await world().ask({ credential: tokens.access_token })).code).toBe('api_not_allowed');
  });
});

describe('a key in an address', () => {
  it('is refused whatever else comes with it, and told of', async () => {
    const [leaked, other] = [await world().key(), await world().key()];
    for (const path of [
      `/notes?x=${leaked.secret}`,
      `/${encodeURIComponent(leaked.secret).replace('_', '%5F')}/a`,
    ]) {
      const answer = await world().ask({ credential: other.secret, request: { path } });
      expect(answer).toMatchObject({ active: false, code: 'credential_in_url', status: 400 });
    }
    expect(await events('api-key.exposed', leaked.id)).toHaveLength(1);
  });

  it('is refused also by the name of its parameter', async () => {
    const { secret } = await world().key();
    const answer = await world().ask({ credential: secret, request: { path: '/notes?access_token=abc' } });
    expect(answer.code).toBe('credential_in_url');
  });
});

describe('who asks', () => {
  it('needs api-keys:verify, and a credential at all', async () => {
    const { secret } = await world().key();
    const without = await machine(gatehouse, ['clients:read']);
    const body = JSON.stringify({ credential: secret });
    const ask = (headers: Record<string, string>) =>
      fetch(`${gatehouse.issuer}/api/v1/verify`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body,
      });
    expect((await ask({})).status).toBe(401);
    expect((await ask({ Authorization: `Bearer ${without.token}` })).status).toBe(403);
    // The key that is asked about does not open the door itself.
    expect((await ask({ 'X-API-Key': secret })).status).toBe(403);
  });

  it('when bound to an organization learns of its keys alone', async () => {
    const { services } = gatehouse;
    const [ours, theirs] = [await createOrganization(services), await createOrganization(services)];
    await services.organizations.change(
      ours.id,
      { permissions: ['api-keys:verify', 'notes:read'] },
      operator,
    );
    await services.organizations.change(theirs.id, { permissions: ['notes:read'] }, operator);
    const of = (id: string, permissions: string[]) =>
      world().key({ owner: { kind: 'organization', id }, permissions });
    const asker = await of(ours.id, ['api-keys:verify']);
    const ask = async (credential: string, more: object = {}) => {
      const reply = await fetch(`${gatehouse.issuer}/api/v1/verify`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-API-Key': asker.secret },
        body: JSON.stringify({ credential, ...more }),
      });
      return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
    };
    const own = await of(ours.id, ['notes:read']);
    const other = await of(theirs.id, ['notes:read']);
    expect((await ask(own.secret)).body).toMatchObject({ active: true, organizationId: ours.id });
    const unknown = await ask(newApiKey(newId('key')));
    expect(await ask(other.secret)).toEqual(unknown);
    await services.apiKeys.revoke(other.id, null, by);
    expect(await ask(other.secret)).toEqual(unknown);
    // Nor whose key it is that somebody put into an address.
    const leaked = await ask(own.secret, {
      request: { path: `/?k=${(await of(theirs.id, ['notes:read'])).secret}` },
    });
    expect(leaked.body).toMatchObject({ code: 'credential_in_url', subject: null, keyId: null });
  });
});

describe('bad questions', () => {
  it.each([
    [{}, 'request_invalid'],
    [{ credential: 'x', permissions: ['notes'] }, 'request_invalid'],
    [{ credential: 'x', permissions: ['notes:read:'] }, 'request_invalid'],
    [{ credential: 'x', request: { address: '192.0.2.300' } }, 'request_invalid'],
    [{ credential: 'x', misspelt: true }, 'request_invalid'],
    [{ credential: 'x', reservationSeconds: 0 }, 'request_invalid'],
    [{ credential: 'x', meters: { tokens: -1 } }, 'amount_invalid'],
    [{ credential: 'x', meters: { tokens: 1.5 } }, 'amount_invalid'],
    [{ credential: 'x', meters: { tokens: 1e30 } }, 'amount_invalid'],
    [{ credential: 'x', meters: { tokens: '99999999999999999999' } }, 'amount_invalid'],
    [{ credential: 'x', meters: { tokens: null } }, 'amount_invalid'],
  ])('%j is refused with %s', async (body, code) => {
    const reply = await world().askRaw(body);
    expect([reply.status, reply.body.code]).toEqual([400, code]);
  });
});
