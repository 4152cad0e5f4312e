// /forward-auth as a proxy sees it: who may ask, what is believed, and each answer.
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';
import { createWorld, type World } from './world.ts';

const SECRET = 'a-secret-that-only-the-proxy-has-0123';
const trusting = useGatehouse({ settings: { FORWARD_AUTH_PROXIES: '127.0.0.1,::1,10.0.0.0/8' } });
const bySecret = useGatehouse({
  settings: { FORWARD_AUTH_SECRET: SECRET, LIMIT_API_CREDENTIAL_PER_MINUTE: '6' },
});
const off = useGatehouse();
const made: { world?: World } = {};
const world = () => {
  if (made.world === undefined) throw new Error('the world is made before the tests');
  return made.world;
};
beforeAll(async () => {
  made.world = await createWorld(trusting);
});

interface Asked {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
}

async function ask(
  query: string,
  { path = '', method = 'GET', headers = {} }: Asked = {},
  server = trusting,
) {
  const response = await fetch(`${server.issuer}/forward-auth${path}${query === '' ? '' : `?${query}`}`, {
    method,
    headers,
  });
  const text = await response.text();
  const told = (name: string) => response.headers.get(name);
  return { status: response.status, told, body: text.startsWith('{') ? JSON.parse(text) : text };
}
const api = () => `api=${encodeURIComponent(world().audience)}`;
const from = (address: string) => ({ 'X-Forwarded-For': address });

describe('who may ask', () => {
  it('is nobody until a proxy is named', async () => {
    expect((await ask('', {}, off)).status).toBe(404);
  });

  it('is a proxy that sends the secret, and no other', async () => {
    const sending = (secret: string) =>
      ask('', { headers: { 'X-Forward-Auth-Secret': secret, 'X-API-Key': 'gth_x' } }, bySecret);
    expect(await ask('', {}, bySecret)).toMatchObject({ status: 403, body: { code: 'proxy_not_trusted' } });
    expect((await sending(`${SECRET}x`)).body.code).toBe('proxy_not_trusted');
    expect((await sending(SECRET)).status).toBe(401);
  });

  it('is told by the connection, not by a header', async () => {
    const claims = {
      headers: { 'X-Forwarded-For': '127.0.0.1', 'X-Real-IP': '127.0.0.1', Forwarded: 'for=127.0.0.1' },
    };
    expect((await ask('', claims, bySecret)).body.code).toBe('proxy_not_trusted');
  });
});

describe('a good credential', () => {
  it('is told in headers, all of them, also those with nothing to say', async () => {
    const key = await world().key({ rateLimits: [{ permits: 10, per: 'minute' }] });
    const { status, told } = await ask(`permission=notes:read&${api()}`, {
      headers: { 'X-API-Key': key.secret },
    });
    expect(status).toBe(200);
    expect({
      subject: told('x-auth-subject'),
      kind: told('x-auth-kind'),
      client: told('x-auth-client'),
      key: told('x-auth-key'),
      account: told('x-auth-account'),
      organization: told('x-auth-organization'),
      owner: told('x-auth-owner'),
      scope: told('x-auth-scope'),
      roles: told('x-auth-roles'),
      limit: told('ratelimit'),
      policy: told('ratelimit-policy'),
      cached: told('cache-control'),
    }).toEqual({
      subject: key.id,
      kind: 'key',
      client: key.id,
      key: key.id,
      account: world().ownerId,
      organization: '',
      owner: `account:${world().ownerId}`,
      scope: 'notes:read',
      roles: '',
      limit: expect.stringMatching(/^"1-minute";r=9;t=\d+$/),
      policy: '"1-minute";q=10;w=60',
      cached: 'no-store',
    });
  });

  it('may be a token, for the API that is named and no other', async () => {
    const apis = [{ audience: world().audience, permissions: ['notes:read'] }];
    const app = await relyingParty(trusting, { kind: 'machine', apis });
    const parameters = { scope: 'notes:read', resource: world().audience };
    const { access_token } = await oauth.clientCredentialsGrant(app.config, parameters);
    const headers = { Authorization: `Bearer ${access_token}` };
    expect((await ask(`permission=notes:read&${api()}`, { headers })).told('x-auth-client')).toBe(
      app.client.id,
    );
    expect((await ask('permission=notes:read', { headers })).body.code).toBe('api_not_allowed');
    expect((await ask('api=https://other.example', { headers })).status).toBe(403);
  });

  it('may come with any method', async () => {
    const { secret } = await world().key();
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      expect([method, (await ask(api(), { method, headers: { 'X-API-Key': secret } })).status]).toEqual([
        method,
        200,
      ]);
    }
  });
});

