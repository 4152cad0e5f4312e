// `npm run bench`: Gatehouse beside the bare engine and an empty Koa server, in turn, on one core; prints ratios and writes
// bench/RESULTS.md. Settings: BENCH_ROUNDS (5), BENCH_SECONDS (4), BENCH_CONNECTIONS (32), BENCH_ONLY (part of a row's name; writes nothing),
// BENCH_PROFILE (a folder that gets the CPU profiles of Gatehouse; see bench/profile.ts).
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { silentLog } from '../src/platform/telemetry/log.ts';
import { apps, machine } from './fixture.ts';
import { form, measure, type Target, target } from './load.ts';
import { prepare } from './prepare.ts';
import { type Row, report } from './report.ts';
import { type Scenario, type Side, scenarios } from './works.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const connections = Number(process.env.BENCH_CONNECTIONS ?? 32);
const only = process.env.BENCH_ONLY ?? '';
const profiles = process.env.BENCH_PROFILE;
const FLOW_CONNECTIONS = 8;
/** Long enough for the compiler of the runtime to have seen everything a few thousand times. */
const WARM_UP_SECONDS = 6;
const HASHED_MEMORY_KIB = 19_456;

const pinned = availableParallelism() > 1 && hasTaskset();
// This process makes the load and starts the database, so both stay off the servers' core.
if (pinned) execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)], { stdio: 'ignore' });

execFileSync(process.execPath, ['scripts/build.ts'], { stdio: 'inherit' });

const directory = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
const children: ChildProcess[] = [];
const database = await openEmbeddedPostgres({ dataDirectory: directory, role: 'serve', log: silentLog });
try {
  const rows = await runAll();
  const text = report(rows, { rounds, seconds, connections, pinned, cpu: cpus()[0]?.model ?? 'unknown' });
  if (only === '') await writeFile(join(import.meta.dirname, 'RESULTS.md'), text);
  process.stdout.write(`\n${text}\n`);
} finally {
  for (const child of children) child.kill('SIGTERM');
  await delay(500);
  await database.release();
  await rm(directory, { recursive: true, force: true });
}

async function runAll(): Promise<Row[]> {
  const koa = await koaSide(4710);
  const engine = await engineSide(4711, 0);
  const hashingEngine = await engineSide(4712, HASHED_MEMORY_KIB);
  const gatehouse = await gatehouseSide(4713, 8);
  const hashingGatehouse = await gatehouseSide(4714, HASHED_MEMORY_KIB);

  const rows: Row[] = [];
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (!name.includes(only)) continue;
    const flow = name === 'code flow';
    rows.push(
      await compare(flow ? 'code flow without hashing' : name, scenario, gatehouse, engine, koa, flow),
    );
    if (flow) {
      rows.push(
        await compare('code flow with hashing', scenario, hashingGatehouse, hashingEngine, koa, true),
      );
    }
  }
  return rows;
}

async function compare(
  name: string,
  scenario: Scenario,
  ours: Measured,
  engine: Measured,
  koa: KoaSide,
  flow: boolean,
): Promise<Row> {
  const loops = flow ? FLOW_CONNECTIONS : connections;
  const call = { ...form({ grant_type: 'client_credentials' }, machine.jwt), path: '/token' };
  const sides = {
    gatehouse: await Promise.all(Array.from({ length: loops }, (_, loop) => scenario(ours, loop))),
    engine: await Promise.all(Array.from({ length: loops }, (_, loop) => scenario(engine, loop))),
    koa: Array.from({ length: loops }, () => async () => void (await koa.target.send(call))),
  };
  const processes = { gatehouse: ours.process, engine: engine.process, koa: koa.process };
  const figures: Row['perSecond'] = { gatehouse: [], engine: [], koa: [] };
  const cpu: Row['cpuMilliseconds'] = { gatehouse: [], engine: [], koa: [] };
  for (let round = -1; round < rounds; round += 1) {
    for (const side of ['gatehouse', 'engine', 'koa'] as const) {
      const before = cpuMilliseconds(processes[side]);
      const { perSecond, done } = await measure(sides[side], round < 0 ? WARM_UP_SECONDS : seconds);
      if (round < 0) continue;
      figures[side].push(perSecond);
      cpu[side].push((cpuMilliseconds(processes[side]) - before) / done);
    }
  }
  process.stdout.write(
    `${name}: ${JSON.stringify(figures, (_k, v) => (typeof v === 'number' ? Math.round(v) : v))}\n`,
  );
  return { name, perSecond: figures, cpuMilliseconds: cpu };
}

