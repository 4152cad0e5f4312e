// Secrets of every flow are looked for in the debug log and in every table: none may stand there in clear.
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/platform/telemetry/log.ts';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, password } from '../support/people.ts';
import { basic, post, refusal, relyingParty } from './relying-party.ts';

const lines: string[] = [];
const log = createLog({ level: 'debug', format: 'json' }, { write: (line) => lines.push(line) });
const gatehouse = useGatehouse({ log });
const secrets: Record<string, string> = {};
const offline = { scope: 'openid email offline_access', prompt: 'consent' };
const WRONG = 'canary wrong password 7f3a9c';

beforeAll(async () => {
  await codeFlow();
  await refusals();
  await deviceFlow();
  await machine();
});

async function codeFlow(): Promise<void> {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse);
  const { tokens, landed, begun, browser } = await app.signIn(person, { ...offline, nonce: '' });
  const second = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');
  await oauth.fetchUserInfo(app.config, second.access_token, person.id);
  const other = await relyingParty(gatehouse);
  const open = await browser.open((await other.begin()).url);
  Object.assign(secrets, {
    password,
    clientSecret: app.secret,
    code: new URL(landed.url).searchParams.get('code') ?? '',
    verifier: begun.verifier,
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? '',
    secondRefreshToken: second.refresh_token ?? '',
    idToken: tokens.id_token ?? '',
    session: browser.cookies.get('session') ?? '',
    interaction: new URL(open.url).pathname.split('/')[2] ?? '',
    csrfCookie: browser.cookies.get('gatehouse_csrf') ?? '',
    csrfToken: open.forms[0]?.fields._csrf ?? '',
  });
  await oauth.tokenRevocation(app.config, second.refresh_token ?? '');
}

/** What goes wrong is what gets logged. */
async function refusals(): Promise<void> {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse);
  const browser = createBrowser(gatehouse.issuer);
  const page = await browser.open((await app.begin()).url);
  await browser.submit(page, { identifier: person.email ?? '', password: WRONG }, '/login');
  const { tokens, landed, begun } = await app.signIn(person, offline);
  await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');
  await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''));
  await refusal(app.finish(landed.url, begun));
  await post(
    `${gatehouse.issuer}/token`,
    { grant_type: 'client_credentials' },
    basic(app.client, 'canary-wrong-secret'),
  );
  await fetch(`${gatehouse.issuer}/userinfo?access_token=canary-in-address`, {
    headers: { authorization: 'Bearer canary-bearer-token' },
  });
  Object.assign(secrets, {
    wrongPassword: WRONG,
    reusedRefreshToken: tokens.refresh_token ?? '',
    reusedCode: new URL(landed.url).searchParams.get('code') ?? '',
    wrongClientSecret: 'canary-wrong-secret',
    tokenInAddress: 'canary-in-address',
    bearer: 'canary-bearer-token',
  });
}

async function deviceFlow(): Promise<void> {
  const app = await relyingParty(gatehouse, {
    kind: 'native',
    redirectUris: [],
    grantTypes: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
  });
  const device = await oauth.initiateDeviceAuthorization(app.config, { scope: 'openid' });
  const browser = createBrowser(gatehouse.issuer);
  const page = await browser.open(device.verification_uri);
  await browser.submit(page, { user_code: device.user_code }, '/device');
  Object.assign(secrets, {
    deviceCode: device.device_code,
    userCode: device.user_code,
    bareUserCode: device.user_code.replaceAll('-', ''),
  });
}

async function machine(): Promise<void> {
  const api = await createApi(gatehouse.services, { tokenFormat: 'opaque' });
  const app = await relyingParty(gatehouse, {
    kind: 'machine',
    apis: [{ audience: api.audience, permissions: ['*'] }],
  });
  const { access_token } = await oauth.clientCredentialsGrant(app.config);
  const pushing = await relyingParty(gatehouse);
  const begun = await pushing.begin({ state: 'canary-state-of-par' });
  const url = await oauth.buildAuthorizationUrlWithPAR(pushing.config, new URL(begun.url).searchParams);
  Object.assign(secrets, {
    machineSecret: app.secret,
    opaqueToken: access_token,
    requestUri: (url.searchParams.get('request_uri') ?? '').split(':').at(-1) ?? '',
  });
}

/** Every value of every row of every table, bytes as text. */
async function wholeDatabase(): Promise<string> {
  const { db } = gatehouse.database;
  const tables: { tablename: string }[] = await db('pg_tables')
    .select('tablename')
    .where({ schemaname: 'public' });
  const rows = await Promise.all(tables.map(({ tablename }) => db(tablename)));
  return JSON.stringify(rows.flat(), (_, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
  );
}

describe('secrets', () => {
  it('were planted in every flow', () => {
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThanOrEqual(8);
    }
  });

  it('E6 stand in no line of the debug log', () => {
    const text = lines.join('');
    const leaked = Object.entries(secrets).filter(([, secret]) => text.includes(secret));

    expect(lines.length).toBeGreaterThan(0);
    expect(leaked.map(([name]) => name)).toEqual([]);
  });

  it('stand in no table in clear', async () => {
    const text = await wholeDatabase();
    const leaked = Object.entries(secrets).filter(([, secret]) => text.includes(secret));

    expect(text.length).toBeGreaterThan(10_000);
    expect(leaked.map(([name]) => name)).toEqual([]);
  });

  it('are read again under the key of the server: what was stored still works', async () => {
    const app = await relyingParty(gatehouse);
    const { tokens } = await app.signIn(await createPerson(gatehouse.services), offline);

    expect(await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '')).toHaveProperty(
      'access_token',
    );
  });
});