describe('what is believed', () => {
  it('is what the address wants, never what a header of the client says', async () => {
    const { secret } = await world().key();
    const headers = {
      'X-API-Key': secret,
      'X-Auth-Permission': 'notes:read',
      'X-Permission': 'notes:read',
      'X-Forwarded-Uri': '/?permission=notes:read',
    };
    expect(await ask(`permission=notes:write&${api()}`, { headers })).toMatchObject({
      status: 403,
      body: { code: 'permission_missing', permission: 'notes:write' },
    });
  });

  it.each([
    'permision=notes:read',
    'permission=',
    'api=',
    'permission=notes',
    'permission=notes:read&permission=notes:write',
    'proxy=apache',
    'meter.tokens=-1',
  ])('is not an option such as %s: nothing is let through', async (query) => {
    const { secret } = await world().key();
    expect(await ask(query, { headers: { 'X-API-Key': secret } })).toMatchObject({ status: 400 });
  });

  it('is the first address that is no proxy, from the right', async () => {
    const { secret } = await world().key({ allowedAddresses: ['192.0.2.0/24'] });
    const at = async (forwarded?: string) =>
      (await ask(api(), { headers: { 'X-API-Key': secret, ...(forwarded ? from(forwarded) : {}) } })).status;
    expect(await at('192.0.2.7')).toBe(200);
    expect(await at('192.0.2.7, 10.1.1.1')).toBe(200);
    // What stands further left anybody can have written.
    expect(await at('192.0.2.7, 198.51.100.1')).toBe(403);
    expect(await at('192.0.2.7, nonsense')).toBe(403);
    expect(await at()).toBe(403);
  });

  it('is not that the proxy itself may use the key, when it does not say where the request came from', async () => {
    const { secret } = await world().key({ allowedAddresses: ['127.0.0.0/8', '10.0.0.0/8'] });
    expect((await ask(api(), { headers: { 'X-API-Key': secret } })).body.code).toBe('address_not_allowed');
  });

  it('is the path for the constraint `endpoint`, from the headers that this kind of proxy sets', async () => {
    const { secret } = await world().key({ constraints: { endpoint: ['/v1/notes'] } });
    const key = { 'X-API-Key': secret };
    const traefik = {
      headers: { ...key, 'X-Forwarded-Uri': '/v1/notes?a=b', 'X-Original-URI': '/v1/other' },
    };
    expect((await ask(`proxy=traefik&${api()}`, traefik)).status).toBe(200);
    expect((await ask(`proxy=nginx&${api()}`, traefik)).body.code).toBe('constraint_violated');
    const options = `/proxy=envoy&permission=notes:read&${api()}`;
    expect((await ask('a=b', { path: `${options}/v1/notes`, headers: key })).status).toBe(200);
    expect((await ask('', { path: `${options}/v1/other`, headers: key })).status).toBe(403);
    // What follows the question mark is a stranger's there.
    const wider = { path: `/permission=notes:write&${api()}/v1/notes`, headers: key };
    expect((await ask('permission=notes:read', wider)).status).toBe(403);
  });
});

