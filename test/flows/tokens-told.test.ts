// Introspection and revocation answer for everything that is issued: JWTs, opaque tokens, refresh tokens and API keys.
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createClient, createPerson, operator } from '../support/people.ts';
import { createOrganization, giveRole } from '../support/roles.ts';
import { byOperator, createKey, createWorld } from './machines.ts';
import { basic, eventsOf, post, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const inactive = { active: false };

/** An API with JWTs, its owner, and a person's tokens for it. */
async function scene(scope = 'openid offline_access notes:read', tokenFormat: 'jwt' | 'opaque' = 'jwt') {
  const { services } = gatehouse;
  const api = await createApi(services, { tokenFormat });
  const { audience } = api;
  const owner = await createClient(services, { kind: 'machine', apis: [{ audience, permissions: [] }] });
  await services.apis.change(api.id, { ownerClientId: owner.client.id }, operator);
  const app = await relyingParty(gatehouse, { apis: [{ audience, permissions: ['*'] }] });
  const person = await createPerson(services);
  const signedIn = await app.signIn(person, { resource: audience, scope, prompt: 'consent' });
  const introspect = async (token: string) =>
    (await post(`${gatehouse.issuer}/introspect`, { token }, basic(owner.client, owner.secret))).body;
  return { services, api, audience, owner, app, person, introspect, ...signedIn };
}

/** A machine client and a JWT of it. */
async function machine(audience: string, input = {}) {
  const apis = [{ audience, permissions: ['*'] }];
  const made = await createClient(gatehouse.services, { kind: 'machine', apis, ...input });
  const fields = { grant_type: 'client_credentials', scope: 'notes:read notes:write' };
  const { body } = await post(`${gatehouse.issuer}/token`, fields, basic(made.client, made.secret));
  return { ...made, token: String(body.access_token) };
}

const revoke = (token: string, headers: Record<string, string>, more: Record<string, string> = {}) =>
  post(`${gatehouse.issuer}/revoke`, { token, ...more }, headers);

describe('a JWT', () => {
  it('is told about as it was signed, without its handle', async () => {
    const { introspect, tokens, person, app, audience } = await scene();
    const told = await introspect(tokens.access_token);
    const { handle: _, ...claims } = decodeJwt(tokens.access_token);

    expect(told).toEqual({ active: true, token_type: 'Bearer', ...claims });
    expect(told).toMatchObject({
      sub: person.id,
      client_id: app.client.id,
      aud: audience,
      scope: 'notes:read',
    });
  });

  it.each([
    'changed payload',
    'changed signature',
    'other spelling of the signature',
    'no signature',
    'an ID token',
  ])('is not: %s', async (what) => {
    const { introspect, tokens } = await scene();
    const [head = '', body = '', signature = ''] = tokens.access_token.split('.');
    const raised = Buffer.from(JSON.stringify({ ...decodeJwt(tokens.access_token), scope: 'notes:write' }));
    const forged: Record<string, string> = {
      'changed payload': `${head}.${raised.toString('base64url')}.${signature}`,
      'changed signature': `${head}.${body}.${'A'.repeat(signature.length)}`,
      'other spelling of the signature': `${head}.${body}.${signature}=`,
      'no signature': `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${body}.`,
      'an ID token': tokens.id_token ?? '',
    };
    await introspect(tokens.access_token);

    expect(await introspect(forged[what] ?? '')).toEqual(inactive);
  });

  it('is inactive for whoever may not know', async () => {
    const { tokens, audience } = await scene();
    const other = await machine(audience);
    const answer = await post(
      `${gatehouse.issuer}/introspect`,
      { token: tokens.access_token },
      basic(other.client, other.secret),
    );

    expect(answer.body).toEqual(inactive);
    expect(
      await eventsOf(gatehouse.services, { type: 'token.introspected', actorId: other.client.id }),
    ).toMatchObject([{ outcome: 'denied' }]);
  });

  it('is told to a client that proves itself by an assertion, too', async () => {
    const { tokens, api, services, app } = await scene();
    const { generateKeyPair, exportJWK } = await import('jose');
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] };
    const asker = await relyingParty(
      gatehouse,
      { kind: 'machine', authMethod: 'private_key_jwt', jwks, redirectUris: [] },
      oauth.PrivateKeyJwt(privateKey),
    );
    await services.apis.change(api.id, { ownerClientId: asker.client.id }, operator);

    expect(await oauth.tokenIntrospection(asker.config, tokens.access_token)).toMatchObject({
      active: true,
      client_id: app.client.id,
    });
  });

  it('is told of when the body comes in pieces of unknown length', async () => {
    const { tokens, owner } = await scene();
    const pieces = async function* () {
      yield Buffer.from('token=');
      yield Buffer.from(tokens.access_token);
    };
    const response = await fetch(`${gatehouse.issuer}/introspect`, {
      method: 'POST',
      body: pieces() as never,
      duplex: 'half',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic(owner.client, owner.secret) },
    } as RequestInit);

    expect(await response.json()).toMatchObject({ active: true });
  });
});

