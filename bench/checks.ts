// What gateways ask about each request, beside an empty Koa server that reads the same bodies and answers as many bytes, and
// beside better-auth where it is installed (npm ci --prefix bench/rivals).
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createFire, inTurn, type Shot, type Side, type Turns } from './fire.ts';
import { api, machine } from './fixture.ts';
import { makeKeys } from './keys.ts';
import { expectStatus, form, target } from './load.ts';
import { prepare } from './prepare.ts';
import { figure, median } from './report.ts';
import { type Bench, gatehouseEnvironment } from './servers.ts';

/** In turn: as many as a busy gateway sees at once. */
const WARM_KEYS = 64;
/** More than are used in a run of default length, and more than are kept. */
const COLD_KEYS = 130_000;
/** Whose memory is measured. */
const HOT_KEYS = 100_000;
const FORWARD_AUTH_SECRET = 'bench-secret-of-forty-characters-or-so-fwd';
const PORTS = { koa: 4720, gatehouse: 4721, rival: 4722 };
const RIVAL = join(import.meta.dirname, 'rivals/better-auth.js');

export const checkNames = [
  'verify of a key',
  'verify of a key, first use',
  'verify of a JWT',
  'forward-auth',
] as const;
type CheckName = (typeof checkNames)[number];

interface Shooter extends Side {
  readonly side: 'gatehouse' | 'koa' | 'rival';
}

/** The part of the report. */
export async function checks(
  bench: Bench,
  names: readonly CheckName[],
  setting: Turns & { connections: number },
): Promise<string> {
  const gatehouse = await openGatehouse(bench);
  const koa = await bench.start('bench/empty-koa.ts', PORTS.koa);
  const rival = names.includes('verify of a key') ? await openRival(bench) : undefined;
  const to = { connections: setting.connections, directory: bench.directory };
  const lines: string[] = [];
  for (const name of names) {
    const shot = gatehouse.shots[name];
    const size = await sizeOf(shot, PORTS.gatehouse);
    const empty: Shot = { ...shot, path: `/${size}`, right: '' };
    const shooters: Shooter[] = [
      await shooter('gatehouse', gatehouse.process, shot, PORTS.gatehouse),
      await shooter('koa', koa, empty, PORTS.koa),
    ];
    if (name === 'verify of a key' && rival !== undefined) {
      shooters.push(await shooter('rival', rival.process, rival.shot, PORTS.rival));
    }
    await inTurn(shooters, setting);
    lines.push(line(name, shooters));
    process.stdout.write(`${lines.at(-1)}\n`);
  }
  const memory = await memoryOf(gatehouse);
  return table(lines, { isInstalled: existsSync(join(RIVAL, '../node_modules')), memory });

  async function shooter(side: Shooter['side'], process: number, shot: Shot, port: number): Promise<Shooter> {
    const name = `${side}-${port}-${lines.length}`;
    return { side, process, fire: await createFire(shot, { ...to, port, name }), fired: [] };
  }
}

async function openGatehouse(bench: Bench) {
  const environment = gatehouseEnvironment(bench.directory, PORTS.gatehouse, {
    DATABASE_URL: await bench.ownDatabase('bench_checks'),
    ARGON2_MEMORY_KIB: '8',
    ARGON2_ITERATIONS: '1',
    FORWARD_AUTH_SECRET,
  });
  const secrets = await prepare(environment);
  const keys = await makeKeys(environment, COLD_KEYS);
  const process = await bench.start('dist/src/main.js', PORTS.gatehouse, [], environment);
  const { send } = target(PORTS.gatehouse, 1);
  const fields = { grant_type: 'client_credentials', scope: 'notes:read' };
  const call = form(fields, { id: machine.jwt.id, secret: secrets.jwt });
  const { access_token: jwt } = JSON.parse(expectStatus(await send({ ...call, path: '/token' }), 200).body);
  const verify = {
    method: 'POST',
    path: '/api/v1/verify',
    headers: { 'content-type': 'application/json', 'x-api-key': secrets.gatewayKey },
    body: JSON.stringify({
      credential: 'KEY',
      permissions: ['notes:read'],
      api: api.jwt,
      request: { address: '192.0.2.1', method: 'GET', path: '/notes' },
    }),
    right: '"active":true',
  } as const;
  const warm = keys.slice(0, WARM_KEYS);
  const shots: Record<CheckName, Shot> = {
    'verify of a key': { ...verify, keys: warm },
    'verify of a key, first use': { ...verify, keys: keys.slice(WARM_KEYS) },
    'verify of a JWT': { ...verify, keys: [jwt] },
    'forward-auth': {
      method: 'GET',
      path: `/forward-auth?permission=notes:read&api=${encodeURIComponent(api.jwt)}`,
      headers: {
        'x-api-key': 'KEY',
        'x-forward-auth-secret': FORWARD_AUTH_SECRET,
        'x-forwarded-for': '192.0.2.1',
        'x-forwarded-method': 'GET',
        'x-forwarded-uri': '/notes',
      },
      keys: warm,
      right: '',
    },
  };
  return { process, environment, keys, shots };
}

