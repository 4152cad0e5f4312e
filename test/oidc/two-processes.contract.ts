// One-time things under fifty parallel uses, sent to one process and spread over two: exactly one use wins. Run once for
// each set of stores.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NewClient } from '../../src/clients/clients.ts';
import {
  type Answer,
  type Begun,
  basic,
  post,
  type RelyingParty,
  refusal,
  relyingParty,
} from '../flows/relying-party.ts';
import { createBrowser } from '../support/browser.ts';
import { useCluster } from '../support/cluster.ts';
import { createApi, createPerson, password, signInAt } from '../support/people.ts';

export function twoProcesses(settings: Record<string, string>): void {
  const cluster = useCluster({ size: 2, settings });
  const made: { audience?: string } = {};
  beforeAll(async () => {
    made.audience = (await createApi(cluster.services)).audience;
    // Made beside the running servers: they hear of it within a second.
    await delay(1_200);
  });

  const USES = 50;
  const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
  const offline = { scope: 'openid offline_access', prompt: 'consent' };
  const spa: Partial<NewClient> = { kind: 'spa', redirectUris: ['https://spa.example.com/callback'] };

  describe.each([
    ['one process', 1],
    ['two processes', 2],
  ])('of fifty parallel uses, spread over %s, exactly one wins:', (_, processes) => {
    /** The same request fifty times, turn by turn to each process. */
    async function contend(
      path: string,
      fields: Record<string, string>,
      headers: Record<string, string> = {},
    ) {
      const origins = cluster.origins.slice(0, processes);
      const uses = Array.from({ length: USES }, (_, turn) =>
        post(`${origins[turn % processes]}${path}`, fields, headers),
      );
      return Promise.all(uses);
    }

    it('of an authorization code', async () => {
      const app = await relyingParty(cluster);
      const { code, begun } = await signedIn(app);
      const answers = await contend('/token', codeFields(app, code, begun), basic(app.client, app.secret));

      expect(outcomes(answers)).toEqual({ '200': 1, '400 invalid_grant': USES - 1 });
    });

    it('of a refresh token of a confidential client', async () => {
      const app = await relyingParty(cluster);
      const { tokens } = await app.signIn(await createPerson(cluster.services), offline);
      const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' };
      const answers = await contend('/token', fields, basic(app.client, app.secret));

      expect(outcomes(answers)).toEqual({ '200': 1, '400 invalid_grant': USES - 1 });
    });

    it('of a refresh token of a public client, and the tokens of the winner stay good everywhere', async () => {
      const app = await relyingParty(cluster, spa);
      const { tokens } = await app.signIn(await createPerson(cluster.services), offline);
      const fields = {
        grant_type: 'refresh_token',
        refresh_token: tokens.refresh_token ?? '',
        client_id: app.client.id,
      };
      const answers = await contend('/token', fields);
      const won = answers.find(({ status }) => status === 200)?.body ?? {};

      expect(outcomes(answers)).toEqual({ '200': 1, '400 invalid_grant': USES - 1 });
      for (const origin of cluster.origins) {
        const headers = { authorization: `Bearer ${won.access_token}` };
        expect((await fetch(`${origin}/userinfo`, { headers })).status).toBe(200);
      }
      const next = await oauth.refreshTokenGrant(app.config, String(won.refresh_token));
      expect(next.refresh_token).not.toBe(won.refresh_token);
    });

    it('of a pushed authorization request, in a signed-in browser', async () => {
      const app = await relyingParty(cluster, { firstParty: true });
      const { browser } = await signedIn(app);
      const { url } = await app.begin();
      const pushed = await oauth.buildAuthorizationUrlWithPAR(app.config, new URL(url).searchParams);
      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const origins = cluster.origins.slice(0, processes);
      const uses = Array.from({ length: USES }, async (_, turn) => {
        const address = `${origins[turn % processes]}${pushed.pathname}${pushed.search}`;
        const answer = await fetch(address, { headers: { cookie }, redirect: 'manual' });
        const landed = new URL(answer.headers.get('location') ?? 'none:', address).searchParams;
        return landed.has('code') ? 'code' : `${answer.status} ${landed.get('error') ?? 'page'}`;
      });
      const seen = count(await Promise.all(uses));

      expect(seen.code).toBe(1);
      const { code: _code, ...refused } = seen;
      for (const outcome of Object.keys(refused))
        expect(outcome).toMatch(/^303 invalid_request_uri$|^400 page$/);
    });

    it('of a device code', async () => {
      const app = await relyingParty(cluster, {
        kind: 'native',
        redirectUris: [],
        grantTypes: [DEVICE_CODE, 'refresh_token'],
      });
      const device = await oauth.initiateDeviceAuthorization(app.config, { scope: 'openid offline_access' });
      await approve(device);
      const fields = { grant_type: DEVICE_CODE, device_code: device.device_code, client_id: app.client.id };
      const answers = await contend('/token', fields);

      expect(outcomes(answers)).toEqual({ '200': 1, '400 invalid_grant': USES - 1 });
    });

    it('of a DPoP proof', async () => {
      const app = await machine({ dpopBound: true });
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      const proof = await new SignJWT({ htm: 'POST', htu: `${cluster.issuer}/token`, jti: randomUUID() })
        .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) })
        .setIssuedAt()
        .sign(privateKey);
      const headers = { ...basic(app.client, app.secret), dpop: proof };
      const answers = await contend('/token', { grant_type: 'client_credentials' }, headers);

      expect(outcomes(answers)).toEqual({ '200': 1, '400 invalid_grant': USES - 1 });
    });

    it('of a client assertion', async () => {
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }] };
      const app = await machine({ authMethod: 'private_key_jwt', jwks }, oauth.None());
      const assertion = await new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer(app.client.id)
        .setSubject(app.client.id)
        .setAudience(cluster.issuer)
        .setIssuedAt()
        .setExpirationTime('1m')
        .sign(privateKey);
      const answers = await contend('/token', {
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      });

      expect(outcomes(answers)).toEqual({ '200': 1, '401 invalid_client': USES - 1 });
    });
  });

  describe('two processes are one server:', () => {
    it('C5 a refresh token rotated by one is refused by the other, which then ends the family everywhere', async () => {
      const app = await relyingParty(cluster);
      const { tokens } = await app.signIn(await createPerson(cluster.services), offline);
      const auth = basic(app.client, app.secret);
      const use = (origin: string, token: unknown) =>
        post(`${origin}/token`, { grant_type: 'refresh_token', refresh_token: String(token) }, auth);
      const [one = '', two = ''] = cluster.origins;
      const rotated = await use(one, tokens.refresh_token);

      expect((await use(two, tokens.refresh_token)).body.error).toBe('invalid_grant');
      expect((await use(one, rotated.body.refresh_token)).body.error).toBe('invalid_grant');
    });

    it('a code given out by one is redeemed at the other, and a session of one is known to the other', async () => {
      const app = await relyingParty(cluster, { firstParty: true });
      const { code, begun, browser } = await signedIn(app);
      const [, two = ''] = cluster.origins;
      const answer = await post(`${two}/token`, codeFields(app, code, begun), basic(app.client, app.secret));
      expect(answer.status).toBe(200);

      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const { pathname, search } = new URL((await app.begin({ prompt: 'none' })).url);
      const again = await fetch(`${two}${pathname}${search}`, { headers: { cookie }, redirect: 'manual' });
      expect(new URL(again.headers.get('location') ?? '').searchParams.has('code')).toBe(true);
    });

    it('C5 a suspended person is signed out and without tokens at both at once', async () => {
      const app = await relyingParty(cluster);
      const person = await createPerson(cluster.services);
      const { tokens } = await app.signIn(person, offline);
      await cluster.services.accounts.suspend(person.id, null, { kind: 'operator', id: 'test' });

      for (const origin of cluster.origins) {
        const headers = { authorization: `Bearer ${tokens.access_token}` };
        expect((await fetch(`${origin}/userinfo`, { headers })).status).toBe(401);
      }
      expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
        'invalid_grant',
      );
    });
  });

  async function signedIn(app: RelyingParty) {
    const begun = await app.begin();
    const { landed, browser } = await signInAt(begun.url, await createPerson(cluster.services));
    return { browser, begun, code: new URL(landed.url).searchParams.get('code') ?? '' };
  }

  function codeFields(app: RelyingParty, code: string, begun: Begun): Record<string, string> {
    const [redirect_uri = ''] = app.client.redirectUris;
    return { grant_type: 'authorization_code', redirect_uri, code, code_verifier: begun.verifier };
  }

  async function machine(input: Partial<NewClient>, auth?: oauth.ClientAuth): Promise<RelyingParty> {
    const { audience = '' } = made;
    return relyingParty(
      cluster,
      { kind: 'machine', apis: [{ audience, permissions: ['*'] }], ...input },
      auth,
    );
  }

  async function approve(device: { verification_uri: string; user_code: string }): Promise<void> {
    const person = await createPerson(cluster.services);
    const browser = createBrowser(cluster.issuer);
    const input = await browser.open(device.verification_uri);
    const page = await browser.submit(input, { user_code: device.user_code }, '/device');
    const login = await browser.submit(page, { confirm: 'yes' }, '/device');
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    const done = await browser.submit(consent, {}, '/consent');
    expect(done.status).toBe(200);
  }

  function outcomes(answers: readonly Answer[]): Record<string, number> {
    return count(
      answers.map(({ status, body }) => (status === 200 ? '200' : `${status} ${String(body.error ?? '')}`)),
    );
  }

  function count(words: readonly string[]): Record<string, number> {
    const counted: Record<string, number> = {};
    for (const word of words) counted[word] = (counted[word] ?? 0) + 1;
    return counted;
  }
}
