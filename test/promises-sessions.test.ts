// Promise C5 of the product: refresh rotation, device info in the session list, stale refresh tokens dead, and revocation
// that reaches every worker, with caches and clean-up.
import * as oauth from 'openid-client';
import { expect, it, vi } from 'vitest';
import { refusal, relyingParty } from './flows/relying-party.ts';
import { createBrowser } from './support/browser.ts';
import { spawnServer, useGatehouse } from './support/gatehouse.ts';
import { createPerson, operator } from './support/people.ts';

const gatehouse = useGatehouse();
const all = { limit: 10, cursor: null };

async function signedIn() {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, {
    firstParty: true,
    grantTypes: ['authorization_code', 'refresh_token'],
    scopes: ['openid', 'email', 'offline_access'],
    apis: [{ audience: gatehouse.services.managementAudience, permissions: ['*'] }],
  });
  const browser = createBrowser(gatehouse.issuer);
  browser.headers['user-agent'] = 'Harbour/7 (Test Phone)';
  const { tokens } = await app.signIn(
    person,
    { scope: 'openid email offline_access', prompt: 'consent' },
    browser,
  );
  return { person, app, browser, tokens };
}

it('C5: a refresh token is exchanged for a new one, and the old one ends the whole family when it comes back', async () => {
  const { app, tokens } = await signedIn();
  const next = await oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? '');
  expect(next.refresh_token).not.toBe(tokens.refresh_token);

  expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
    'invalid_grant',
  );
  expect(await refusal(oauth.refreshTokenGrant(app.config, next.refresh_token ?? ''))).toBe('invalid_grant');
});

it('C5: the list of sessions shows address and device of each', async () => {
  const { person } = await signedIn();
  const { items } = await gatehouse.services.sessions.list({ accountId: person.id }, all);

  expect(items).toMatchObject([
    { userAgent: 'Harbour/7 (Test Phone)', address: expect.stringMatching(/127\.0\.0\.1|::1/) },
  ]);
});

it('C5: what is revoked by one worker is dead in another one that has it in its caches, within five seconds', async () => {
  const { person, app, tokens, browser } = await signedIn();
  const { config } = gatehouse.services;
  const other = await spawnServer({
    DATABASE_URL: gatehouse.database.databaseUrl(),
    KEYS_DIRECTORY: config.secrets.keysDirectory,
    ISSUER: gatehouse.issuer,
  });
  try {
    const at = `http://localhost:${other.port}`;
    const ask = async () => {
      const headers = { authorization: `Bearer ${tokens.access_token}` };
      const userinfo = (await fetch(`${at}/userinfo`, { headers })).status;
      const body = new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: 'none',
        client_id: app.client.id,
        client_secret: app.secret,
      });
      const client = (await (await fetch(`${at}/token`, { method: 'POST', body })).json()) as {
        error: string;
      };
      return { userinfo, client: client.error };
    };
    expect(await ask()).toMatchObject({ userinfo: 200 });

    await gatehouse.services.sessions.endAll({ accountId: person.id }, operator);
    // Sessions, grants and opaque tokens are asked of the database: dead at once, everywhere.
    expect((await ask()).userinfo).toBe(401);
    expect(await refusal(oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? ''))).toBe(
      'invalid_grant',
    );
    const shown = await browser.open((await app.begin({ prompt: 'none' })).url);
    expect(new URL(shown.url).searchParams.get('error')).toBe('login_required');

    // A client is remembered by each worker, and forgotten by all.
    await gatehouse.services.clients.change(app.client.id, { status: 'disabled' }, operator);
    await vi.waitFor(async () => expect((await ask()).client).toBe('invalid_client'), {
      timeout: 5000,
      interval: 100,
    });
  } finally {
    await other.end();
  }
}, 60_000);

it('C5: what is over is removed by the clean-up', async () => {
  const { db } = gatehouse.database;
  const { person } = await signedIn();
  const tables = ['oidc_sessions', 'oidc_grants', 'oidc_tokens'];
  for (const table of tables) {
    await db(table)
      .where({ account_id: person.id })
      .update({ expires_at: db.raw(`now() - interval '1 hour'`) });
  }
  const job = gatehouse.services.jobs.find(({ name }) => name === 'remove-expired-engine-state');
  await job?.run();

  for (const table of tables) expect(await db(table).where({ account_id: person.id })).toEqual([]);
  expect(
    await db('oidc_session_clients').whereNotIn('uid_hash', db('oidc_sessions').select('uid_hash')),
  ).toEqual([]);
});