describe('refusals', () => {
  it('without a credential: 401, and no error in the challenge', async () => {
    const { status, told, body } = await ask(api());
    expect([status, body.code]).toEqual([401, 'authentication_required']);
    expect(told('www-authenticate')).toBe(`Bearer realm="${trusting.issuer}"`);
    expect(told('content-type')).toBe('application/problem+json; charset=utf-8');
  });

  it('of whatever is wrong with a credential: one 401, which tells a stranger nothing more', async () => {
    const key = await world().key();
    await trusting.services.apiKeys.revoke(key.id, null, asOperator(operator));
    const answers = await Promise.all(
      [key.secret, 'gth_nothing', 'nothing'].map((text) => ask(api(), { headers: { 'X-API-Key': text } })),
    );
    const seen = answers.map(({ status, told, body }) => [
      status,
      told('www-authenticate'),
      { ...body, requestId: '' },
    ]);
    expect(new Set(seen.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(seen[0]).toMatchObject([401, expect.stringContaining('error="invalid_token"'), {}]);
  });

  it('of a permission: 403 with the scope that would do', async () => {
    const { secret } = await world().key();
    const { status, told } = await ask(`permission=notes:write&${api()}`, {
      headers: { 'X-API-Key': secret },
    });
    expect([status, told('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope", scope="notes:write"'),
    ]);
  });

  it('of the rate: 429 with the time to wait', async () => {
    const { secret } = await world().key({ rateLimits: [{ permits: 1, per: 'hour' }] });
    await ask(api(), { headers: { 'X-API-Key': secret } });
    const { status, told, body } = await ask(api(), { headers: { 'X-API-Key': secret } });
    expect([status, body.code]).toEqual([429, 'rate_limited']);
    expect(Number(told('retry-after'))).toBeGreaterThan(3500);
    expect(told('ratelimit')).toMatch(/^"1-hour";r=0;t=\d+$/);
  });

  it('of guesses: 429 for the address that they come from, and for no other', async () => {
    const guess = (address: string) => {
      const headers = { 'X-Forward-Auth-Secret': SECRET, 'X-API-Key': 'made-up', ...from(address) };
      return ask('', { headers }, bySecret);
    };
    const statuses = [];
    for (let turn = 0; turn < 6; turn += 1) statuses.push((await guess('203.0.113.5')).status);
    expect(statuses).toEqual([401, 401, 401, 401, 429, 429]);
    expect((await guess('203.0.113.6')).status).toBe(401);
  });

  it('of two credentials at once: 400', async () => {
    const { secret } = await world().key();
    const headers = { 'X-API-Key': secret, Authorization: `Bearer ${secret}` };
    expect(await ask(api(), { headers })).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  });

  it('of a key in the address of the request: 400, and an event', async () => {
    const { id, secret } = await world().key();
    const headers = { 'X-API-Key': secret, 'X-Forwarded-Uri': `/notes?key=${secret}` };
    expect(await ask(api(), { headers })).toMatchObject({ status: 400, body: { code: 'credential_in_url' } });
    const { items } = await trusting.services.audit.list(
      { type: 'api-key.exposed', targetId: id },
      { limit: 5, cursor: null },
    );
    expect(items).toHaveLength(1);
    expect(JSON.stringify(items)).not.toContain(secret);
  });

  it('for nginx are 401 or 403, with the true status and answer in headers', async () => {
    const { secret } = await world().key({ rateLimits: [{ permits: 1, per: 'hour' }] });
    const asked = () => ask(`proxy=nginx&${api()}`, { headers: { 'X-API-Key': secret } });
    expect((await asked()).status).toBe(200);
    const limited = await asked();
    expect([limited.status, limited.told('x-auth-status')]).toEqual([403, '429']);
    expect(JSON.parse(limited.told('x-auth-problem') ?? '')).toMatchObject({
      status: 429,
      code: 'rate_limited',
    });
    expect(limited.told('retry-after')).toMatch(/^\d+$/);
    const unknown = await ask('proxy=nginx', { headers: { 'X-API-Key': 'nothing' } });
    expect([unknown.status, unknown.told('x-auth-status')]).toEqual([401, '401']);
  });
});