describe('a person’s JWT ends at once', () => {
  it.each<[string, (world: Awaited<ReturnType<typeof scene>>) => Promise<unknown>]>([
    ['with its account', ({ services, person }) => services.accounts.suspend(person.id, null, operator)],
    [
      'with everything of its account',
      ({ services, person }) =>
        services.credentials.setPassword(person.id, 'another meadow under 8 lanterns', operator),
    ],
    [
      'with its client',
      ({ services, app }) => services.clients.change(app.client.id, { status: 'disabled' }, operator),
    ],
    [
      'with what its client is registered for',
      ({ services, app }) => services.clients.change(app.client.id, { apis: [] }, operator),
    ],
    [
      'with its API',
      async ({ services, api, app }) => {
        await services.clients.change(app.client.id, { apis: [] }, operator);
        await services.apis.change(api.id, { permissions: [] }, operator);
      },
    ],
    ['with its grant', ({ app, tokens }) => oauth.tokenRevocation(app.config, tokens.refresh_token ?? '')],
    ['with itself', ({ app, tokens }) => oauth.tokenRevocation(app.config, tokens.access_token)],
  ])('%s', async (_, end) => {
    const world = await scene();
    expect(await world.introspect(world.tokens.access_token)).toMatchObject({ active: true });
    await end(world);

    expect(await world.introspect(world.tokens.access_token)).toEqual(inactive);
  });

  it('with its session, when it was bound to one', async () => {
    const world = await scene('openid notes:read');
    const [session] =
      (await world.services.oidc.state.listSessions({ accountId: world.person.id }, null, 10)) ?? [];
    await world.services.postgres.db('oidc_sessions').where({ account_id: world.person.id }).delete();

    expect(session?.accountId).toBe(world.person.id);
    expect(await world.introspect(world.tokens.access_token)).toEqual(inactive);
  });

  it('and not with its session when it was not', async () => {
    const world = await scene();
    await world.services.postgres.db('oidc_sessions').where({ account_id: world.person.id }).delete();

    expect(await world.introspect(world.tokens.access_token)).toMatchObject({ active: true });
  });
});

describe('a role that is taken away', () => {
  it.each(['jwt', 'opaque'] as const)('is gone from a %s token at once', async (format) => {
    const { services } = gatehouse;
    const api = await createApi(services, { tokenFormat: format });
    await services.apis.change(
      api.id,
      {
        permissions: [
          { name: 'notes:read', sentence: 'Read.', everyone: true },
          { name: 'notes:delete', sentence: 'Delete.' },
        ],
        tokenClaims: ['permissions', 'roles'],
      },
      operator,
    );
    const app = await relyingParty(gatehouse, {
      apis: [{ audience: api.audience, permissions: ['*'] }],
      mayIntrospectAny: true,
    });
    const person = await createPerson(services);
    const role = await giveRole(services, { kind: 'account', id: person.id }, ['notes:delete']);
    const { tokens } = await app.signIn(person, {
      resource: api.audience,
      scope: 'openid offline_access notes:read notes:delete',
      prompt: 'consent',
    });
    const before = await oauth.tokenIntrospection(app.config, tokens.access_token);
    await role.takeAway();
    const after = await oauth.tokenIntrospection(app.config, tokens.access_token);

    expect(before).toMatchObject({ scope: 'notes:read notes:delete', roles: [role.name] });
    expect(after).toMatchObject({
      active: true,
      scope: 'notes:read',
      permissions: ['notes:read'],
      roles: [],
    });
  });

  it('ends a token of which nothing is left, and it is good again with the role', async () => {
    const { services } = gatehouse;
    const { audience } = await createApi(services);
    const known = services.apis.known(audience);
    await services.apis.change(
      known?.id as never,
      { permissions: [{ name: 'notes:delete', sentence: 'Delete.' }] },
      operator,
    );
    const app = await relyingParty(gatehouse, {
      apis: [{ audience, permissions: ['*'] }],
      mayIntrospectAny: true,
    });
    const person = await createPerson(services);
    const role = await giveRole(services, { kind: 'account', id: person.id }, ['notes:delete']);
    const scope = 'openid offline_access notes:delete';
    const { tokens } = await app.signIn(person, { resource: audience, scope, prompt: 'consent' });
    await role.takeAway();
    const without = await oauth.tokenIntrospection(app.config, tokens.access_token);
    await giveRole(services, { kind: 'account', id: person.id }, ['notes:delete']);

    expect(without).toEqual(inactive);
    expect(await oauth.tokenIntrospection(app.config, tokens.access_token)).toMatchObject({ active: true });
  });
});

