// Every flow once, right and wrong, so that each secret of the protocol has travelled over the wire.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { expect } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import type { Cluster } from '../support/cluster.ts';
import { createApi, createPerson, operator, password, signInAt } from '../support/people.ts';
import { basic, post, refusal, relyingParty } from './relying-party.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
const everything = 'openid email offline_access notes:read';

interface World {
  readonly cluster: Cluster;
  plant(kind: string, secret: string): void;
}

export async function walkEveryFlow(world: World): Promise<void> {
  await firstAdministrator(world);
  const { audience } = await createApi(world.cluster.services);
  const opaque = await createApi(world.cluster.services, { tokenFormat: 'opaque' });
  await delay(1_200);
  await codeFlow(world, audience);
  await opaqueTokens(world, opaque.id, opaque.audience);
  await pushedRequest(world);
  await device(world);
  await machines(world, audience);
  await ownerKey(world);
  await mistakes(world);
}

/** The link that the console showed, a password that is refused, and one that is taken. */
async function firstAdministrator(world: World): Promise<void> {
  const link = /http:\S+\/setup\?token=[\w-]+/.exec(world.cluster.processes[0]?.output() ?? '')?.[0] ?? '';
  const browser = createBrowser(world.cluster.issuer);
  const page = await browser.open(link);
  const admin = { email: 'admin@example.com' };
  const again = await browser.submit(page, { ...admin, password: 'too short kiwi' });
  expect(again.status).toBe(400);
  const done = await browser.submit(again, { ...admin, password: 'eleven quiet herons over the estuary' });
  expect(done.status).toBe(200);
  await browser.open(link);
}

async function codeFlow(world: World, audience: string): Promise<void> {
  const apis = [{ audience, permissions: ['*'] }];
  const postLogoutRedirectUris = ['https://app.example.com/bye'];
  const app = await relyingParty(world.cluster, { apis, postLogoutRedirectUris });
  world.plant('client_secret', app.secret);
  const person = await createPerson(world.cluster.services);
  const begun = await app.begin({
    scope: everything,
    resource: audience,
    prompt: 'consent',
    nonce: oauth.randomNonce(),
  });
  const browser = createBrowser(world.cluster.issuer);
  const login = await browser.open(begun.url);
  const wrong = { identifier: person.email ?? '', password: 'a wrong but recognisable password 4711' };
  await browser.submit(login, wrong, '/login');
  // A password in the wrong field is still a password.
  await browser.submit(login, { identifier: 'my secret typed into the name field', password: 'x' }, '/login');
  world.plant('password as a name', 'my secret typed into the name field');
  const { landed } = await signInAt(begun.url, person, browser);
  const code = new URL(landed.url).searchParams.get('code') ?? '';
  const auth = basic(app.client, app.secret);
  const [redirect_uri = ''] = app.client.redirectUris;
  const fields = { grant_type: 'authorization_code', redirect_uri, code, resource: audience };
  await post(
    `${world.cluster.issuer}/token`,
    { ...fields, code_verifier: `${'wrong-verifier-'.repeat(4)}` },
    auth,
  );
  const other = await signInAt(
    (await app.begin({ scope: everything, resource: audience })).url,
    person,
    browser,
  );
  await post(`${world.cluster.issuer}/token`, { ...fields, code, code_verifier: begun.verifier }, auth);
  expect(other.landed.url).toContain('code=');

  const asking = { scope: everything, resource: audience, prompt: 'consent' };
  const { tokens } = await app.signIn(person, asking, browser);
  const second = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');
  const plain = await app.signIn(person, { nonce: '' }, browser);
  await oauth.fetchUserInfo(app.config, plain.tokens.access_token, person.id);
  await fetch(`${world.cluster.issuer}/userinfo?access_token=${plain.tokens.access_token}`);
  expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
    'invalid_grant',
  );
  await oauth.tokenRevocation(app.config, second.refresh_token ?? '');
  const hint = { id_token_hint: plain.tokens.id_token ?? '', state: oauth.randomState() };
  const end = await browser.open(
    `/end-session?${new URLSearchParams({ ...hint, post_logout_redirect_uri: postLogoutRedirectUris[0] ?? '' })}`,
  );
  const bye = await browser.submit(end, { logout: 'yes' });
  expect(bye.url).toContain('/bye');
}

async function opaqueTokens(world: World, id: string, audience: string): Promise<void> {
  const apis = [{ audience, permissions: ['*'] }];
  const owner = await relyingParty(world.cluster, { kind: 'machine', apis });
  await world.cluster.services.apis.change(id as never, { ownerClientId: owner.client.id }, operator);
  await delay(1_200);
  const app = await relyingParty(world.cluster, { apis, authMethod: 'client_secret_post' });
  for (const { secret } of [owner, app]) world.plant('client_secret', secret);
  const person = await createPerson(world.cluster.services);
  const { tokens } = await app.signIn(person, { scope: everything, resource: audience, prompt: 'consent' });
  const told = await oauth.tokenIntrospection(owner.config, tokens.access_token);
  expect(told.active).toBe(true);
  await oauth.tokenRevocation(app.config, tokens.access_token);
}

