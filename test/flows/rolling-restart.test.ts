// Two workers are replaced twice and the signing keys rotated while clients are busy: not one request fails.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { childEnvironment } from '../support/child.ts';
import { useDatabase } from '../support/database.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from '../support/gatehouse.ts';
import { createApi, createPerson } from '../support/people.ts';
import { basic, type RelyingParty, relyingParty } from './relying-party.ts';

const CALLERS = 3;
/** Between two requests of one caller: busy, and not a measurement of how slow this machine is. */
const PAUSE_MILLISECONDS = 30;

const database = useDatabase();
const world: { node?: ServerProcess; services?: Services; environment?: Record<string, string> } = {};
// Connections are kept and used again, as load balancers and client libraries do it: those meet a restart the hardest.
const agent = new Agent({ keepAlive: true, maxSockets: 16 });

beforeAll(async () => {
  const port = await freePort();
  world.environment = {
    PORT: String(port),
    ISSUER: `http://localhost:${port}`,
    DATABASE_URL: database.databaseUrl(),
    MASTER_KEY: randomBytes(32).toString('base64'),
    WORKERS: '2',
    LOG_FORMAT: 'json',
    SIGNING_KEY_PUBLISH_DELAY_SECONDS: '2',
    // An idle connection keeps an old worker for most of this time.
    SHUTDOWN_GRACE_SECONDS: '2',
  };
  world.node = await spawnServer(world.environment);
  // The earliest that anybody can ask for it: the second worker may still be on its way.
  world.node.child.kill('SIGHUP');
  const config = testConfig(world.environment);
  world.services = await createServices(config, { postgres: database.postgres, log: silentLog });
}, 60_000);
afterAll(async () => {
  agent.destroy();
  await world.services?.audit.stop();
  await world.services?.changes.stop();
  await world.node?.end('SIGTERM');
});

interface Seen {
  readonly failures: string[];
  readonly tokens: string[];
  requests: number;
}

it('serves every request through two rolling restarts and a rotation of keys', {
  timeout: 180_000,
}, async () => {
  const { node, services } = world;
  if (!node || !services) throw new Error('the server runs only while tests run');
  const server = { issuer: node.issuer, services };
  const { audience } = await createApi(services);
  await delay(1_200);
  const machine = await relyingParty(server, { kind: 'machine', apis: [{ audience, permissions: ['*'] }] });
  const app = await relyingParty(server, { firstParty: true });
  const person = await createPerson(services);
  const { tokens } = await app.signIn(person, { scope: 'openid offline_access', prompt: 'consent' });

  const seen: Seen = { failures: [], tokens: [], requests: 0 };
  const load = { over: false };
  const refreshing = refreshes(app, tokens.refresh_token ?? '', seen);
  const callers = [
    ...Array.from({ length: CALLERS }, () => () => machineToken(machine, seen)),
    refreshing,
    () => metadata(seen),
  ];
  const busy = callers.map((call) => repeat(load, seen, call));
  await rolled(node, 1);
  const rotated = command('signing-keys', 'rotate', '--force');
  await roll(node, 2);
  await rotated;
  await delay(1_000);
  load.over = true;
  await Promise.all(busy);

  expect(seen.failures).toEqual([]);
  expect(seen.requests).toBeGreaterThan(200);
  const keys = createRemoteJWKSet(new URL(`${node.issuer}/jwks`));
  for (const token of seen.tokens) await jwtVerify(token, keys, { issuer: node.issuer });
  expect(node.output().match(/A worker ended/g)).toBe(null);
});

async function roll(node: ServerProcess, times: number): Promise<void> {
  const before = await workersOf(node);
  node.child.kill('SIGHUP');
  await rolled(node, times);
  const after = await workersOf(node);
  expect(after).toHaveLength(2);
  expect(after.filter((pid) => before.includes(pid))).toEqual([]);
}

async function rolled(node: ServerProcess, times: number): Promise<void> {
  const done = () => node.output().match(/Rolling restart done/g)?.length ?? 0;
  await expect.poll(done, { timeout: 90_000, interval: 50 }).toBe(times);
}

async function workersOf(node: ServerProcess): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(node.child.pid)]);
  return stdout.trim().split(/\s+/);
}

async function command(...words: string[]): Promise<void> {
  const env = { ...childEnvironment, ...world.environment };
  await promisify(execFile)(process.execPath, ['src/cli.ts', ...words, '--json'], { env });
}

async function repeat(load: { over: boolean }, seen: Seen, call: () => Promise<void>): Promise<void> {
  while (!load.over) {
    await delay(PAUSE_MILLISECONDS);
    try {
      await call();
    } catch (error) {
      seen.failures.push(String(error));
    }
  }
}

async function machineToken(machine: RelyingParty, seen: Seen): Promise<void> {
  const body = await send(seen, '/token', { grant_type: 'client_credentials' }, machine);
  seen.tokens.push(String(body.access_token));
}

/** Each answer holds the only token for the next request: one that were lost on the way would end the chain. */
function refreshes(app: RelyingParty, first: string, seen: Seen): () => Promise<void> {
  let token = first;
  return async () => {
    const fields = { grant_type: 'refresh_token', refresh_token: token };
    token = String((await send(seen, '/token', fields, app)).refresh_token);
  };
}

async function metadata(seen: Seen): Promise<void> {
  await send(seen, '/.well-known/openid-configuration');
  await send(seen, '/jwks');
}

/** Without any retry, over the kept connections of the agent. */
function send(
  seen: Seen,
  path: string,
  fields?: Record<string, string>,
  party?: RelyingParty,
): Promise<Record<string, unknown>> {
  seen.requests += 1;
  const body = fields === undefined ? undefined : String(new URLSearchParams(fields));
  const headers = {
    ...(party && basic(party.client, party.secret)),
    ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
  };
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const sent = request(`${world.node?.issuer}${path}`, { agent, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as Record<string, unknown>);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
      });
    });
    sent.on('error', (error) => reject(new Error(`${method} ${path}: ${error.message}`)));
    sent.end(body);
  });
}