type Measured = Side & { readonly process: number };

interface KoaSide {
  readonly target: Target;
  readonly process: number;
}

async function koaSide(port: number): Promise<KoaSide> {
  return { process: await start('bench/empty-koa.ts', port), target: target(port, connections) };
}

async function engineSide(port: number, memoryKiB: number): Promise<Measured> {
  return {
    process: await start('bench/bare-engine.ts', port, [String(memoryKiB)]),
    target: target(port, connections),
    paths: { authorize: '/auth', token: '/token', introspect: '/token/introspection', jwks: '/jwks' },
    secrets: { jwt: machine.jwt.secret, opaque: machine.opaque.secret, web: apps.web.secret },
  };
}

/** Ledger, limits and PostgreSQL on; only the numbers of the limits are out of reach, as one address makes all the load. */
async function gatehouseSide(port: number, memoryKiB: number): Promise<Measured> {
  const url = await ownDatabase(`bench_${port}`);
  const environment = {
    DATABASE_URL: url,
    KEYS_DIRECTORY: join(directory, `keys-${port}`),
    PORT: String(port),
    ISSUER: `http://127.0.0.1:${port}`,
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'json',
    ARGON2_MEMORY_KIB: String(memoryKiB),
    ARGON2_ITERATIONS: memoryKiB === HASHED_MEMORY_KIB ? '2' : '1',
    LIMIT_PAGE_PER_MINUTE: '10000000',
    LIMIT_SIGN_IN_PER_MINUTE: '10000000',
    LIMIT_TOKEN_PER_MINUTE: '10000000',
    LIMIT_INTROSPECTION_PER_MINUTE: '10000000',
  };
  const secrets = await prepare(environment);
  return {
    process: await start('dist/src/main.js', port, [], environment),
    target: target(port, connections),
    paths: { authorize: '/authorize', token: '/token', introspect: '/introspect', jwks: '/jwks' },
    secrets,
  };
}

async function ownDatabase(name: string): Promise<string> {
  const { Client } = await import('pg');
  const admin = new URL(database.url);
  const owner = decodeURIComponent(admin.username);
  admin.username = 'postgres';
  admin.pathname = '/postgres';
  const client = new Client({ connectionString: admin.href });
  await client.connect();
  await client.query(`create database ${name} owner "${owner}"`);
  await client.end();
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** Starts a server on core 0 and waits until it answers; its process id. */
async function start(
  file: string,
  port: number,
  more: string[] = [],
  environment: object = {},
): Promise<number> {
  const profiling =
    profiles !== undefined && file.startsWith('dist') ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : [];
  const command = [process.execPath, ...profiling, file, String(port), ...more];
  const [program = '', ...rest] = pinned ? ['taskset', '-c', '0', ...command] : command;
  const child = spawn(program, rest, {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`${file} ended at its start`);
    const answer = await fetch(`http://127.0.0.1:${port}/jwks`).catch(() => undefined);
    if (answer) return child.pid ?? 0;
    await delay(100);
  }
  throw new Error(`${file} does not answer on ${port}`);
}

/** What a process has used of its core, so that a ratio can be had on a machine that others use, too (proc(5): 10 ms ticks). */
function cpuMilliseconds(process: number): number {
  try {
    const fields = readFileSync(`/proc/${process}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-p', String(process.pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
