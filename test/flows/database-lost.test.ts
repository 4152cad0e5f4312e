// PostgreSQL killed and paused under a server that is in use: quick answers, nothing lost, and well again by itself.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../src/platform/database/migrations.ts';
import { createPostgres, type Postgres } from '../../src/platform/database/postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from '../support/gatehouse.ts';
import { createApi } from '../support/people.ts';
import { usePostgresServer } from '../support/postgres-server.ts';
import { basic, post, type RelyingParty, relyingParty } from './relying-party.ts';

/** The breaker takes a second at most; the rest is this machine, which runs other things as well. */
const LONGEST_MILLISECONDS = 1_800;
const RECOVERY_MILLISECONDS = 2_500;
const CALLERS = 6;

interface Answer {
  readonly what: string;
  readonly status: number;
  readonly milliseconds: number;
  readonly headers: Headers;
  readonly body: string;
}

const server = usePostgresServer();
const world: {
  node?: ServerProcess;
  postgres?: Postgres;
  services?: Services;
  machine?: RelyingParty;
  managementToken?: string;
} = {};

beforeAll(async () => {
  await migrate({ url: server.url(), log: silentLog });
  const port = await freePort();
  const environment = {
    PORT: String(port),
    ISSUER: `http://localhost:${port}`,
    DATABASE_URL: server.url(),
    MASTER_KEY: randomBytes(32).toString('base64'),
    LOG_FORMAT: 'json',
  };
  world.node = await spawnServer(environment);
  const settings = { poolMax: 4, statementTimeoutSeconds: 10, applicationName: 'gatehouse test' };
  world.postgres = createPostgres({ ...settings, url: server.url() });
  world.services = await createServices(testConfig(environment), {
    postgres: world.postgres,
    log: silentLog,
  });
  const { audience } = await createApi(world.services);
  await delay(1_200);
  const of = { issuer: environment.ISSUER, services: world.services };
  world.machine = await relyingParty(of, { kind: 'machine', apis: [{ audience, permissions: ['*'] }] });
  const management = `${environment.ISSUER}/api`;
  const own = await relyingParty(of, {
    kind: 'machine',
    apis: [{ audience: management, permissions: ['*'] }],
  });
  const answer = await post(
    `${of.issuer}/token`,
    { grant_type: 'client_credentials', resource: management, scope: 'accounts:read' },
    basic(own.client, own.secret),
  );
  world.managementToken = String(answer.body.access_token);
  expect((await api()).status).toBe(200);
}, 60_000);
afterAll(async () => {
  await world.services?.audit.stop();
  await world.services?.changes.stop();
  await world.postgres?.close();
  await world.node?.end('SIGKILL');
});

async function ask(what: string, path: string, init: RequestInit = {}): Promise<Answer> {
  const begun = performance.now();
  const response = await fetch(`${world.node?.issuer}${path}`, { redirect: 'manual', ...init });
  const body = await response.text();
  const milliseconds = performance.now() - begun;
  return { what, status: response.status, milliseconds, headers: response.headers, body };
}

function token(): Promise<Answer> {
  if (!world.machine) throw new Error('the server runs only while tests run');
  return ask('token', '/token', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
    headers: basic(world.machine.client, world.machine.secret),
  });
}

const page = (language: string) =>
  ask('page', '/device', { headers: { accept: 'text/html', 'accept-language': language } });
const api = () =>
  ask('api', '/api/v1/accounts', { headers: { authorization: `Bearer ${world.managementToken}` } });

/** People and machines that go on asking, whatever they are answered. */
function startLoad() {
  const answers: Answer[] = [];
  const failures: string[] = [];
  const load = { over: false };
  const asked = [
    ...Array.from({ length: CALLERS }, () => token),
    () => ask('always', '/jwks'),
    () => ask('always', '/.well-known/openid-configuration'),
    () => ask('always', '/healthz'),
  ];
  const busy = asked.map(async (call) => {
    while (!load.over) {
      await delay(5);
      await call().then(
        (answer) => answers.push(answer),
        (error: unknown) => failures.push(String(error)),
      );
    }
  });
  return {
    answers,
    failures,
    async stop() {
      load.over = true;
      await Promise.all(busy);
    },
  };
}

async function untilServed(): Promise<number> {
  const begun = performance.now();
  while ((await token()).status !== 200 && performance.now() - begun < 20_000) await delay(20);
  return performance.now() - begun;
}

