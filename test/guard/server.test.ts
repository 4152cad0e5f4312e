// The guard with the real server: its tokens, keys, limits and budgets, and what happens when it does not answer.
import { createServer } from 'node:http';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createGuard,
  type GuardRequest,
  type GuardSettings,
  type Needs,
  requirePermission,
} from '../../src/guard/guard.ts';
import { byOperator, createKey, tokenForKey } from '../flows/machines.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { machine } from '../support/management.ts';
import { createApi, createPerson, operator, signInAt } from '../support/people.ts';

const gatehouse = useGatehouse();
const jwt = 'https://notes.example.com';
const opaque = 'https://reports.example.com';
const world = { credential: '', ownerId: '' };
const troubles: Error[] = [];
const seen = { questions: [] as Record<string, unknown>[] };

beforeAll(async () => {
  await createApi(gatehouse.services, { audience: jwt });
  await createApi(gatehouse.services, { audience: opaque, tokenFormat: 'opaque' });
  world.credential = (await machine(gatehouse, ['api-keys:verify'])).token;
  world.ownerId = (await createPerson(gatehouse.services)).id;
});

/** With every question that it asks noted. */
function guard(more: Partial<GuardSettings> = {}) {
  seen.questions = [];
  return createGuard({
    issuer: gatehouse.issuer,
    audience: jwt,
    verify: { credential: { token: () => world.credential } },
    onTrouble: (trouble) => troubles.push(trouble),
    async fetch(input, init) {
      if (init?.method === 'POST') seen.questions.push(JSON.parse(String(init.body)));
      return fetch(input, init);
    },
    ...more,
  });
}

const asked = (headers: Record<string, string>, more: Partial<GuardRequest> = {}): GuardRequest => ({
  method: 'GET',
  url: `${jwt}/notes`,
  header: (name) => headers[name],
  address: '192.0.2.7',
  ...more,
});
const withKey = (secret: string, more: Partial<GuardRequest> = {}) => asked({ 'x-api-key': secret }, more);
const withToken = (token: string) => asked({ authorization: `Bearer ${token}` });

async function codeOf(by: ReturnType<typeof guard>, request: GuardRequest, ...needs: Needs[]) {
  const result = await by.check(request, ...needs);
  return result.ok ? 'ok' : `${result.status} ${result.code}`;
}

const key = (input: Parameters<typeof createKey>[1] = {}) =>
  createKey(gatehouse, { owner: { kind: 'account', id: world.ownerId }, ...input });

async function tokenOf(audience: string, scope = 'notes:read') {
  const app = await relyingParty(gatehouse, { kind: 'machine', apis: [{ audience, permissions: ['*'] }] });
  const tokens = await oauth.clientCredentialsGrant(app.config, { scope, resource: audience });
  return { app, token: tokens.access_token };
}

describe('tokens of the server', () => {
  it('are taken without a question when they are JWTs', async () => {
    const { app, token } = await tokenOf(jwt);
    const by = guard();
    const result = await by.check(withToken(token), requirePermission('notes:read'));
    expect(result).toMatchObject({
      ok: true,
      identity: { kind: 'token', clientId: app.client.id, scope: ['notes:read'] },
    });
    expect(seen.questions).toEqual([]);
    expect(await codeOf(by, withToken(token), requirePermission('notes:write'))).toBe(
      '403 permission_missing',
    );
  });

  it('A8: have expired when their time is over, and are not forged', async () => {
    const { token } = await tokenOf(jwt);
    const later = guard({ now: () => Date.now() + 24 * 3_600_000 });
    expect(await codeOf(later, withToken(token))).toBe('401 token_expired');
  });

  it('for another API are told so', async () => {
    const management = await machine(gatehouse, ['clients:read']);
    expect(await codeOf(guard(), withToken(management.token))).toBe('401 token_audience');
    const { token } = await tokenOf(opaque);
    expect(await codeOf(guard(), withToken(token))).toBe('401 token_audience');
  });

  it('that say who signed in open no API: an ID token is no access token', async () => {
    const app = await relyingParty(gatehouse);
    const person = await createPerson(gatehouse.services);
    const { tokens } = await app.signIn(person);
    const by = guard({ audience: app.client.id });
    expect(await codeOf(by, withToken(tokens.id_token ?? ''))).toBe('401 token_invalid');
  });

  it('are asked about when they are opaque, and are inactive once they were revoked', async () => {
    const by = guard({
      audience: opaque,
      verify: { credential: { token: () => world.credential }, cacheSeconds: 0 },
    });
    const { app, token } = await tokenOf(opaque);
    expect(await codeOf(by, withToken(token), requirePermission('notes:read'))).toBe('ok');
    expect(await codeOf(by, withToken(token), requirePermission('notes:write'))).toBe(
      '403 permission_missing',
    );
    await oauth.tokenRevocation(app.config, token);
    const result = await by.check(withToken(token));
    expect(result).toMatchObject({
      status: 401,
      code: 'token_invalid',
      reason: expect.stringMatching(/revoked|not_recognised/),
    });
  });

  it('of a person with a fresh sign-in meet what RFC 9470 asks for', async () => {
    const app = await relyingParty(gatehouse, { apis: [{ audience: jwt, permissions: ['*'] }] });
    const person = await createPerson(gatehouse.services);
    const begun = await app.begin({ scope: 'openid notes:read', resource: jwt });
    const { landed } = await signInAt(begun.url, person);
    const { access_token: token } = await app.finish(landed.url, begun, { resource: jwt });
    expect(await codeOf(guard(), withToken(token), { maxAgeSeconds: 300 })).toBe('ok');
    const later = guard({ now: () => Date.now() + 301_000 });
    expect(await codeOf(later, withToken(token), { maxAgeSeconds: 300 })).toBe(
      '401 authentication_insufficient',
    );
  });
});

