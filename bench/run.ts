// `npm run bench`: Gatehouse beside the bare engine, an empty Koa server and better-auth, in turn, on one core; prints ratios and
// writes bench/RESULTS.md. About fifteen minutes.
// Settings: BENCH_ROUNDS (5), BENCH_SECONDS (3), BENCH_CONNECTIONS (32), BENCH_ONLY (part of a row's name; writes nothing),
// BENCH_PROFILE (a folder that gets the CPU profiles of Gatehouse; see bench/profile.ts),
// BENCH_REDIS=1 (with a Redis of its own; writes bench/RESULTS-redis.md).
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { checkNames, checks } from './checks.ts';
import { apps, machine } from './fixture.ts';
import { measure, target } from './load.ts';
import { imports, pageNames, pages } from './pages.ts';
import { prepare } from './prepare.ts';
import { type Row, report } from './report.ts';
import { cpuMilliseconds, gatehouseEnvironment, gatehousePaths, openBench } from './servers.ts';
import { type Scenario, type Side, scenarios } from './works.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const seconds = Number(process.env.BENCH_SECONDS ?? 3);
const connections = Number(process.env.BENCH_CONNECTIONS ?? 32);
const only = process.env.BENCH_ONLY ?? '';
const profiles = process.env.BENCH_PROFILE;
const withRedis = process.env.BENCH_REDIS === '1';
const FLOW_CONNECTIONS = 8;
/** Long enough for the compiler of the runtime to have seen everything a few thousand times. */
const WARM_UP_SECONDS = 4;
const HASHED_MEMORY_KIB = 19_456;

const bench = await openBench({ profiles });
const { pinned } = bench;
try {
  const asked = checkNames.filter((name) => name.includes(only));
  const setting = { rounds, seconds, connections };
  const rows = await runAll();
  const checked = asked.length === 0 ? '' : await checks(bench, asked, setting);
  const cpu = cpus()[0]?.model ?? 'unknown';
  const shown = pageNames.filter((name) => name.includes(only));
  const paged = shown.length === 0 ? '' : await pages(bench, shown, setting);
  const imported = 'import'.includes(only) ? await imports(bench) : '';
  const text = [report(rows, { ...setting, pinned, withRedis, cpu }), checked, paged, imported].join('\n');
  if (only === '')
    await writeFile(join(import.meta.dirname, withRedis ? 'RESULTS-redis.md' : 'RESULTS.md'), text);
  process.stdout.write(`\n${text}\n`);
} finally {
  await bench.close();
}

async function runAll(): Promise<Row[]> {
  const wanted = Object.entries(scenarios).filter(([name]) => name.includes(only));
  if (wanted.length === 0) return [];
  const engine = await engineSide(4711, 0);
  const hashingEngine = await engineSide(4712, HASHED_MEMORY_KIB);
  const gatehouse = await gatehouseSide(4713, 8);
  const hashingGatehouse = await gatehouseSide(4714, HASHED_MEMORY_KIB);

  const rows: Row[] = [];
  for (const [name, scenario] of wanted) {
    const flow = name.startsWith('code flow');
    const named = name === 'code flow' ? name : `${name},`;
    rows.push(await compare(flow ? `${named} without hashing` : name, scenario, gatehouse, engine, flow));
    if (!flow) continue;
    rows.push(await compare(`${named} with hashing`, scenario, hashingGatehouse, hashingEngine, true));
  }
  return rows;
}

async function compare(
  name: string,
  scenario: Scenario,
  ours: Measured,
  engine: Measured,
  flow: boolean,
): Promise<Row> {
  const loops = Array.from({ length: flow ? FLOW_CONNECTIONS : connections }, (_, loop) => loop);
  const sides = {
    gatehouse: await Promise.all(loops.map((loop) => scenario(ours, loop))),
    engine: await Promise.all(loops.map((loop) => scenario(engine, loop))),
  };
  const processes = { gatehouse: ours.process, engine: engine.process };
  const figures: Row['perSecond'] = { gatehouse: [], engine: [] };
  const cpu: Row['cpuMilliseconds'] = { gatehouse: [], engine: [] };
  for (let round = -1; round < rounds; round += 1) {
    for (const side of ['gatehouse', 'engine'] as const) {
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

async function engineSide(port: number, memoryKiB: number): Promise<Measured> {
  return {
    process: await bench.start('bench/bare-engine.ts', port, [String(memoryKiB)]),
    target: target(port, connections),
    paths: { authorize: '/auth', token: '/token', introspect: '/token/introspection', jwks: '/jwks' },
    secrets: { jwt: machine.jwt.secret, opaque: machine.opaque.secret, web: apps.web.secret },
  };
}

async function gatehouseSide(port: number, memoryKiB: number): Promise<Measured> {
  const environment = gatehouseEnvironment(bench.directory, port, {
    DATABASE_URL: await bench.ownDatabase(`bench_${port}`),
    ARGON2_MEMORY_KIB: String(memoryKiB),
    ARGON2_ITERATIONS: memoryKiB === HASHED_MEMORY_KIB ? '2' : '1',
    ...(withRedis ? { REDIS_URL: await bench.startRedis(port + 100) } : {}),
  });
  const { authenticators, ...secrets } = await prepare(environment);
  const process = await bench.start('dist/src/main.js', port, [], environment);
  return { process, target: target(port, connections), paths: gatehousePaths, secrets, authenticators };
}