describe('a machine’s JWT', () => {
  it('is revoked by its client alone, without any other of its tokens', async () => {
    const { introspect, audience } = await scene();
    const { client, secret, token } = await machine(audience);
    const other = await machine(audience);
    const fields = { grant_type: 'client_credentials', scope: 'notes:read' };
    const { body } = await post(`${gatehouse.issuer}/token`, fields, basic(client, secret));
    const refused = await revoke(token, basic(other.client, other.secret));
    const between = await introspect(token);
    const answer = await revoke(token, basic(client, secret), { token_type_hint: 'access_token' });

    expect([refused.status, refused.body.error, between.active]).toEqual([400, 'invalid_request', true]);
    expect(answer.status).toBe(200);
    expect(await introspect(token)).toEqual(inactive);
    expect(await introspect(String(body.access_token))).toMatchObject({ active: true });
    expect((await revoke(token, basic(client, secret))).status).toBe(200);
  });

  it('leaves an event and a row that is removed when the token would have ended', async () => {
    const { audience } = await scene();
    const { client, secret, token } = await machine(audience);
    await revoke(token, basic(client, secret));
    const { jti = '' } = decodeJwt(token);
    const { db } = gatehouse.services.postgres;
    const rows = db('revoked_tokens').where({ token_id: jti });
    const before = await rows.clone();
    await rows.clone().update({ expires_at: new Date(Date.now() - 1000) });
    await gatehouse.services.oidc.jobs()[0]?.run(new AbortController().signal);

    expect(await eventsOf(gatehouse.services, { type: 'token.revoked', clientId: client.id })).toMatchObject([
      { target: { kind: 'access_token', id: jti }, reason: 'revocation' },
    ]);
    expect([before.length, (await rows.clone()).length]).toEqual([1, 0]);
  });

  it('says less when its client is registered for less', async () => {
    const { introspect, audience, services } = await scene();
    const { client, token } = await machine(audience);
    await services.clients.change(client.id, { apis: [{ audience, permissions: ['notes:read'] }] }, operator);

    expect(await introspect(token)).toMatchObject({ active: true, scope: 'notes:read' });
  });
});

describe('refresh tokens', () => {
  it('are told to whoever may ask about anything, and end when they are exchanged', async () => {
    const { app, tokens } = await scene();
    const asker = await createClient(gatehouse.services, { kind: 'machine', mayIntrospectAny: true });
    const ask = async (token = '') =>
      (await post(`${gatehouse.issuer}/introspect`, { token }, basic(asker.client, asker.secret))).body;
    const before = await ask(tokens.refresh_token);
    await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');

    expect(before).toMatchObject({ active: true, client_id: app.client.id });
    expect(before).not.toHaveProperty('token_type');
    expect(await ask(tokens.refresh_token)).toEqual(inactive);
  });

  it('that were exchanged still end their family when they are revoked', async () => {
    const { app, tokens, introspect } = await scene();
    const next = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');
    await oauth.tokenRevocation(app.config, tokens.refresh_token ?? '');

    expect(await introspect(next.access_token)).toEqual(inactive);
  });
});

