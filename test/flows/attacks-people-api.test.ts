// Tokens, addresses and headers by which somebody tried to get at accounts; each ends before it gets anywhere.
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { wayBack } from '../../src/self-service/sign-in.ts';
import { signedIn } from '../recovery/world.ts';
import { addAuthenticator } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';
import { giveRole } from '../support/roles.ts';
import { relyingParty } from './relying-party.ts';

const server = useGatehouse();

const NAMES = ['accounts:read', 'accounts:update', 'own-factors:read', 'own-factors:update'];

async function tokenOf(more: { person?: Account } = {}) {
  const person = more.person ?? (await createPerson(server.services));
  const resource = `${server.issuer}/api`;
  const app = await relyingParty(server, {
    firstParty: true,
    apis: [{ audience: resource, permissions: NAMES }],
  });
  const scope = `openid ${NAMES.join(' ')}`;
  const { tokens } = await app.signIn(person, { resource, scope });
  const call = callsBy(server, () => ({ clientId: app.client.id, token: tokens.access_token }));
  return { person, call };
}

describe('a token from before', () => {
  it('of somebody who became an administrator does no more than it did', async () => {
    const { person, call } = await tokenOf();
    expect((await call('GET', '/accounts')).status).toBe(403);
    await server.services.accounts.change(person.id, { admin: true }, operator);
    expect((await call('GET', '/accounts')).status).toBe(403);
    expect((await call('POST', '/me/factors/totp')).body.code).toBe('insufficient_user_authentication');
  });

  it('of somebody who has a second factor since changes none', async () => {
    const { person, call } = await tokenOf();
    await addAuthenticator(server.services, person);
    const [factor] = await server.services.credentials.factors.list(person.id);
    expect((await call('DELETE', `/me/factors/${factor?.id}`)).body.code).toBe(
      'insufficient_user_authentication',
    );
  });
});

describe('whoever may only help people', () => {
  const routes = [
    ['DELETE', '/factors', { reason: 'I say so' }],
    ['POST', '/release', {}],
    ['POST', '/password/require-change', {}],
    ['POST', '/password/reset', {}],
  ] as const;

  it.each(routes)('does not %s %s of somebody who may do more', async (method, path, body) => {
    const { services } = server;
    const strong = await createPerson(services);
    await giveRole(services, { kind: 'account', id: strong.id }, ['clients:update']);
    await addAuthenticator(services, strong);
    const helper = await machine(server, ['accounts:read', 'accounts:update']);
    const reply = await callsBy(server, () => helper)(method, `/accounts/${strong.id}${path}`, { body });
    expect([reply.status, reply.body?.code]).toEqual([403, 'permission_denied']);
    expect(await services.credentials.factors.list(strong.id)).toHaveLength(1);
  });

  it('does not change what reaches themselves, for which the account pages ask who they are', async () => {
    const { person, call } = await tokenOf();
    await giveRole(server.services, { kind: 'account', id: person.id }, ['accounts:read', 'accounts:update']);
    const { call: later } = await tokenOf({ person });
    expect((await call('GET', `/accounts/${person.id}`)).status).toBe(403);
    const headers = { 'If-Match': '*' };
    for (const body of [{ email: 'thief@example.net' }, { phoneNumber: '+436601234567' }]) {
      const reply = await later('PATCH', `/accounts/${person.id}`, { body, headers });
      expect([reply.status, reply.body.code]).toEqual([403, 'permission_denied']);
    }
    expect((await later('PATCH', `/accounts/${person.id}`, { body: { name: 'A' }, headers })).status).toBe(
      200,
    );
  });
});

describe('the way back after a sign-in', () => {
  it.each([
    '//evil.example',
    '/\\evil.example',
    '/%2f%2fevil.example',
    'https://evil.example/account',
    '/account/../../evil',
    '/account/%2e%2e/authorize?client_id=x',
    '\t//evil.example',
    'javascript:alert(1)//account',
    '/account@evil.example',
    '/accounts',
  ])('leads to no other place: %j', (back) => {
    expect(wayBack(back)).toBe('/account');
  });

  it('is no second header', () => {
    expect(wayBack('/account/x\r\nSet-Cookie: a=b')).toBe('/account/xSet-Cookie:%20a=b');
  });
});

describe('the outbox of a developer', () => {
  it.each([{ host: 'evil.example' }, { 'x-forwarded-host': 'evil.example', host: 'localhost' }])(
    'is not there for who comes with %j',
    async (headers) => {
      const status = await new Promise((resolve, reject) => {
        request(`${server.issuer}/dev/outbox`, { headers }, (reply) => {
          reply.resume();
          resolve(reply.statusCode);
        })
          .on('error', reject)
          .end();
      });
      expect(status).not.toBe(200);
    },
  );
});

describe('names', () => {
  it('are words and nothing else on every page that shows them', async () => {
    const person = await createPerson(server.services);
    const name = '"><img src=x onerror=alert(1)><script>alert(2)</script>';
    await server.services.accounts.change(person.id, { name }, operator);
    const { browser } = await signedIn(server, person);
    browser.headers['user-agent'] = '<script>alert(3)</script>';
    const paths = [
      '',
      '/profile',
      '/security',
      '/sessions',
      '/apps',
      '/activity',
      '/keys',
      '/email',
      '/phone',
    ];
    for (const path of paths) {
      const { html, headers } = await browser.open(`${server.issuer}/account${path}`);
      expect(html).not.toContain('<script>alert');
      expect(html).not.toContain('<img src=x');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    }
  });
});