describe('a key', () => {
  it('is told with what it holds', async () => {
    const { key: made, secret } = await key({ permissions: ['notes:read'] });
    const result = await guard().check(withKey(secret), requirePermission('notes:read'));
    expect(result).toMatchObject({
      ok: true,
      identity: { kind: 'key', subject: made.id, clientId: made.id, keyId: made.id, scope: ['notes:read'] },
    });
    expect(await codeOf(guard(), asked({ authorization: `Bearer ${secret}` }))).toBe('ok');
    expect(await codeOf(guard(), withKey(secret), requirePermission('notes:write'))).toBe(
      '403 permission_missing',
    );
  });

  it('that is not good is the same to strangers whatever the reason is, and the log of the API learns it', async () => {
    const revoked = await key();
    await gatehouse.services.apiKeys.revoke(revoked.key.id, 'lost', byOperator);
    const by = guard();
    const answers = await Promise.all(
      [revoked.secret, `${revoked.secret}x`, 'gth_x', 'nothing'].map((one) => by.check(withKey(one))),
    );
    const sent = answers.map((answer) =>
      answer.ok ? 'ok' : `${answer.body} ${JSON.stringify(answer.headers)}`,
    );
    expect(new Set(sent).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 401, code: 'key_invalid', reason: 'credential_revoked' });
  });

  it('is believed for the seconds that were set, and for no longer when it was revoked', async () => {
    const clock = { ahead: 0 };
    const by = guard({ now: () => Date.now() + clock.ahead });
    const { key: made, secret } = await key();
    for (let turn = 0; turn < 5; turn += 1) expect(await codeOf(by, withKey(secret))).toBe('ok');
    expect(seen.questions).toHaveLength(1);
    await gatehouse.services.apiKeys.revoke(made.id, 'lost', byOperator);
    expect(await codeOf(by, withKey(secret))).toBe('ok');
    clock.ahead = 3_100;
    expect(await codeOf(by, withKey(secret))).toBe('401 key_invalid');
  });

  it('is never believed for more than five seconds, nor by a clock that was set back', async () => {
    const clock = { ahead: 0 };
    const credential = { token: () => world.credential };
    const by = guard({ verify: { credential, cacheSeconds: 3600 }, now: () => Date.now() + clock.ahead });
    const { secret } = await key();
    for (const ahead of [0, 6_000, -60_000]) {
      clock.ahead = ahead;
      expect(await codeOf(by, withKey(secret))).toBe('ok');
    }
    expect(seen.questions).toHaveLength(3);
  });

  it('is not believed beyond its own end', async () => {
    const clock = { ahead: 0 };
    const by = guard({ now: () => Date.now() + clock.ahead });
    const { secret } = await key({ expiresAt: new Date(Date.now() + 90_000) });
    clock.ahead = 88_000;
    expect(await codeOf(by, withKey(secret))).toBe('ok');
    clock.ahead = 90_500;
    await codeOf(by, withKey(secret));
    expect(seen.questions).toHaveLength(2);
  });

  it('that was let through for one permission, path or address is asked about again for another', async () => {
    const by = guard();
    const { secret } = await key({ permissions: ['notes:read'], allowedAddresses: ['192.0.2.0/24'] });
    expect(await codeOf(by, withKey(secret), requirePermission('notes:read'))).toBe('ok');
    expect(await codeOf(by, withKey(secret), requirePermission('notes:write'))).toBe(
      '403 permission_missing',
    );
    expect(
      await codeOf(by, withKey(secret, { address: '198.51.100.1' }), requirePermission('notes:read')),
    ).toBe('403 address_not_allowed');
    expect(await codeOf(by, withKey(secret, { address: undefined }), requirePermission('notes:read'))).toBe(
      '403 address_not_allowed',
    );
  });

  it('makes one question of many requests at once', async () => {
    const by = guard();
    const { secret } = await key();
    const codes = await Promise.all(Array.from({ length: 30 }, () => codeOf(by, withKey(secret))));
    expect(new Set(codes)).toEqual(new Set(['ok']));
    expect(seen.questions).toHaveLength(1);
  });

  it('with a limit is counted for every request, also for those that come at once', async () => {
    const by = guard();
    const { secret } = await key({ rateLimits: [{ permits: 5, per: 'hour' }] });
    const results = await Promise.all(Array.from({ length: 12 }, () => by.check(withKey(secret))));
    expect(results.filter(({ ok }) => ok)).toHaveLength(5);
    const refused = results.find(({ ok }) => !ok);
    expect(refused).toMatchObject({
      status: 429,
      code: 'rate_limited',
      headers: {
        'Retry-After': expect.stringMatching(/^\d+$/),
        RateLimit: expect.stringMatching(/^"1-hour";r=0;t=\d+$/),
        'RateLimit-Policy': '"1-hour";q=5;w=3600',
      },
    });
  });

  it('over its budget is refused with 402 and what is used, and every request counts', async () => {
    const { key: made, secret } = await key();
    const scope = { kind: 'api-key' as const, id: made.id };
    await gatehouse.services.budgets.set({ scope, meter: 'requests', window: 'day', limit: 2 }, operator);
    const by = guard();
    const codes = [];
    for (let turn = 0; turn < 3; turn += 1) codes.push(await codeOf(by, withKey(secret)));
    expect(codes).toEqual(['ok', 'ok', '402 budget_exceeded']);
    const result = await by.check(withKey(secret));
    if (result.ok) throw new Error('it was let through');
    expect(JSON.parse(result.body)).toMatchObject({
      status: 402,
      meter: 'requests',
      window: 'day',
      usage: 2,
      limit: 2,
      resetAt: expect.any(String),
    });
  });

  it('reserves what a request will use at most', async () => {
    const { key: made, secret } = await key();
    const scope = { kind: 'api-key' as const, id: made.id };
    await gatehouse.services.budgets.set({ scope, meter: 'tokens', window: 'day', limit: 10 }, operator);
    const result = await guard().check(withKey(secret), { meters: { tokens: 6 } });
    expect(result).toMatchObject({ ok: true, identity: { reservationId: expect.stringMatching(/^rsv_/) } });
    expect(await codeOf(guard(), withKey(secret), { meters: { tokens: 6 } })).toBe('402 budget_exceeded');
  });

  it('holds to its constraints, and so does a JWT made from it', async () => {
    const { secret } = await key({ constraints: { model: ['small'] }, apis: [jwt] });
    const { body } = await tokenForKey(gatehouse.issuer, secret);
    for (const request of [withKey(secret), withToken(String(body.access_token))]) {
      expect(await codeOf(guard(), request, { constraints: { model: 'small' } })).toBe('ok');
      expect(await codeOf(guard(), request, { constraints: { model: 'big' } })).toBe(
        '403 constraint_violated',
      );
    }
    const paths = await key({ constraints: { endpoint: ['/notes'], method: ['GET'] } });
    expect(await codeOf(guard(), withKey(paths.secret))).toBe('ok');
    expect(await codeOf(guard(), withKey(paths.secret, { method: 'POST' }))).toBe('403 constraint_violated');
    expect(await codeOf(guard(), withKey(paths.secret, { url: `${jwt}/others` }))).toBe(
      '403 constraint_violated',
    );
  });

  it('for another API is refused', async () => {
    const { secret } = await key({ apis: [opaque] });
    expect(await codeOf(guard(), withKey(secret))).toBe('403 api_not_allowed');
  });

  it('in the address is refused even when a good one comes along, and its owner can learn of it', async () => {
    const { key: made, secret } = await key();
    const url = `${jwt}/notes?api_key=${secret}`;
    expect(await codeOf(guard(), withKey(secret, { url }))).toBe('400 credential_in_url');
    expect(await codeOf(guard(), asked({}, { url }))).toBe('400 credential_in_url');
    const { items } = await gatehouse.services.audit.list(
      { type: 'api-key.exposed', targetId: made.id },
      { limit: 5, cursor: null },
    );
    expect(items).toHaveLength(1);
  });

  it('is refused where the API has no credential of its own to ask with', async () => {
    const { secret } = await key();
    const by = createGuard({ issuer: gatehouse.issuer, audience: jwt });
    expect(await codeOf(by, withKey(secret))).toBe('401 token_malformed');
  });

  it('is not asked about when it is empty or endless, and what no permission can be is refused', async () => {
    const by = guard();
    for (const text of ['', `gth_${'x'.repeat(20_000)}`])
      expect(await codeOf(by, withKey(text))).toBe('401 token_malformed');
    expect(seen.questions).toEqual([]);
    const { secret } = await key();
    expect(await codeOf(by, withKey(secret), requirePermission('notes:read:'))).toBe('400 request_invalid');
  });
});

