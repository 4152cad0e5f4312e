// `node bench/scale.ts`: one server on 1,000 accounts, sessions, API keys and clients, one on 1,000,000 accounts, sessions and
// keys and 10,000 clients, in turn, in one run. Settings: SCALE_ACCOUNTS (keys, too), SCALE_CLIENTS, BENCH_ROUNDS (5),
// BENCH_SECONDS (4), BENCH_ONLY, BENCH_PROFILE (a folder that gets the CPU profiles).
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openServices } from '../src/open-services.ts';
import { loadConfig } from '../src/platform/config/load.ts';
import { api, apps } from './fixture.ts';
import { type Amounts, accountId, generate, loadClient, loadEmail, loadSession } from './generate.ts';
import { makeKeys } from './keys.ts';
import { expectStatus, form, measure, target, type Work } from './load.ts';
import { prepare } from './prepare.ts';
import { figure, median } from './report.ts';
import { cpuMilliseconds, gatehouseEnvironment, gatehousePaths, openBench } from './servers.ts';
import { type Scenario, type Side, scenarios } from './works.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const only = process.env.BENCH_ONLY ?? '';
const accounts = Number(process.env.SCALE_ACCOUNTS ?? 1_000_000);
const clients = Number(process.env.SCALE_CLIENTS ?? 10_000);
const CONNECTIONS = 32;
const WARM_UP_SECONDS = 6;

interface Filled extends Side {
  readonly process: number;
  readonly amounts: Amounts;
  readonly clientSecret: string;
  readonly cookieKey: string;
  readonly gatewayKey: string;
  /** Those in use: as many on both sides, spread over all that there are. */
  readonly keys: readonly string[];
}

const KEYS_IN_USE = 1_000;

const any = (most: number): number => 1 + Math.floor(Math.random() * most);