describe('API keys', () => {
  it('are told to the owner of an API: what the key may do there', async () => {
    const world = await createWorld(gatehouse);
    const { key, secret } = await world.key({ allowedAddresses: ['192.0.2.1/32'] });

    expect(await world.introspect(secret)).toMatchObject({
      active: true,
      sub: key.id,
      client_id: key.id,
      token_type: 'api_key',
      scope: 'notes:read notes:write',
      owner: { kind: 'account', id: key.accountId },
    });
    expect(
      await eventsOf(gatehouse.services, { type: 'token.introspected', clientId: key.id }),
    ).toMatchObject([{ outcome: 'success', details: { kind: 'ApiKey' } }]);
  });

  it('are not told to the owner of another API, nor when they are over', async () => {
    const [world, other] = [await createWorld(gatehouse), await createWorld(gatehouse)];
    const { key, secret } = await world.key();
    const elsewhere = await other.introspect(secret);
    await gatehouse.services.apiKeys.revoke(key.id, null, byOperator);

    expect([elsewhere, await world.introspect(secret)]).toEqual([inactive, inactive]);
  });

  it('ask themselves when they may verify, and hear only of their own organization', async () => {
    const { services } = gatehouse;
    const admin = await createPerson(services, { admin: true });
    const owner = { kind: 'account' as const, id: admin.id };
    const world = await createWorld(gatehouse);
    const token = await world.tokenOf(await world.key());
    const ask = async (secret: string) =>
      (await post(`${gatehouse.issuer}/introspect`, { token }, { 'x-api-key': secret })).body;
    const able = await createKey(gatehouse, { owner, permissions: ['api-keys:verify'] });
    const unable = await createKey(gatehouse, { owner, permissions: ['accounts:read'] });
    const { id: organizationId } = await createOrganization(services, [admin]);
    const bound = await createKey(gatehouse, { owner, organizationId, permissions: ['api-keys:verify'] });

    expect(await ask(able.secret)).toMatchObject({ active: true });
    expect([await ask(unable.secret), await ask(bound.secret)]).toEqual([inactive, inactive]);
  });

  it('of a client say what it has at each of its APIs, and not that at the others', async () => {
    const { services } = gatehouse;
    const notes = await createApi(services);
    const permissions = [{ name: 'things:read', sentence: 'See things.' }];
    const things = await services.apis.create(
      { audience: 'https://things.example.com', name: 'Things', permissions },
      operator,
    );
    const { client } = await createClient(services, {
      kind: 'machine',
      apis: [
        { audience: notes.audience, permissions: ['notes:read'] },
        { audience: things.audience, permissions: ['*'] },
      ],
    });
    const owner = { kind: 'client' as const, id: client.id };
    const { secret } = await createKey(gatehouse, { owner, permissions: ['*:*'] });
    const asker = await createClient(services, { kind: 'machine', apis: [], mayIntrospectAny: true });
    const told = await post(
      `${gatehouse.issuer}/introspect`,
      { token: secret },
      basic(asker.client, asker.secret),
    );

    expect(told.body).toMatchObject({ active: true, scope: 'notes:read things:read' });
  });

  it('are revoked by themselves and by the client that owns them, and by nobody else', async () => {
    const world = await createWorld(gatehouse);
    const other = await machine(world.audience);
    const { client, secret: clientSecret } = await machine(world.audience);
    const owner = { kind: 'client' as const, id: client.id };
    const [mine, own, foreign] = [await world.key(), await world.key({ owner }), await world.key()];
    const refused = await revoke(foreign.secret, basic(other.client, other.secret));
    const answers = [
      await revoke(mine.secret, { 'x-api-key': mine.secret }),
      await revoke(own.secret, basic(client, clientSecret)),
      await revoke(own.secret, basic(client, clientSecret)),
    ];

    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_request']);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await world.introspect(mine.secret)).toEqual(inactive);
    expect(await world.introspect(own.secret)).toEqual(inactive);
    expect(await world.introspect(foreign.secret)).toMatchObject({ active: true });
  });

  it('end their own tokens by hand', async () => {
    const world = await createWorld(gatehouse);
    const { secret } = await world.key();
    const [first, second] = [await world.tokenOf({ secret }), await world.tokenOf({ secret })];
    const answer = await revoke(first, { 'x-api-key': secret });

    expect(answer.status).toBe(200);
    expect(await world.introspect(first)).toEqual(inactive);
    expect(await world.introspect(second)).toMatchObject({ active: true });
  });
});
