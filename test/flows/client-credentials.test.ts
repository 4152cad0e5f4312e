// Machines: every way to prove who they are, what they get, and what they do not get.
import { createRemoteJWKSet, exportJWK, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../../src/apis/apis.ts';
import { openHandle } from '../../src/oidc/oidc.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, operator } from '../support/people.ts';
import { basic, connect, post, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const apis: { jwt?: Api; opaque?: Api } = {};

beforeAll(async () => {
  apis.jwt = await createApi(gatehouse.services);
  apis.opaque = await createApi(gatehouse.services, { tokenFormat: 'opaque' });
});

function machine(input: Parameters<typeof relyingParty>[1] = {}, auth?: oauth.ClientAuth) {
  const audience = apis.jwt?.audience ?? '';
  const entitled = [{ audience, permissions: ['notes:read'] }];
  return relyingParty(gatehouse, { kind: 'machine', apis: entitled, ...input }, auth);
}

function claimsOf(token: string) {
  const keys = createRemoteJWKSet(new URL(`${gatehouse.issuer}/jwks`));
  const audience = apis.jwt?.audience ?? '';
  return jwtVerify(token, keys, { issuer: gatehouse.issuer, audience, typ: 'at+jwt' });
}

/** A machine with a key of its own; answers how it presents an assertion with these claims over the right ones. */
async function signedMachine(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg }] };
  const { client } = await machine({ authMethod: 'private_key_jwt', jwks });
  return async (claims: JWTPayload) => {
    const now = Math.floor(Date.now() / 1000);
    const right = { iss: client.id, sub: client.id, aud: gatehouse.issuer, iat: now, exp: now + 60 };
    const assertion = await new SignJWT({ ...right, ...claims }).setProtectedHeader({ alg }).sign(privateKey);
    return post(`${gatehouse.issuer}/token`, {
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    });
  };
}

describe('ways to authenticate', () => {
  it('takes a secret by Basic', async () => {
    const { config } = await machine({ authMethod: 'client_secret_basic' });

    expect(await oauth.clientCredentialsGrant(config)).toHaveProperty('access_token');
  });

  it('takes a secret in the body', async () => {
    const { config } = await machine({ authMethod: 'client_secret_post' });

    expect(await oauth.clientCredentialsGrant(config)).toHaveProperty('access_token');
  });

  it('takes an assertion signed with the registered key', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] };
    const { config } = await machine(
      { authMethod: 'private_key_jwt', jwks },
      oauth.PrivateKeyJwt({ key: privateKey, kid: 'k1' }),
    );

    expect(await oauth.clientCredentialsGrant(config)).toHaveProperty('access_token');
  });

  it.each(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'])(
    'takes an assertion signed with %s',
    async (alg) => {
      const present = await signedMachine(alg);

      expect((await present({ jti: crypto.randomUUID() })).status).toBe(200);
    },
  );

  it('takes no assertion with an algorithm that the metadata does not name', async () => {
    const present = await signedMachine('ES384');

    expect((await present({ jti: crypto.randomUUID() })).status).toBe(401);
  });

  it('takes an assertion only once (RFC 7523 §3)', async () => {
    const present = await signedMachine();
    const first = await present({ jti: 'only-once' });
    const second = await present({ jti: 'only-once' });

    expect([first.status, second.status, second.body.error]).toEqual([200, 401, 'invalid_client']);
  });

  it('forgives a clock that is ten seconds ahead', async () => {
    const present = await signedMachine();
    const ahead = Math.floor(Date.now() / 1000) + 10;

    expect((await present({ jti: 'ahead', iat: ahead, nbf: ahead })).status).toBe(200);
  });

  it.each([
    ['a clock that is minutes ahead', { nbf: Math.floor(Date.now() / 1000) + 300 }],
    ['an end in the past', { exp: Math.floor(Date.now() / 1000) - 300 }],
    ['another audience', { aud: 'https://elsewhere.example' }],
    ['another subject', { sub: 'somebody-else' }],
    ['no id', { jti: '' }],
  ])('refuses an assertion with %s', async (_, claims) => {
    const present = await signedMachine();
    const answer = await present({ jti: crypto.randomUUID(), ...claims });

    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
  });

  it('refuses an assertion of another key', async () => {
    const { publicKey } = await generateKeyPair('ES256');
    const { privateKey } = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256' }] };
    const { config } = await machine(
      { authMethod: 'private_key_jwt', jwks },
      oauth.PrivateKeyJwt(privateKey),
    );

    expect(await refusal(oauth.clientCredentialsGrant(config))).toBe('invalid_client');
  });

  it('takes no secret from a client that is registered with a key', async () => {
    const { publicKey } = await generateKeyPair('ES256');
    const jwks = { keys: [await exportJWK(publicKey)] };
    const { client } = await machine({ authMethod: 'private_key_jwt', jwks });
    const fields = { grant_type: 'client_credentials' };
    const answer = await post(`${gatehouse.issuer}/token`, fields, basic(client, 'guess'));

    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
  });

  it('answers an unknown client like a wrong secret', async () => {
    const { client, secret } = await machine();
    const unknown = basic({ id: 'cli_unknown' as typeof client.id }, secret);
    const answers = await Promise.all(
      [basic(client, 'wrong'), unknown].map((headers) =>
        post(`${gatehouse.issuer}/token`, { grant_type: 'client_credentials' }, headers),
      ),
    );

    expect(answers[0]?.status).toBe(401);
    expect(answers[0]?.body).toEqual(answers[1]?.body);
  });
});

