// One test for each promise that no other file tells as its own story; the ids are those of the promises.
import { describe, expect, it } from 'vitest';
import { createBrowser } from './support/browser.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { createClient, createPerson, operator, password, signInAt } from './support/people.ts';

const gatehouse = useGatehouse({ settings: { ARGON2_MEMORY_KIB: '19456', ARGON2_ITERATIONS: '2' } });

async function managementToken(admin: { email: string | null }, scope: string): Promise<string> {
  const { services, issuer } = gatehouse;
  const { client, secret } = await createClient(services, {
    firstParty: true,
    apis: [{ audience: `${issuer}/api`, permissions: ['*'] }],
  });
  const oauth = await import('openid-client');
  const config = await oauth.discovery(new URL(issuer), client.id, secret, undefined, {
    execute: [oauth.allowInsecureRequests],
  });
  const verifier = oauth.randomPKCECodeVerifier();
  const url = oauth.buildAuthorizationUrl(config, {
    redirect_uri: 'https://app.example.com/callback',
    scope: `openid ${scope}`,
    resource: `${issuer}/api`,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const { landed } = await signInAt(url.href, admin);
  const tokens = await oauth.authorizationCodeGrant(
    config,
    new URL(landed.url),
    { pkceCodeVerifier: verifier },
    { resource: `${issuer}/api` },
  );
  return tokens.access_token;
}

const ask = (path: string, token?: string, init: RequestInit = {}) =>
  fetch(`${gatehouse.issuer}/api/v1${path}`, {
    ...init,
    headers: { ...init.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) },
  });

describe('the management API', () => {
  it('B8 answers protected and admin endpoints to whom they belong, and to nobody else', async () => {
    const { services } = gatehouse;
    const admin = await createPerson(services, { admin: true });
    const person = await createPerson(services);
    const adminToken = await managementToken(admin, 'accounts:read');
    // What they do not hold is left out; asking for nothing else would be refused.
    const personToken = await managementToken(person, 'accounts:read own-api-keys:read');

    expect((await ask('/me')).status).toBe(401);
    expect(await (await ask('/me', personToken)).json()).toMatchObject({
      id: person.id,
      permissions: ['own-api-keys:read'],
    });
    expect((await ask('/accounts', personToken)).status).toBe(403);
    expect(await (await ask('/accounts', adminToken)).json()).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ id: person.id })]),
    });
  });

  it('A6 takes events of other services and answers them by user, action, resource and time', async () => {
    const { services } = gatehouse;
    const admin = await createPerson(services, { admin: true });
    const person = await createPerson(services);
    const token = await managementToken(admin, 'audit-events:create audit-events:read');
    const began = new Date(Date.now() - 60_000).toISOString();
    const report = {
      action: 'files:create',
      resource: { kind: 'files', id: 'files:123' },
      accountId: person.id,
      outcome: 'success',
      details: { size: 1024, action: 'overwritten' },
    };
    const sent = await ask('/audit-events', token, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(report),
    });
    expect(sent.status).toBe(201);

    const query = new URLSearchParams({
      accountId: person.id,
      type: 'access.decided',
      targetKind: 'files',
      targetId: 'files:123',
      from: began,
    });
    expect(await (await ask(`/audit-events?${query}`, token)).json()).toMatchObject({
      items: [{ details: { action: 'files:create', size: 1024 }, outcome: 'success' }],
    });
    const before = await ask(`/audit-events?${query}&to=${encodeURIComponent(began)}`, token);
    expect(await before.json()).toMatchObject({ items: [] });
  });

  it('B7 keeps authentication and access events with success, failure and denial apart', async () => {
    const { services } = gatehouse;
    const person = await createPerson(services);
    await services.credentials.verify('password', {
      identifier: person.email ?? '',
      password: 'not this one',
    });
    await services.credentials.verify('password', { identifier: person.email ?? '', password });
    await services.audit.append({
      type: 'access.decided',
      actor: { kind: 'client', id: 'reporting-service' },
      outcome: 'denied',
      accountId: person.id,
      reason: 'insufficient_permissions',
    });
    const { items } = await services.audit.list({ accountId: person.id }, { limit: 50, cursor: null });
    const seen = items.map(({ type, outcome }) => `${type} ${outcome}`);
    expect(seen).toEqual(
      expect.arrayContaining([
        'sign-in.failed failure',
        'sign-in.succeeded success',
        'access.decided denied',
      ]),
    );
  });
});

describe('sign-in', () => {
  it('B9 hashes with Argon2id at the promised cost and slows down whoever guesses', async () => {
    const { services, database } = gatehouse;
    const person = await createPerson(services);
    const row = await database.db('passwords').select('hash').where({ account_id: person.id }).first();
    expect(row.hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);

    const outcomes = [];
    for (let attempt = 0; attempt < 7; attempt += 1) {
      const proof = { identifier: person.email ?? '', password: `guess ${attempt}` };
      outcomes.push(await services.credentials.verify('password', proof));
    }
    expect(outcomes.at(0)?.kind).toBe('refused');
    expect(outcomes.at(-1)).toMatchObject({ kind: 'locked', retryAfterSeconds: expect.any(Number) });
  });

  it('C11 answers 429 with Retry-After while an account is locked, known or not', async () => {
    const { services, issuer } = gatehouse;
    const { client } = await createClient(services, { firstParty: true });
    const person = await createPerson(services);
    for (const identifier of [person.email ?? '', 'nobody@example.com']) {
      const browser = createBrowser(issuer);
      const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
      let page = await browser.open(
        `/authorize?client_id=${client.id}&response_type=code&scope=openid&redirect_uri=${encodeURIComponent('https://app.example.com/callback')}&code_challenge=${challenge}&code_challenge_method=S256`,
      );
      for (let attempt = 0; attempt < 7; attempt += 1) {
        page = await browser.submit(page, { identifier, password: `guess ${attempt}` }, '/login');
      }
      expect(page.status).toBe(429);
      expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(await services.lockout.releaseIdentifier('nobody@example.com', null, operator)).toBe(true);
  });

  it('E6 carries the request id of the caller through answer and ledger', async () => {
    const { services, issuer } = gatehouse;
    const { client, secret } = await createClient(services, { kind: 'machine' });
    const response = await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: {
        'x-request-id': 'trace-4711',
        authorization: `Basic ${Buffer.from(`${client.id}:${secret}`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-request-id')).toBe('trace-4711');
    const { items } = await services.audit.list(
      { clientId: client.id, type: 'token.issued' },
      { limit: 1, cursor: null },
    );
    expect(items[0]).toMatchObject({ requestId: 'trace-4711' });
  });
});