async function openRival(bench: Bench): Promise<{ process: number; shot: Shot } | undefined> {
  if (!existsSync(join(RIVAL, '../node_modules'))) {
    process.stdout.write('better-auth: skipped, as it is not installed: npm ci --prefix bench/rivals\n');
    return undefined;
  }
  const DATABASE_URL = await bench.ownDatabase('bench_better_auth');
  const pid = await bench.start('bench/rivals/better-auth.js', PORTS.rival, [], { DATABASE_URL });
  const keys: string[] = JSON.parse(
    (await target(PORTS.rival, 1).send({ method: 'GET', path: '/keys' })).body,
  );
  const shot: Shot = {
    method: 'POST',
    path: '/verify',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: 'KEY', permissions: { notes: ['read'] } }),
    keys,
    right: '"valid":true',
  };
  return { process: pid, shot };
}

async function sizeOf({ keys, headers = {}, body, method, path }: Shot, port: number): Promise<number> {
  const put = (text: string) => text.replaceAll('KEY', keys[0] ?? '');
  const own = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, put(text)]));
  const call = { method, path, headers: own, ...(body === undefined ? {} : { body: put(body) }) };
  const answer = expectStatus(await target(port, 1).send(call), 200);
  return answer.body.length;
}

/** In a process of its own, whose memory holds nothing else: the keys, and all that verify keeps of each. */
async function memoryOf(of: { environment: Record<string, string>; keys: string[] }): Promise<number> {
  const child = promisify(execFile)(process.execPath, ['--expose-gc', 'bench/hot-keys.ts'], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...of.environment },
  });
  child.child.stdin?.end(of.keys.slice(0, HOT_KEYS).join('\n'));
  return Number((await child).stdout) / 1e6;
}

function line(name: string, shooters: readonly Shooter[]): string {
  const [ours, koa, rival] = shooters.map(({ fired }) => ({
    perSecond: fired.map((one) => one.perSecond),
    cpu: fired.map((one) => one.cpuMilliseconds),
    p99: fired.map((one) => one.p99Milliseconds),
  }));
  if (!ours || !koa) throw new Error('two sides at least');
  const times = (one: number[], other: number[]) => (median(one) / median(other)).toFixed(2);
  return `| ${[
    name,
    figure(ours.perSecond),
    figure(koa.perSecond),
    rival ? figure(rival.perSecond) : '–',
    times(ours.perSecond, koa.perSecond),
    times(koa.cpu, ours.cpu),
    rival ? times(ours.perSecond, rival.perSecond) : '–',
    median(ours.cpu).toFixed(3),
    median(ours.p99).toFixed(1),
  ].join(' | ')} |`;
}

function table(lines: readonly string[], { isInstalled, memory }: { isInstalled: boolean; memory: number }) {
  return `## What gateways ask

The load comes from wrk where there is one. ${WARM_KEYS} keys in turn, each of a person of its own and with a limit of its own; "first use": each key
once, so that it is read from the database. The empty Koa server reads the same bodies and answers as many bytes.
${isInstalled ? 'better-auth: its API-key verify on PostgreSQL, one process, limits on.' : 'better-auth: skipped, as it is not installed (npm ci --prefix bench/rivals).'}

| Work | Gatehouse | Empty Koa | better-auth | Gatehouse / Koa | by CPU | Gatehouse / better-auth | CPU ms | p99 ms |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
${lines.join('\n')}

${HOT_KEYS.toLocaleString('en')} keys that were verified a moment ago, each of a person of its own, take ${memory.toFixed(0)} MB.
`;
}