describe('secrets', () => {
  it('two may be used at the same time', async () => {
    const { client, config } = await machine();
    const added = await gatehouse.services.clients.addSecret(client.id, {}, operator);
    const second = await connect(gatehouse.issuer, client, added.secret);

    expect(await oauth.clientCredentialsGrant(config)).toHaveProperty('access_token');
    expect(await oauth.clientCredentialsGrant(second)).toHaveProperty('access_token');
  });

  it('a retired one is refused at once, and the other stays good', async () => {
    const { client, config } = await machine();
    const [old] = await gatehouse.services.clients.listSecrets(client.id);
    const added = await gatehouse.services.clients.addSecret(client.id, {}, operator);
    await gatehouse.services.clients.retireSecret(client.id, old?.id ?? '', operator);

    expect(await refusal(oauth.clientCredentialsGrant(config))).toBe('invalid_client');
    const second = await connect(gatehouse.issuer, client, added.secret);
    expect(await oauth.clientCredentialsGrant(second)).toHaveProperty('access_token');
  });

  it('the secret that the engine holds in place of it opens nothing', async () => {
    const { client } = await machine();
    const known = await gatehouse.services.clients.known(client.id);
    const marker = String(known?.metadata.client_secret);
    const config = await connect(gatehouse.issuer, client, marker);

    expect(await refusal(oauth.clientCredentialsGrant(config))).toBe('invalid_client');
  });
});

describe('what a machine gets', () => {
  it('a JWT for its API, verifiable with the published keys alone', async () => {
    const { client, config } = await machine();
    const tokens = await oauth.clientCredentialsGrant(config, { scope: 'notes:read' });
    const { payload } = await claimsOf(tokens.access_token);

    expect(payload).toMatchObject({ sub: client.id, client_id: client.id, scope: 'notes:read' });
  });

  it('a handle in the JWT that names the client', async () => {
    const { client, config } = await machine();
    const { payload } = await claimsOf((await oauth.clientCredentialsGrant(config)).access_token);
    const key = gatehouse.services.handleSeal;

    expect(openHandle(key, payload.jti ?? '', String(payload.handle))).toEqual({
      clientId: client.id,
      accountId: null,
      grantId: null,
      sessionUid: null,
      apiKeyId: null,
      apiKeySecretId: null,
      organizationId: null,
      endsWithSession: false,
    });
  });

  it('an opaque token for an API that wants those', async () => {
    const audience = apis.opaque?.audience ?? '';
    const { config } = await machine({ apis: [{ audience, permissions: ['*'] }] });
    const tokens = await oauth.clientCredentialsGrant(config, { resource: audience, scope: 'notes:write' });

    expect(tokens.access_token).not.toContain('.');
    expect(tokens.scope).toBe('notes:write');
  });

  it('only the permissions that it is registered for', async () => {
    const { config } = await machine();
    const tokens = await oauth.clientCredentialsGrant(config, { scope: 'notes:read notes:write' });

    expect(tokens.scope).toBe('notes:read');
  });

  it('nothing for an API that it is not registered for', async () => {
    const { config } = await machine();
    const resource = apis.opaque?.audience ?? '';

    expect(await refusal(oauth.clientCredentialsGrant(config, { resource }))).toBe('invalid_target');
  });

  it('the same answer for an API that does not exist', async () => {
    const { config } = await machine();
    const resource = 'https://nowhere.example.com';

    expect(await refusal(oauth.clientCredentialsGrant(config, { resource }))).toBe('invalid_target');
  });

  it('no refresh token and no ID token', async () => {
    const { config } = await machine();
    const tokens = await oauth.clientCredentialsGrant(config);

    expect(Object.keys(tokens)).not.toEqual(expect.arrayContaining(['refresh_token', 'id_token']));
  });

  it('an answer that nobody may store', async () => {
    const { client, secret } = await machine();
    const answer = await post(
      `${gatehouse.issuer}/token`,
      { grant_type: 'client_credentials' },
      basic(client, secret),
    );

    expect(answer.headers.get('cache-control')).toBe('no-store');
  });
});
