// An API key is a client: tokens for it, in every way that a client may ask, and never more than the key may do.
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { newApiKey } from '../../src/lib/api-key-format.ts';
import { newId } from '../../src/lib/ids.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createClient, createPerson } from '../support/people.ts';
import { createOrganization } from '../support/roles.ts';
import { byOperator, createKey, createWorld, tokenForKey, type World } from './machines.ts';
import { type Answer, basic, eventsOf, post } from './relying-party.ts';

const gatehouse = useGatehouse();
const made: { jwt?: World; opaque?: World } = {};

beforeAll(async () => {
  made.jwt = await createWorld(gatehouse);
  made.opaque = await createWorld(gatehouse, 'opaque');
});

const world = (format: 'jwt' | 'opaque' = 'jwt'): World => {
  const found = made[format];
  if (found === undefined) throw new Error('worlds are made before the tests');
  return found;
};

const token = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
  post(`${gatehouse.issuer}/token`, { grant_type: 'client_credentials', ...fields }, headers);

const refusalOf = ({ status, body }: Answer) => [status, body.error];

describe('D2: a short-lived JWT for a key', () => {
  it('by id and string as id and secret, in the header', async () => {
    const { key, secret } = await world().key();
    const answer = await token({}, basic({ id: key.id as never }, secret));

    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 600,
      scope: 'notes:read notes:write',
    });
  });

  it('by id and string as id and secret, in the body', async () => {
    const { key, secret } = await world().key();

    expect((await token({ client_id: key.id, client_secret: secret })).status).toBe(200);
  });

  it('by the one string in X-API-Key', async () => {
    const { secret } = await world().key();

    expect((await tokenForKey(gatehouse.issuer, secret)).status).toBe(200);
  });

  it('is an access token by RFC 9068 that names the key, its owner and its organization', async () => {
    const person = await createPerson(gatehouse.services);
    const { id: organizationId } = await createOrganization(gatehouse.services, [person]);
    const { key, secret } = await world().key({ owner: { kind: 'account', id: person.id }, organizationId });
    const { body } = await tokenForKey(gatehouse.issuer, secret);
    const keys = createRemoteJWKSet(new URL(`${gatehouse.issuer}/jwks`));
    const { payload } = await jwtVerify(String(body.access_token), keys, {
      issuer: gatehouse.issuer,
      audience: world().audience,
      typ: 'at+jwt',
    });

    expect(payload).toMatchObject({
      sub: key.id,
      client_id: key.id,
      owner: { kind: 'account', id: person.id },
      org_id: organizationId,
      scope: 'notes:read notes:write',
    });
  });

  it('is opaque where the API wants that', async () => {
    const { key, secret } = await world('opaque').key();
    const { body } = await tokenForKey(gatehouse.issuer, secret);

    expect(body.access_token).toMatch(/^[\w-]{43}$/);
    expect(await world('opaque').introspect(String(body.access_token))).toMatchObject({
      active: true,
      sub: key.id,
      client_id: key.id,
      owner: { kind: 'account' },
    });
  });

  it('carries what was asked for, as far as the key may', async () => {
    const { secret } = await world().key({ permissions: ['notes:read'] });
    const { body } = await tokenForKey(gatehouse.issuer, secret, { scope: 'notes:read notes:write' });

    expect(body.scope).toBe('notes:read');
  });

  it('may be narrower than what the key holds', async () => {
    const { secret } = await world().key();
    const { body } = await tokenForKey(gatehouse.issuer, secret, { scope: 'notes:read:today' });

    expect(body.scope).toBe('notes:read:today');
  });

  it('does not outlive the key', async () => {
    const { secret } = await world().key({ expiresAt: new Date(Date.now() + 90_000).toISOString() as never });
    const { body } = await tokenForKey(gatehouse.issuer, secret);

    expect(body.expires_in).toBeLessThanOrEqual(90);
  });

  it('does not outlive the old string of a key that is rotated', async () => {
    const { key, secret } = await world().key();
    await gatehouse.services.apiKeys.rotate(key.id, { overlapSeconds: 100 }, byOperator);
    const { body } = await tokenForKey(gatehouse.issuer, secret);

    expect(body.expires_in).toBeLessThanOrEqual(100);
  });

  it('carries the claims of the key', async () => {
    const { secret } = await world()
      .key({ claims: { fleet: 'north', sub: 'somebody' } as never })
      .catch(() => world().key({ claims: { fleet: 'north' } }));
    const { body } = await tokenForKey(gatehouse.issuer, secret);

    expect(decodeJwt(String(body.access_token))).toMatchObject({ fleet: 'north' });
  });

  it('leaves an event and a count of its own', async () => {
    const { key, secret } = await world().key();
    await tokenForKey(gatehouse.issuer, secret);

    expect(await eventsOf(gatehouse.services, { type: 'token.issued', clientId: key.id })).toMatchObject([
      { actor: { kind: 'client', id: key.id }, accountId: key.accountId, outcome: 'success' },
    ]);
  });

  it('is for the management API when the key has several APIs and names none', async () => {
    const person = await createPerson(gatehouse.services, { admin: true });
    const owner = { kind: 'account' as const, id: person.id };
    const { secret } = await createKey(gatehouse, { owner, permissions: ['accounts:read'] });
    const { body } = await tokenForKey(gatehouse.issuer, secret);

    expect(decodeJwt(String(body.access_token))).toMatchObject({
      aud: `${gatehouse.issuer}/api`,
      scope: 'accounts:read',
    });
  });
});

