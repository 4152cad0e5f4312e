// Resource indicators (RFC 8707) and userinfo: one token for one API, with only what was allowed there.
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import type { Api } from '../../src/apis/apis.ts';
import { openHandle } from '../../src/oidc/oidc.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, operator, signInAt } from '../support/people.ts';
import { type RelyingParty, refusal, relyingParty, type Tokens } from './relying-party.ts';

const gatehouse = useGatehouse();
const apis: Partial<Record<'notes' | 'files', Api>> = {};

beforeAll(async () => {
  apis.notes = await createApi(gatehouse.services);
  apis.files = await createApi(gatehouse.services, { tokenFormat: 'opaque' });
});

function audiences(): { notes: string; files: string } {
  return { notes: apis.notes?.audience ?? '', files: apis.files?.audience ?? '' };
}

function appOfBoth(): Promise<RelyingParty> {
  const { notes, files } = audiences();
  return relyingParty(gatehouse, {
    apis: [
      { audience: notes, permissions: ['notes:read'] },
      { audience: files, permissions: ['*'] },
    ],
  });
}

/** Both APIs in one authorization request; the token endpoint is asked for each by itself. */
async function signInForBoth(app: RelyingParty, person: Account) {
  const begun = await app.begin({
    scope: 'openid email offline_access notes:read notes:write',
    prompt: 'consent',
  });
  const url = new URL(begun.url);
  for (const audience of Object.values(audiences())) url.searchParams.append('resource', audience);
  const { landed } = await signInAt(url.href, person);
  return { landed, begun };
}

describe('two APIs in one sign-in', () => {
  it('get one token each, with what the client may have there', async () => {
    const { notes, files } = audiences();
    const app = await appOfBoth();
    const { landed, begun } = await signInForBoth(app, await createPerson(gatehouse.services));
    const first = await app.finish(landed.url, begun, { resource: notes });
    const second: Tokens = await oauth.refreshTokenGrant(app.config, first.refresh_token ?? '', {
      resource: files,
    });

    expect(decodeJwt(first.access_token)).toMatchObject({ aud: notes, scope: 'notes:read' });
    expect(second.access_token).not.toContain('.');
    expect(second.scope).toBe('notes:read notes:write');
  });

  it('never share one token', async () => {
    const { notes, files } = audiences();
    const app = await appOfBoth();
    const { landed, begun } = await signInForBoth(app, await createPerson(gatehouse.services));
    const both = new URLSearchParams([
      ['resource', notes],
      ['resource', files],
    ]);
    const attempt = oauth.authorizationCodeGrant(
      app.config,
      new URL(landed.url),
      { pkceCodeVerifier: begun.verifier, expectedState: begun.state },
      both,
    );

    expect(await refusal(attempt)).toBe('invalid_target');
  });
});

describe('a resource', () => {
  it('that the client is not registered for is refused before anybody signs in', async () => {
    const app = await relyingParty(gatehouse);
    const begun = await app.begin({ resource: audiences().notes, scope: 'openid notes:read' });
    const { landed } = await signInAt(begun.url, await createPerson(gatehouse.services));

    expect(new URL(landed.url).searchParams.get('error')).toBe('invalid_target');
  });

  it('that was not in the authorization request is refused at the token endpoint', async () => {
    const { notes, files } = audiences();
    const app = await appOfBoth();
    const begun = await app.begin({ resource: notes, scope: 'openid notes:read' });
    const { landed } = await signInAt(begun.url, await createPerson(gatehouse.services));

    expect(await refusal(app.finish(landed.url, begun, { resource: files }))).toBe('invalid_target');
  });

  it('with permissions that are not granted gives the others only', async () => {
    const { notes } = audiences();
    const app = await appOfBoth();
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), {
      resource: notes,
      scope: 'openid notes:read notes:write',
    });

    expect(decodeJwt(tokens.access_token).scope).toBe('notes:read');
  });

  it('of the management API is refused to a person who has no role there', async () => {
    const resource = `${gatehouse.issuer}/api`;
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const begun = await app.begin({ resource, scope: 'openid accounts:read' });
    const { landed } = await signInAt(begun.url, await createPerson(gatehouse.services));

    expect(await refusal(app.finish(landed.url, begun, { resource }))).toBe('invalid_scope');
  });

  it('of the management API opens it to an administrator', async () => {
    const resource = `${gatehouse.issuer}/api`;
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services, { admin: true }), {
      resource,
      scope: 'openid accounts:read',
    });
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect((await fetch(`${gatehouse.issuer}/api/v1/accounts`, { headers })).status).toBe(200);
  });
});