/** Each kind of reader is told in its own way; whatever needs no database is served. */
async function expectAway(): Promise<void> {
  const refused = await token();
  expect(refused.status).toBe(503);
  expect(JSON.parse(refused.body)).toMatchObject({
    error: 'temporarily_unavailable',
    code: 'database_unavailable',
  });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);

  const problem = await api();
  expect([problem.status, problem.headers.get('content-type')]).toEqual([503, 'application/problem+json']);
  expect(JSON.parse(problem.body)).toMatchObject({ code: 'database_unavailable', status: 503 });

  const [english, german] = await Promise.all([page('en'), page('de')]);
  expect([english.status, german.status]).toEqual([503, 503]);
  expect(english.body).toContain('We will be right back');
  expect(german.body).toContain('Gleich geht es weiter');
  expect(Number(german.headers.get('retry-after'))).toBeGreaterThan(0);

  const asset = /href="([^"]+\.css[^"]*)"/.exec(english.body)?.[1] ?? '';
  for (const path of ['/jwks', '/.well-known/openid-configuration', '/healthz', asset]) {
    expect((await ask('always', path)).status, path).toBe(200);
  }
  expect((await ask('readyz', '/readyz')).status).toBe(503);
}

async function expectNothingLost(answers: readonly Answer[]): Promise<void> {
  const ids = answers
    .filter(({ what, status }) => what === 'token' && status === 200)
    .map(({ body }) => decodeJwt((JSON.parse(body) as { access_token: string }).access_token).jti);
  const rows: { id: string }[] = await (world.postgres as Postgres)
    .db('audit_events')
    .where({ type: 'token.issued' })
    .select((world.postgres as Postgres).db.raw(`details->>'tokenId' as id`));
  const known = new Set(rows.map(({ id }) => id));
  expect(ids.length).toBeGreaterThan(20);
  expect(ids.filter((id) => !known.has(id ?? ''))).toEqual([]);
}

function expectQuick(answers: readonly Answer[]): void {
  const tokens = answers.filter(({ what }) => what === 'token');
  expect(new Set(tokens.map(({ status }) => status))).toEqual(new Set([200, 503]));
  expect(Math.max(...answers.map(({ milliseconds }) => milliseconds))).toBeLessThan(LONGEST_MILLISECONDS);
  for (const { status } of answers.filter(({ what }) => what === 'always')) expect(status).toBe(200);
}

describe('PostgreSQL lost while the server is in use', () => {
  const losses = {
    'killed with kill -9': { lose: () => server.kill(), find: () => server.start() },
    'paused with SIGSTOP': { lose: () => server.pause(), find: () => server.resume() },
  };

  for (const [how, { lose, find }] of Object.entries(losses)) {
    it(`answers quickly, loses nothing and is well again by itself: ${how}`, {
      timeout: 40_000,
    }, async () => {
      const said = world.node?.output().length ?? 0;
      const load = startLoad();
      await delay(1_500);
      await lose();
      await delay(1_500);
      await expectAway();
      await delay(1_500);
      await find();
      expect(await untilServed()).toBeLessThan(RECOVERY_MILLISECONDS);
      await expect.poll(async () => (await ask('readyz', '/readyz')).status, { timeout: 3_000 }).toBe(200);
      await delay(1_000);
      await load.stop();

      expect(load.failures).toEqual([]);
      expectQuick(load.answers);
      // All of the pool works again, and what was told was kept.
      for (const { status } of await Promise.all(Array.from({ length: 40 }, token))) expect(status).toBe(200);
      await expectNothingLost(load.answers);
      expect(world.node?.child.exitCode).toBe(null);
      expectOneLineEachWay((world.node?.output() ?? '').slice(said));
    });
  }
});

function expectOneLineEachWay(output: string): void {
  const lines = output
    .trim()
    .split('\n')
    .filter((line) => !line.includes('"msg":"answered"'));
  const saying = (text: string) => lines.filter((line) => line.includes(text)).length;
  expect([saying('PostgreSQL is away'), saying('PostgreSQL is back')]).toEqual([1, 1]);
  expect(lines.join('\n')).not.toMatch(/unhandled|Request failed|Request could not be served/i);
  // Jobs and the change feed may add that they noticed; a flood of lines is what must not be.
  expect(lines.length, lines.join('\n')).toBeLessThan(12);
}