describe('a key gets no token', () => {
  it('for an API that it is not for, and hears the same as of one that does not exist', async () => {
    const { secret } = await world().key();
    const [other, unknown] = await Promise.all([
      tokenForKey(gatehouse.issuer, secret, { resource: world('opaque').audience }),
      tokenForKey(gatehouse.issuer, secret, { resource: 'https://nowhere.example.com' }),
    ]);

    expect(refusalOf(other)).toEqual([400, 'invalid_target']);
    expect(other.body).toEqual(unknown.body);
  });

  it('when nothing of what it asks for is left', async () => {
    const { secret } = await world().key({ permissions: ['notes:read'] });

    expect(refusalOf(await tokenForKey(gatehouse.issuer, secret, { scope: 'notes:write' }))).toEqual([
      400,
      'invalid_scope',
    ]);
  });

  it('by another grant', async () => {
    const { secret } = await world().key();
    const answer = await tokenForKey(gatehouse.issuer, secret, { grant_type: 'refresh_token' });

    expect(refusalOf(answer)).toEqual([400, 'unauthorized_client']);
  });

  it.each([
    [
      'the key twice',
      (id: string, secret: string) =>
        token({}, { ...basic({ id: id as never }, secret), 'x-api-key': secret }),
    ],
    [
      'the key and a secret',
      (id: string, secret: string) => token({ client_id: id, client_secret: 'x' }, { 'x-api-key': secret }),
    ],
    [
      'the key and an assertion',
      (_: string, secret: string) => token({ client_assertion: 'x' }, { 'x-api-key': secret }),
    ],
  ])('with more than one method at once: %s', async (_, ask) => {
    const { key, secret } = await world().key();

    expect(refusalOf(await ask(key.id, secret))).toEqual([400, 'invalid_request']);
  });

  it('when it proves itself by more than a plain request can', async () => {
    const { secret } = await world().key();
    const answer = await token({}, { 'x-api-key': secret, dpop: 'proof' });

    expect(refusalOf(answer)).toEqual([400, 'invalid_request']);
  });

  it('from an address that is not on its list', async () => {
    const { secret } = await world().key({ allowedAddresses: ['192.0.2.0/24'] });

    expect(refusalOf(await tokenForKey(gatehouse.issuer, secret))).toEqual([401, 'invalid_client']);
  });

  it('beyond its own limit, and hears when to come again', async () => {
    const { secret } = await world().key({ rateLimits: [{ permits: 1, per: 'hour' }] });
    const first = await tokenForKey(gatehouse.issuer, secret);
    const second = await tokenForKey(gatehouse.issuer, secret);

    expect([first.status, second.status]).toEqual([200, 429]);
    expect(second.body).toMatchObject({ error: 'temporarily_unavailable', code: 'rate_limited' });
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('one answer for every key that is not good', () => {
  it('unknown, wrong, expired, disabled, revoked, retired, of another id or malformed', async () => {
    const { services } = gatehouse;
    const [wrong, disabled, revoked, retired, named] = await Promise.all(
      Array.from({ length: 5 }, () => world().key()),
    );
    if (!wrong || !disabled || !revoked || !retired || !named) throw new Error('keys are missing');
    await services.apiKeys.disable(disabled.key.id, byOperator);
    await services.apiKeys.revoke(revoked.key.id, null, byOperator);
    await services.apiKeys.rotate(retired.key.id, { overlapSeconds: 0 }, byOperator);
    const texts = [
      newApiKey(newId('key')),
      newApiKey(wrong.key.id),
      disabled.secret,
      revoked.secret,
      retired.secret,
      'gth_nothing',
      '',
    ];
    const answers = await Promise.all(texts.map((text) => tokenForKey(gatehouse.issuer, text)));
    const other = await token({}, basic({ id: wrong.key.id as never }, named.secret));

    for (const answer of [...answers, { ...other }]) {
      expect(answer.status).toBe(401);
      expect(answer.body).toEqual({
        error: 'invalid_client',
        error_description: 'client authentication failed',
      });
    }
    expect(other.headers.get('www-authenticate')).toContain('Basic realm=');
  });

  it('and an event for whoever has the right string', async () => {
    const { key, secret } = await world().key();
    await gatehouse.services.apiKeys.disable(key.id, byOperator);
    await tokenForKey(gatehouse.issuer, secret);
    await tokenForKey(gatehouse.issuer, newApiKey(key.id));

    expect(await eventsOf(gatehouse.services, { type: 'request.refused', clientId: key.id })).toMatchObject([
      { outcome: 'denied', reason: 'disabled' },
    ]);
  });

  it('the name of a client opens nothing with a key', async () => {
    const { client } = await createClient(gatehouse.services, { kind: 'machine' });
    const { secret } = await world().key();

    expect(refusalOf(await token({}, basic(client, secret)))).toEqual([401, 'invalid_client']);
  });
});

describe('a key in the address', () => {
  it.each(['/token', '/introspect', '/api/v1/accounts', '/authorize', '/userinfo'])(
    'is refused at %s whatever comes with it, and the leak is told',
    async (path) => {
      const { key, secret } = await world().key();
      const method = path === '/token' || path === '/introspect' ? 'POST' : 'GET';
      const address = `${gatehouse.issuer}${path}?a=b&api_key=${secret}`;
      const answers = await Promise.all(
        [address, address.replace(secret, newApiKey(newId('key')))].map((url) =>
          fetch(url, { method, headers: { accept: 'application/json', 'x-api-key': secret } }),
        ),
      );
      const bodies = await Promise.all(answers.map((answer) => answer.json()));

      expect(answers.map(({ status }) => status)).toEqual([400, 400]);
      // Whether there is such a key is not told.
      for (const body of bodies) expect(body).toMatchObject({ code: 'credential_in_url' });
      expect(JSON.stringify(bodies)).toContain('replace it');
      expect(JSON.stringify(bodies)).not.toContain(secret);
      expect(await eventsOf(gatehouse.services, { type: 'api-key.exposed', clientId: key.id })).toMatchObject(
        [{ target: { kind: 'api-key', id: key.id }, details: { path } }],
      );
    },
  );

  it('is no matter when it only looks like one', async () => {
    const answer = await fetch(`${gatehouse.issuer}/jwks?x=gth_0123`);

    expect(answer.status).toBe(200);
  });
});