/** A key that calls the API, right and wrong, and a secret that is in a stored answer. */
async function ownerKey({ cluster, plant }: World): Promise<void> {
  await cluster.services.owner.ensure();
  const key = await cluster.services.owner.renewKey(operator);
  plant('API key', key);
  const wrong = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
  plant('API key', wrong);
  expect((await fetch(`${cluster.issuer}/api/v1/me`, { headers: { 'x-api-key': wrong } })).status).toBe(401);
  const headers = { 'x-api-key': key, 'idempotency-key': randomUUID(), 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'Made by key', kind: 'machine' });
  for (let times = 0; times < 2; times += 1) {
    const answer = await fetch(`${cluster.issuer}/api/v1/clients`, { method: 'POST', headers, body });
    expect(answer.status).toBe(201);
    const { secret } = (await answer.json()) as { secret: string };
    expect(secret.length).toBeGreaterThan(30);
    plant('client_secret', secret);
  }
}

async function pushedRequest(world: World): Promise<void> {
  const app = await relyingParty(world.cluster);
  world.plant('client_secret', app.secret);
  const { url } = await app.begin({ nonce: oauth.randomNonce() });
  const pushed = await oauth.buildAuthorizationUrlWithPAR(app.config, new URL(url).searchParams);
  const { browser } = await signInAt(pushed.href, await createPerson(world.cluster.services));
  await browser.open(pushed.href);
  const { url: unused } = await app.begin();
  await oauth.buildAuthorizationUrlWithPAR(app.config, new URL(unused).searchParams);
}

async function device(world: World): Promise<void> {
  const app = await relyingParty(world.cluster, {
    kind: 'native',
    redirectUris: [],
    grantTypes: [DEVICE_CODE, 'refresh_token'],
  });
  const begin = () => oauth.initiateDeviceAuthorization(app.config, { scope: 'openid offline_access' });
  const poll = (device_code: string) => oauth.genericGrantRequest(app.config, DEVICE_CODE, { device_code });
  const [used, waiting] = [await begin(), await begin()];
  await refusal(poll(waiting.device_code));
  const person = await createPerson(world.cluster.services);
  const browser = createBrowser(world.cluster.issuer);
  const input = await browser.open(used.verification_uri);
  const again = await browser.submit(input, { user_code: 'WRNG-CODE' }, '/device');
  const page = await browser.submit(again, { user_code: used.user_code }, '/device');
  const login = await browser.submit(page, { confirm: 'yes' }, '/device');
  const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
  await browser.submit(consent, {}, '/consent');
  await poll(used.device_code);
  await refusal(poll(used.device_code));
}

async function machines(world: World, audience: string): Promise<void> {
  const apis = [{ audience, permissions: ['*'] }];
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = await exportJWK(publicKey);
  const bound = await relyingParty(world.cluster, { kind: 'machine', dpopBound: true, apis });
  world.plant('client_secret', bound.secret);
  const jti = `dpop-jti-${randomUUID()}`;
  world.plant('DPoP jti', jti);
  const dpop = await new SignJWT({ htm: 'POST', htu: `${world.cluster.issuer}/token`, jti })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk })
    .setIssuedAt()
    .sign(privateKey);
  const headers = { ...basic(bound.client, bound.secret), dpop };
  for (const status of [200, 400]) {
    const answer = await post(`${world.cluster.issuer}/token`, { grant_type: 'client_credentials' }, headers);
    expect(answer.status).toBe(status);
  }

  const jwks = { keys: [{ ...jwk, kid: 'k1', alg: 'ES256', use: 'sig' }] };
  const auth = oauth.PrivateKeyJwt({ key: privateKey, kid: 'k1' });
  const keyed = await relyingParty(
    world.cluster,
    { kind: 'machine', authMethod: 'private_key_jwt', jwks, apis },
    auth,
  );
  await oauth.clientCredentialsGrant(keyed.config);
}

/** Requests that are wrong in ways that tempt a server to quote them. */
async function mistakes(world: World): Promise<void> {
  const { issuer } = world.cluster;
  const app = await relyingParty(world.cluster);
  world.plant('client_secret', app.secret);
  // As long and as random as ours, so that they could be ones that leaked from elsewhere.
  const [secret, token] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
  await post(`${issuer}/token`, { grant_type: 'client_credentials' }, basic(app.client, secret));
  const inBody = { grant_type: 'password', username: 'x', password: token, client_secret: secret };
  await post(`${issuer}/token`, { ...inBody, client_id: app.client.id });
  await post(`${issuer}/token`, { grant_type: token, client_secret: secret, client_id: app.client.id });
  await post(`${issuer}/token`, { grant_type: 'refresh_token', refresh_token: token, client_id: token });
  await post(`${issuer}/token?client_secret=${secret}&code=${token}`, {});
  await post(`${issuer}/introspect`, { token }, basic(app.client, app.secret));
  await post(`${issuer}/revoke`, { token, token_type_hint: secret }, basic(app.client, app.secret));
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${issuer}${path}`, { headers, redirect: 'manual' });
  await get('/userinfo', { authorization: `Bearer ${token}` });
  await get('/api/accounts', { authorization: `Bearer ${token}` });
  await get(`/interaction/${randomBytes(32).toString('base64url')}/login?password=${secret}`);
  await get(`/nowhere/${token}?access_token=${token}`);
  await get(`/authorize?client_id=${app.client.id}&request_uri=${token}&id_token_hint=${secret}`);
  await get(`/end-session?id_token_hint=${token}`);
  await get(`/setup?token=${token}`);
  const json = { method: 'POST', headers: { 'content-type': 'application/json' } };
  await fetch(`${issuer}/token`, { ...json, body: JSON.stringify({ client_secret: secret, code: token }) });
  world.plant('client_secret', secret);
}