const works: Record<string, (side: Filled, loop: number) => Promise<Work>> = {
  async 'client credentials of any client'(side) {
    return async () => {
      const id = loadClient(any(side.amounts.clients));
      const call = form({ grant_type: 'client_credentials' }, { id, secret: side.clientSecret });
      expectStatus(await side.target.send({ ...call, path: side.paths.token }), 200);
    };
  },
  async 'verify of a key'(side) {
    return async () => {
      const body = JSON.stringify({
        credential: side.keys[any(KEYS_IN_USE) - 1],
        permissions: ['notes:read'],
        api: api.jwt,
        request: { address: '192.0.2.1', method: 'GET', path: '/notes' },
      });
      const headers = {
        'content-type': 'application/json',
        'content-length': String(body.length),
        'x-api-key': side.gatewayKey,
      };
      const call = { method: 'POST', path: '/api/v1/verify', headers, body } as const;
      const answer = expectStatus(await side.target.send(call), 200);
      if (!answer.body.includes('"active":true')) throw new Error(`not active: ${answer.body}`);
    };
  },
  async 'token for a key'(side) {
    const { headers, ...call } = form({
      grant_type: 'client_credentials',
      scope: 'notes:read',
      resource: api.jwt,
    });
    return async () => {
      const own = { ...headers, 'x-api-key': side.keys[any(KEYS_IN_USE) - 1] ?? '' };
      expectStatus(await side.target.send({ ...call, headers: own, path: side.paths.token }), 200);
    };
  },
  introspection: (side, loop) => scenario('introspection')(side, loop),
  refresh: (side, loop) => scenario('refresh')(side, loop),
  async 'authorization with any session'(side) {
    const query = new URLSearchParams({
      client_id: apps.web.id,
      redirect_uri: apps.web.redirectUri,
      response_type: 'code',
      scope: 'openid',
      prompt: 'none',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
    return async () => {
      const pair = `session=${loadSession(any(side.amounts.sessions))}`;
      const signature = createHmac('sha1', side.cookieKey).update(pair).digest('base64url');
      const headers = { cookie: `${pair}; session.sig=${signature}` };
      const path = `${side.paths.authorize}?${query}`;
      const answer = expectStatus(await side.target.send({ method: 'GET', path, headers }), 303);
      if (!answer.headers.location?.includes('code=')) throw new Error(`no code: ${answer.headers.location}`);
    };
  },
  'sign-in by any identifier': (side, loop) =>
    scenario('code flow')({ ...side, emailOf: () => loadEmail(any(side.amounts.accounts)) }, loop),
};

function scenario(name: string): Scenario {
  const found = scenarios[name];
  if (!found) throw new Error(`no such work: ${name}`);
  return found;
}

const bench = await openBench({ profiles: process.env.BENCH_PROFILE });
try {
  const small = await fill(4731, { accounts: 1_000, sessions: 1_000, clients: 1_000 });
  const large = await fill(4732, { accounts, sessions: accounts, clients });
  const lines: string[] = [];
  for (const [name, work] of Object.entries(works)) {
    if (name.includes(only)) lines.push(await compare(name, work, small, large));
  }
  const text = `<!-- Written by bench/scale.ts -->
# Ten thousand clients, a million accounts

Units of work per second, median (minimum to maximum) of ${rounds} interleaved rounds of ${seconds} s, ${CONNECTIONS} connections
(8 for sign-ins), ids drawn at random: one server with 1,000 accounts, sessions, API keys and clients, one with
${accounts.toLocaleString('en')} accounts, sessions and keys and ${clients.toLocaleString('en')} clients. Of the keys 1,000 are in use on both.

| Work | 1,000 | ${accounts.toLocaleString('en')} | ratio | ratio by CPU |
|---|--:|--:|--:|--:|
${lines.join('\n')}
`;
  process.stdout.write(`\n${text}\n`);
  if (only === '' && accounts === 1_000_000)
    await writeFile(join(import.meta.dirname, 'RESULTS-scale.md'), text);
} finally {
  await bench.close();
}

async function fill(port: number, amounts: Amounts): Promise<Filled> {
  const environment = gatehouseEnvironment(bench.directory, port, {
    DATABASE_URL: await bench.ownDatabase(`scale_${port}`),
    ARGON2_MEMORY_KIB: '8',
    ARGON2_ITERATIONS: '1',
  });
  const secrets = await prepare(environment);
  const config = loadConfig({ environment, directory: undefined });
  const { services, close } = await openServices(config, { role: 'command' });
  const begun = performance.now();
  const { secret } = await generate(services, environment.DATABASE_URL ?? '', amounts);
  const cookieKey = services.serverSecrets.get('cookie').toString('base64url');
  await close();
  const keys = await makeKeys(environment, amounts.accounts, (number) => accountId(number + 1));
  const step = Math.floor(keys.length / KEYS_IN_USE);
  process.stdout.write(
    `${amounts.accounts} accounts: ${((performance.now() - begun) / 1000).toFixed(0)} s\n`,
  );
  return {
    process: await bench.start('dist/src/main.js', port, [], environment),
    target: target(port, CONNECTIONS),
    paths: gatehousePaths,
    secrets,
    amounts,
    clientSecret: secret,
    cookieKey,
    gatewayKey: secrets.gatewayKey,
    keys: Array.from({ length: KEYS_IN_USE }, (_, index) => keys[index * step] ?? ''),
  };
}

async function compare(
  name: string,
  work: (side: Filled, loop: number) => Promise<Work>,
  small: Filled,
  large: Filled,
): Promise<string> {
  const loops = name.startsWith('sign-in') ? 8 : CONNECTIONS;
  const sides = await Promise.all(
    [small, large].map(async (side) => ({
      process: side.process,
      works: await Promise.all(Array.from({ length: loops }, (_, loop) => work(side, loop))),
      perSecond: [] as number[],
      cpu: [] as number[],
    })),
  );
  for (let round = -1; round < rounds; round += 1) {
    for (const side of sides) {
      const before = cpuMilliseconds(side.process);
      const { perSecond, done } = await measure(side.works, round < 0 ? WARM_UP_SECONDS : seconds);
      if (round < 0) continue;
      side.perSecond.push(perSecond);
      side.cpu.push((cpuMilliseconds(side.process) - before) / done);
    }
  }
  const [one, many] = sides;
  if (!one || !many) throw new Error('two sides');
  const ratio = median(many.perSecond) / median(one.perSecond);
  const byCpu = median(one.cpu) / median(many.cpu);
  return `| ${name} | ${figure(one.perSecond)} | ${figure(many.perSecond)} | ${ratio.toFixed(2)} | ${byCpu.toFixed(2)} |`;
}
