// Signing keys in use: both algorithms, and a rotation that no client notices.
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose';
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, operator } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

function rotate() {
  return gatehouse.services.signingKeys.rotate({ force: true }, operator);
}

async function publishedKeys(): Promise<JSONWebKeySet> {
  const answer = await fetch(`${gatehouse.issuer}/jwks`);
  return JSON.parse(await answer.text());
}

async function kids(): Promise<(string | undefined)[]> {
  return (await publishedKeys()).keys.map((key) => key.kid);
}

async function machine() {
  const api = await createApi(gatehouse.services);
  const app = await relyingParty(gatehouse, {
    kind: 'machine',
    apis: [{ audience: api.audience, permissions: ['*'] }],
  });
  return { api, app };
}

describe('algorithms', () => {
  it.each(['RS256', 'ES256'] as const)('C6 signs ID tokens with %s when the client wants it', async (alg) => {
    const app = await relyingParty(gatehouse, { idTokenAlgorithm: alg, firstParty: true });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services));
    const { protectedHeader } = await jwtVerify(
      tokens.id_token ?? '',
      createRemoteJWKSet(new URL(`${gatehouse.issuer}/jwks`)),
      { issuer: gatehouse.issuer, audience: app.client.id, algorithms: [alg] },
    );

    expect(protectedHeader.alg).toBe(alg);
  });

  it.each(['RS256', 'ES256'] as const)(
    'C6 signs access tokens with %s when the API wants it',
    async (alg) => {
      const { api, app } = await machine();
      await gatehouse.services.apis.change(api.id, { signingAlgorithm: alg }, operator);
      const { access_token } = await oauth.clientCredentialsGrant(app.config);

      expect(decodeProtectedHeader(access_token)).toMatchObject({ alg, typ: 'at+jwt' });
      const keys = createLocalJWKSet(await publishedKeys());
      await expect(jwtVerify(access_token, keys, { audience: api.audience })).resolves.toBeDefined();
    },
  );
});

describe('rotation in the running server', () => {
  it('C6 signs with a new key, which was published before', async () => {
    const { app } = await machine();
    const before = decodeProtectedHeader((await oauth.clientCredentialsGrant(app.config)).access_token);
    const published = await kids();
    await rotate();
    const after = decodeProtectedHeader((await oauth.clientCredentialsGrant(app.config)).access_token);

    expect(after.kid).not.toBe(before.kid);
    expect(published).toContain(after.kid);
  });

  it('C6 leaves older tokens good for whoever looks at the published keys', async () => {
    const { api, app } = await machine();
    const { access_token } = await oauth.clientCredentialsGrant(app.config);
    await rotate();
    const keys = createLocalJWKSet(await publishedKeys());

    await expect(
      jwtVerify(access_token, keys, { issuer: gatehouse.issuer, audience: api.audience }),
    ).resolves.toBeDefined();
  });

  it('leaves an ID token of the old key good as a hint', async () => {
    const app = await relyingParty(gatehouse, { firstParty: true });
    const { browser, tokens } = await app.signIn(await createPerson(gatehouse.services));
    await rotate();
    const begun = await app.begin({ prompt: 'none', id_token_hint: tokens.id_token ?? '' });

    expect((await browser.open(begun.url)).url).toContain('code=');
  });

  it('leaves an ID token of the old key good for signing out', async () => {
    const bye = 'https://app.example.com/bye';
    const app = await relyingParty(gatehouse, { postLogoutRedirectUris: [bye], firstParty: true });
    const { browser, tokens } = await app.signIn(await createPerson(gatehouse.services));
    await rotate();
    const url = oauth.buildEndSessionUrl(app.config, {
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: bye,
    });
    const page = await browser.open(url.href);

    expect((await browser.submit(page, { logout: 'yes' })).url).toBe(bye);
  });

  it('does not disturb a sign-in that is under way', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { firstParty: true });
    const begun = await app.begin();
    const browser = createBrowser(gatehouse.issuer);
    await browser.open(begun.url);
    await rotate();
    const { tokens } = await app.signIn(person, {}, browser);

    expect(tokens.claims()?.sub).toBe(person.id);
  });

  it('C6 fails no request while keys change', async () => {
    const { api, app } = await machine();
    const tokens: string[] = [];
    const asking = (async () => {
      for (let round = 0; round < 20; round += 1) {
        const answers = await Promise.all(
          Array.from({ length: 4 }, () => oauth.clientCredentialsGrant(app.config)),
        );
        tokens.push(...answers.map(({ access_token }) => access_token));
      }
    })();
    for (let turn = 0; turn < 3; turn += 1) await rotate();
    await asking;
    const keys = createLocalJWKSet(await publishedKeys());
    await Promise.all(tokens.map((token) => jwtVerify(token, keys, { audience: api.audience })));

    expect(tokens.length).toBe(80);
  });

  it('opens the management API with tokens of the old key', async () => {
    const resource = `${gatehouse.issuer}/api`;
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services, { admin: true }), {
      resource,
      scope: 'openid accounts:read',
    });
    await rotate();
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect((await fetch(`${gatehouse.issuer}/api/v1/accounts`, { headers })).status).toBe(200);
  });
});

describe('a key that was withdrawn', () => {
  it('is published no more, and its tokens open nothing', async () => {
    const resource = `${gatehouse.issuer}/api`;
    const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
    const { tokens } = await app.signIn(await createPerson(gatehouse.services, { admin: true }), {
      resource,
      scope: 'openid accounts:read',
    });
    const kid = decodeProtectedHeader(tokens.access_token).kid ?? '';
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    const ask = async () => (await fetch(`${gatehouse.issuer}/api/v1/accounts`, { headers })).status;
    expect(await ask()).toBe(200);
    await gatehouse.services.signingKeys.withdraw({ kid, rotate: true }, operator);

    expect(await kids()).not.toContain(kid);
    expect(await ask()).toBe(401);
    const again = decodeProtectedHeader(
      (await app.signIn(await createPerson(gatehouse.services))).tokens.id_token ?? '',
    );
    expect(await kids()).toContain(again.kid);
  });
});
