// A server on restored data: people sign in as before, and what was signed in then is over, unless it was to be kept.
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RelyingParty, refusal, relyingParty, type Tokens } from '../flows/relying-party.ts';
import { createBrowser } from '../support/browser.ts';
import { useCluster } from '../support/cluster.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { createPerson } from '../support/people.ts';
import { backupOn } from './world.ts';

const cluster = useCluster({ size: 1 });
const fresh = useDatabase('empty');
const kept = useDatabase('empty');
const folder = useFolders();
const offline = { scope: 'openid email offline_access', prompt: 'consent' };
const world: { app?: RelyingParty; then?: Tokens; later?: Tokens; cookies?: Map<string, string> } = {};
let person: Awaited<ReturnType<typeof createPerson>>;
let path = '';
let server: ServerProcess | undefined;

beforeAll(async () => {
  person = await createPerson(cluster.services);
  const app = await relyingParty(cluster);
  const { tokens, browser } = await app.signIn(person, offline);
  const then = await refresh(app, tokens);
  path = join(folder(), 'a.backup');
  await backupOn(cluster.environment()).write(path);
  const later = await refresh(app, then);
  Object.assign(world, { app, then, later, cookies: browser.cookies });
  await Promise.all(cluster.processes.map((node) => node.end()));
}, 60_000);
afterAll(() => server?.end('SIGKILL'));

it('lets people sign in with their passwords, as the same person, with the same keys', async () => {
  await serveRestored(fresh.databaseUrl(), false);
  const { app, then } = parts();
  const { tokens } = await app.signIn(person, offline);

  expect(tokens.claims()?.sub).toBe(then.claims()?.sub);
  const keys = createRemoteJWKSet(new URL(`${cluster.issuer}/jwks`));
  await expect(jwtVerify(then.id_token ?? '', keys, { issuer: cluster.issuer })).resolves.toBeDefined();
  expect(await refresh(app, tokens)).toHaveProperty('access_token');
}, 60_000);

it('takes no refresh token, access token or browser session of before', async () => {
  const { app, then, later, cookies } = parts();

  expect(await refusal(refresh(app, then))).toBe('invalid_grant');
  expect(await refusal(refresh(app, later))).toBe('invalid_grant');
  const headers = { authorization: `Bearer ${then.access_token}` };
  expect((await fetch(`${cluster.issuer}/userinfo`, { headers })).status).toBe(401);
  const browser = createBrowser(new URL(cluster.issuer).origin);
  browser.headers.cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const page = await browser.open((await app.begin(offline)).url);
  expect(page.forms.some((form) => form.action.endsWith('/login'))).toBe(true);
}, 60_000);

it('keeps refresh tokens as they were, when that is wanted', async () => {
  await serveRestored(kept.databaseUrl(), true);
  const { app, then, later } = parts();

  // The one of after the backup is not known; the one before it, used up since, works again: so the command says.
  expect(await refusal(refresh(app, later))).toBe('invalid_grant');
  expect(await refresh(app, then)).toHaveProperty('access_token');
}, 60_000);

function parts() {
  const { app, then, later, cookies } = world;
  if (!app || !then || !later || !cookies) throw new Error('nobody signed in');
  return { app, then, later, cookies };
}

function refresh(app: RelyingParty, tokens: Tokens) {
  return oauth.refreshTokenGrant(app.config, tokens.refresh_token ?? 'none');
}

async function serveRestored(databaseUrl: string, keepSessions: boolean): Promise<void> {
  const environment = { ...cluster.environment(), DATABASE_URL: databaseUrl };
  await backupOn(environment).bringBack(path, { keepSessions });
  await server?.end();
  server = await spawnServer({ ...environment, PORT: new URL(cluster.issuer).port });
}
