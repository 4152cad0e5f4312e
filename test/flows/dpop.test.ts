// DPoP (RFC 9449): tokens that only the holder of a key can use.
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../../src/apis/apis.ts';
import type { NewClient } from '../../src/clients/clients.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, signInAt } from '../support/people.ts';
import { basic, post, type RelyingParty, refusal, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const apis: { notes?: Api } = {};
const spa: Partial<NewClient> = { kind: 'spa', redirectUris: ['https://spa.example.com/callback'] };
const offline = { scope: 'openid offline_access', prompt: 'consent' };

type KeyPair = Awaited<ReturnType<typeof oauth.randomDPoPKeyPair>>;

beforeAll(async () => {
  apis.notes = await createApi(gatehouse.services);
});

async function signIn(app: RelyingParty, keys: KeyPair, params: Record<string, string> = offline) {
  const person = await createPerson(gatehouse.services);
  const begun = await app.begin(params);
  const { landed } = await signInAt(begun.url, person);
  const DPoP = oauth.getDPoPHandle(app.config, keys);
  const resource = params.resource === undefined ? {} : { resource: params.resource };
  return { DPoP, tokens: await app.finish(landed.url, begun, resource, { DPoP }) };
}

async function thumbprint(keys: KeyPair): Promise<string> {
  return calculateJwkThumbprint(await exportJWK(keys.publicKey));
}

function machine() {
  const entitled = [{ audience: apis.notes?.audience ?? '', permissions: ['*'] }];
  return relyingParty(gatehouse, { kind: 'machine', dpopBound: true, apis: entitled });
}

/** A proof for the token endpoint, `claims` over the right ones. */
async function proof(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  alg = 'ES256',
) {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  const right = { htm: 'POST', htu: `${gatehouse.issuer}/token`, jti: crypto.randomUUID() };
  return new SignJWT({ ...right, iat: Math.floor(Date.now() / 1000), ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: await exportJWK(publicKey), ...header })
    .sign(privateKey);
}

async function withProof(dpop: string) {
  const { client, secret } = await machine();
  const headers = { ...basic(client, secret), dpop };
  return post(`${gatehouse.issuer}/token`, { grant_type: 'client_credentials' }, headers);
}

describe('sender-constrained tokens', () => {
  it('carry the thumbprint of the key in a JWT', async () => {
    const keys = await oauth.randomDPoPKeyPair();
    const audience = apis.notes?.audience ?? '';
    const app = await relyingParty(gatehouse, { apis: [{ audience, permissions: ['*'] }] });
    const { tokens } = await signIn(app, keys, { scope: 'openid notes:read', resource: audience });

    expect(tokens.token_type).toBe('dpop');
    expect(decodeJwt(tokens.access_token).cnf).toEqual({ jkt: await thumbprint(keys) });
  });

  it('open userinfo with a proof', async () => {
    const app = await relyingParty(gatehouse, spa);
    const { tokens, DPoP } = await signIn(app, await oauth.randomDPoPKeyPair());
    const sub = tokens.claims()?.sub ?? '';

    expect(await oauth.fetchUserInfo(app.config, tokens.access_token, sub, { DPoP })).toMatchObject({ sub });
  });

  it('open nothing as a bearer token', async () => {
    const app = await relyingParty(gatehouse, spa);
    const { tokens } = await signIn(app, await oauth.randomDPoPKeyPair());
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect((await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status).toBe(401);
  });

  it('open nothing with the proof of another key', async () => {
    const app = await relyingParty(gatehouse, spa);
    const { tokens } = await signIn(app, await oauth.randomDPoPKeyPair());
    const thief = oauth.getDPoPHandle(app.config, await oauth.randomDPoPKeyPair());
    const attempt = oauth.fetchUserInfo(app.config, tokens.access_token, tokens.claims()?.sub ?? '', {
      DPoP: thief,
    });

    expect(await refusal(attempt)).toBe('invalid_token');
  });

  it('are refreshed by a public client with the same key only', async () => {
    const app = await relyingParty(gatehouse, spa);
    const { tokens, DPoP } = await signIn(app, await oauth.randomDPoPKeyPair());
    const thief = oauth.getDPoPHandle(app.config, await oauth.randomDPoPKeyPair());
    const token = tokens.refresh_token ?? '';

    expect(await refusal(oauth.refreshTokenGrant(app.config, token, {}, { DPoP: thief }))).toBe(
      'invalid_grant',
    );
    const again = await oauth.refreshTokenGrant(app.config, token, {}, { DPoP });
    expect(again.token_type).toBe('dpop');
  });

  it('are bound to the key that the authorization request named (dpop_jkt)', async () => {
    const keys = await oauth.randomDPoPKeyPair();
    const app = await relyingParty(gatehouse, spa);
    const begun = await app.begin({ dpop_jkt: await thumbprint(keys) });
    const { landed } = await signInAt(begun.url, await createPerson(gatehouse.services));
    const other = oauth.getDPoPHandle(app.config, await oauth.randomDPoPKeyPair());

    expect(await refusal(app.finish(landed.url, begun, {}, { DPoP: other }))).toBe('invalid_grant');
  });
});

describe('a client whose tokens must be bound', () => {
  it('gets none without a proof', async () => {
    const { config } = await machine();

    expect(await refusal(oauth.clientCredentialsGrant(config))).toBe('invalid_grant');
  });

  it('gets one with a proof', async () => {
    const answer = await withProof(await proof());

    expect([answer.status, answer.body.token_type]).toEqual([200, 'DPoP']);
  });
});

describe('a proof', () => {
  it.each(['ES256', 'EdDSA', 'Ed25519'])('may be signed with %s, as the metadata says', async (alg) => {
    expect((await withProof(await proof({}, {}, alg))).status).toBe(200);
  });

  it('may not be signed with what the metadata does not name', async () => {
    const answer = await withProof(await proof({}, {}, 'RS256'));

    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_dpop_proof']);
  });

  it('is taken once', async () => {
    const { client, secret } = await machine();
    const headers = { ...basic(client, secret), dpop: await proof() };
    const send = () => post(`${gatehouse.issuer}/token`, { grant_type: 'client_credentials' }, headers);
    const answers = [await send(), await send()];

    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
  });

  it('is taken once of many at the same time', async () => {
    const { client, secret } = await machine();
    const headers = { ...basic(client, secret), dpop: await proof() };
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        post(`${gatehouse.issuer}/token`, { grant_type: 'client_credentials' }, headers),
      ),
    );

    expect(answers.filter(({ status }) => status === 200).length).toBe(1);
  });

  it.each([
    ['another method', { htm: 'GET' }],
    ['another address', { htu: 'https://elsewhere.example/token' }],
    ['no id', { jti: undefined }],
  ])('of %s is refused', async (_, claims) => {
    const answer = await withProof(await proof(claims));

    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_dpop_proof']);
  });

  it('of an old time is asked for with a nonce of the server (RFC 9449 §8)', async () => {
    const old = { iat: Math.floor(Date.now() / 1000) - 3600 };
    const answer = await withProof(await proof(old));
    const nonce = answer.headers.get('dpop-nonce');

    expect([answer.status, answer.body.error]).toEqual([400, 'use_dpop_nonce']);
    expect((await withProof(await proof({ ...old, nonce }))).status).toBe(200);
  });

  it('with a made-up nonce is refused', async () => {
    const answer = await withProof(await proof({ nonce: 'made-up' }));

    expect([answer.status, answer.body.error]).toEqual([400, 'use_dpop_nonce']);
  });

  it('of another type of token is refused', async () => {
    const answer = await withProof(await proof({}, { typ: 'jwt' }));

    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_dpop_proof']);
  });
});