describe('what was taken away', () => {
  it('from a client is missing from its next token, and when nothing is left there is none', async () => {
    const { notes } = audiences();
    const app = await relyingParty(gatehouse, { apis: [{ audience: notes, permissions: ['*'] }] });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), {
      resource: notes,
      scope: 'openid offline_access notes:read notes:write',
      prompt: 'consent',
    });
    const leave = (permissions: string[]) =>
      gatehouse.services.clients.change(
        app.client.id,
        { apis: [{ audience: notes, permissions }] },
        operator,
      );
    await leave(['notes:read']);
    const next = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '', { resource: notes });
    await leave([]);
    const last = oauth.refreshTokenGrant(app.config, next.refresh_token ?? '', { resource: notes });

    expect(decodeJwt(tokens.access_token).scope).toBe('notes:read notes:write');
    expect(decodeJwt(next.access_token).scope).toBe('notes:read');
    expect(await refusal(last)).toBe('invalid_scope');
  });

  it('with a whole API is refused', async () => {
    const { notes } = audiences();
    const app = await appOfBoth();
    const { landed, begun } = await signInForBoth(app, await createPerson(gatehouse.services));
    const { refresh_token = '' } = await app.finish(landed.url, begun, { resource: notes });
    await gatehouse.services.clients.change(app.client.id, { apis: [] }, operator);

    expect(await refusal(oauth.refreshTokenGrant(app.config, refresh_token, { resource: notes }))).toBe(
      'invalid_target',
    );
  });

  it('from a former administrator gives no next token', async () => {
    const resource = `${gatehouse.issuer}/api`;
    await createPerson(gatehouse.services, { admin: true });
    const person = await createPerson(gatehouse.services, { admin: true });
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(person, {
      resource,
      scope: 'openid offline_access accounts:read',
      prompt: 'consent',
    });
    await gatehouse.services.accounts.change(person.id, { admin: false }, operator);
    const next = oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '', { resource });

    expect(decodeJwt(tokens.access_token).scope).toBe('accounts:read');
    expect(await refusal(next)).toBe('invalid_scope');
  });
});

describe('a JWT access token', () => {
  it('verifies with the published keys alone and says how the person signed in', async () => {
    const { notes } = audiences();
    const person = await createPerson(gatehouse.services);
    const app = await appOfBoth();
    const { tokens } = await app.signIn(person, { resource: notes, scope: 'openid notes:read' });
    const keys = createRemoteJWKSet(new URL(`${gatehouse.issuer}/jwks`));
    const { payload } = await jwtVerify(tokens.access_token, keys, {
      issuer: gatehouse.issuer,
      audience: notes,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      requiredClaims: ['exp', 'iat', 'jti', 'client_id', 'auth_time', 'amr'],
    });

    expect(payload).toMatchObject({ sub: person.id, client_id: app.client.id, amr: ['pwd'] });
  });

  it('carries a handle that resolves to account, client, grant and session', async () => {
    const { notes } = audiences();
    const person = await createPerson(gatehouse.services);
    const app = await appOfBoth();
    const { tokens } = await app.signIn(person, { resource: notes, scope: 'openid notes:read' });
    const payload = decodeJwt(tokens.access_token);
    const handle = openHandle(gatehouse.services.handleSeal, payload.jti ?? '', String(payload.handle));

    expect(handle).toMatchObject({ accountId: person.id, clientId: app.client.id });
    const grant = await gatehouse.database.db('oidc_grants').where({ id: handle?.grantId }).first();
    expect(grant.account_id).toBe(person.id);
    expect(handle?.sessionUid).toEqual(expect.any(String));
  });

  it('says nothing by its handle to anybody else, and nothing under another token id', async () => {
    const { notes } = audiences();
    const person = await createPerson(gatehouse.services);
    const app = await appOfBoth();
    const { tokens } = await app.signIn(person, { resource: notes, scope: 'openid notes:read' });
    const { handle } = decodeJwt(tokens.access_token);

    expect(Buffer.from(String(handle), 'base64url').toString('latin1')).not.toContain(person.id);
    expect(openHandle(gatehouse.services.handleSeal, 'another-id', String(handle))).toBeUndefined();
  });

  it('is no key to userinfo', async () => {
    const { notes } = audiences();
    const app = await appOfBoth();
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), {
      resource: notes,
      scope: 'openid notes:read',
    });
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect((await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status).toBe(401);
  });
});

describe('userinfo', () => {
  it('tells what the scopes allow, and no more', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(person, { scope: 'openid email' });

    expect(await oauth.fetchUserInfo(app.config, tokens.access_token, person.id)).toEqual({
      sub: person.id,
      email: person.email,
      email_verified: false,
    });
  });

  it('tells the profile when it was allowed', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(person, { scope: 'openid profile' });

    expect(await oauth.fetchUserInfo(app.config, tokens.access_token, person.id)).toMatchObject({
      name: person.name,
    });
  });

  it('needs the scope openid', async () => {
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), { scope: 'email' });
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect((await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status).toBe(403);
  });

  it('takes no token from the address (RFC 9700 §4.3.2)', async () => {
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(await createPerson(gatehouse.services));
    const url = `${gatehouse.issuer}/userinfo?access_token=${tokens.access_token}`;

    expect((await fetch(url)).status).toBeGreaterThanOrEqual(400);
  });
});