describe('a server that cannot be asked', () => {
  const settings = (credential: { apiKey: string } | { token: () => string | Promise<string> }) => ({
    verify: { credential },
  });

  it('because the credential of the API is wrong lets nobody in, and tells the operator alone', async () => {
    const { secret } = await key();
    const poor = await key({ permissions: ['notes:read'] });
    for (const [apiKey, sentence] of [
      ['gth_wrong', '401'],
      [poor.secret, 'api-keys:verify'],
    ] as const) {
      troubles.length = 0;
      const result = await guard(settings({ apiKey })).check(withKey(secret));
      expect(result).toMatchObject({
        status: 503,
        code: 'verification_unavailable',
        headers: { 'Retry-After': '5' },
      });
      expect(String(troubles[0]?.cause)).toContain(sentence);
      expect(JSON.stringify(result) + String(troubles[0]?.cause)).not.toContain(secret);
    }
  });

  it('because the credential cannot be had lets nobody in', async () => {
    const { secret } = await key();
    const by = guard(settings({ token: () => Promise.reject(new Error('no token today')) }));
    expect(await codeOf(by, withKey(secret))).toBe('503 verification_unavailable');
  });

  it('because it hangs is given up after five seconds, and good JWTs are not concerned', async () => {
    const hanging = createServer(() => {});
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
    afterAll(() => hanging.closeAllConnections());
    const address = hanging.address();
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/verify`;
    const by = guard({ verify: { credential: { apiKey: 'gth_x' }, url } });
    const { token } = await tokenOf(jwt);
    const { secret } = await key();
    const begin = performance.now();
    expect(await codeOf(by, withKey(secret))).toBe('503 verification_unavailable');
    expect(performance.now() - begin).toBeLessThan(7000);
    expect(await codeOf(by, withToken(token))).toBe('ok');
    hanging.close();
  });

  it.each([
    ['says something else', async () => Response.json({ hello: 'world' })],
    ['says nothing', async () => new Response('')],
    ['says yes with words', async () => Response.json({ active: 'true' })],
    ['is over its limit', async () => new Response('', { status: 429 })],
    ['fails', async () => new Response('', { status: 500 })],
    ['is away', () => Promise.reject(new TypeError('fetch failed'))],
  ])('because it %s lets nobody in', async (_what, answer: () => Promise<Response>) => {
    const by = guard({ fetch: answer });
    expect(await codeOf(by, withKey('gth_x'))).toBe('503 verification_unavailable');
  });

  it('is asked again the next time: no failure is remembered', async () => {
    const { secret } = await key();
    let isAway = true;
    const by = guard({
      fetch: (input, init) => (isAway ? Promise.reject(new Error('away')) : fetch(input, init)),
    });
    expect(await codeOf(by, withKey(secret))).toBe('503 verification_unavailable');
    isAway = false;
    expect(await codeOf(by, withKey(secret))).toBe('ok');
  });
});

it('remembers ten thousand answers at most', async () => {
  const answer = {
    active: true,
    kind: 'key',
    subject: 's',
    clientId: 'c',
    keyId: null,
    organizationId: null,
    scope: '',
    roles: [],
    claims: {},
    boundTo: null,
    expiresAt: null,
    reservationId: null,
    limits: [],
    budgets: [],
  };
  let count = 0;
  const by = guard({
    fetch: async () => {
      count += 1;
      return Response.json(answer);
    },
  });
  await by.check(withKey('gth_first'));
  for (let at = 0; at < 10_000; at += 1) await by.check(withKey(`gth_${at}`));
  expect(count).toBe(10_001);
  await by.check(withKey('gth_9999'));
  expect(count).toBe(10_001);
  await by.check(withKey('gth_first'));
  expect(count).toBe(10_002);
});
