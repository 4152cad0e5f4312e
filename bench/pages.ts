// What people look at: pages of the account beside an empty Koa server that answers as many bytes, how long one page takes
// when nobody else asks, and how fast people of another system are taken over.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createFire, inTurn, type Side as Shooter, type Shot, type Turns } from './fire.ts';
import { expectStatus, target } from './load.ts';
import { prepare } from './prepare.ts';
import { figure, median } from './report.ts';
import { type Bench, gatehouseEnvironment, gatehousePaths } from './servers.ts';
import { cookieHeader, type Side, scenarios, signedInAt } from './works.ts';

const PORTS = { koa: 4725, gatehouse: 4726 };
const LOOKS = 300;
const IMPORTED = 50_000;
const IMPORT_ROUNDS = 3;

/** And what each shows to whoever is signed in. */
const paths = {
  'account page': { path: '/account', right: 'action="/account/sign-out"' },
  'security page': { path: '/account/security', right: '/account/security/authenticator' },
} as const;
type PageName = keyof typeof paths;

export const pageNames = Object.keys(paths) as PageName[];

/** The part of the report. */
export async function pages(
  bench: Bench,
  names: readonly PageName[],
  setting: Turns & { connections: number },
): Promise<string> {
  const gatehouse = await openGatehouse(bench);
  const koa = await bench.start('bench/empty-koa.ts', PORTS.koa);
  const to = { connections: setting.connections, directory: bench.directory };
  const { side } = gatehouse;
  const cookie = cookieHeader(await signedInAt(side, '/account'));
  const lines: string[] = [];
  for (const name of names) {
    const { path, right } = paths[name];
    const shot: Shot = { method: 'GET', path, headers: { cookie }, keys: [''], right };
    const bytes = Buffer.byteLength((await side.target.send(shot)).body);
    const empty: Shot = { ...shot, path: `/${bytes}`, right: '' };
    const ours = await createFire(shot, { ...to, port: PORTS.gatehouse, name: `ours-${lines.length}` });
    const other = await createFire(empty, { ...to, port: PORTS.koa, name: `koa-${lines.length}` });
    const sides: readonly [Shooter, Shooter] = [
      { fire: ours, process: gatehouse.process, fired: [] },
      { fire: other, process: koa, fired: [] },
    ];
    await inTurn(sides, setting);
    const alone = await times(async () => {
      expectStatus(await side.target.send(shot), 200);
    });
    lines.push(line(name, sides, { alone, bytes }));
    process.stdout.write(`${lines.at(-1)}\n`);
  }
  const signIn = await times(await signInPage(side));
  return `## Pages of people

One page is asked for again and again by a browser that is signed in. The empty Koa server answers as many bytes. The last column:
how long one page takes when nobody else asks, median of ${LOOKS}; of the sign-in page, with the authorization request that leads
to it and its redirects, ${median(signIn).toFixed(1)} ms.

| Page | Gatehouse | Empty Koa | Gatehouse / Koa | by CPU | CPU ms | p99 ms | Bytes | Alone, ms |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
${lines.join('\n')}
`;
}

/** Each time into an empty database, from a file. */
export async function imports(bench: Bench): Promise<string> {
  const done: { perSecond: number; cpuMicroseconds: number; megabytes: number }[] = [];
  for (let round = 0; round < IMPORT_ROUNDS; round += 1) {
    const url = await bench.ownDatabase(`bench_import_${round}`);
    const command = [process.execPath, 'bench/import.ts', String(IMPORTED), url];
    const [program = '', ...rest] = bench.pinned ? ['taskset', '-c', '0', ...command] : command;
    const { stdout } = await promisify(execFile)(program, rest);
    done.push(JSON.parse(stdout));
    process.stdout.write(`import: ${stdout}`);
  }
  const of = (name: keyof (typeof done)[number]) => done.map((one) => one[name]);
  return `## Import

\`gatehouse user import\` of ${IMPORTED.toLocaleString('en')} people from CSV, each with address, user name, bcrypt hash and event; ${IMPORT_ROUNDS} rounds, each into an
empty database. A million at once: \`node bench/import.ts 1000000\`.

| Work | Accounts per second | CPU µs per account | Memory, MB |
|---|--:|--:|--:|
| import | ${figure(of('perSecond'))} | ${Math.round(median(of('cpuMicroseconds')))} | ${Math.round(Math.max(...of('megabytes')))} |
`;
}

async function openGatehouse(bench: Bench): Promise<{ process: number; side: Side }> {
  const environment = gatehouseEnvironment(bench.directory, PORTS.gatehouse, {
    DATABASE_URL: await bench.ownDatabase('bench_pages'),
    ARGON2_MEMORY_KIB: '8',
    ARGON2_ITERATIONS: '1',
  });
  const { authenticators, ...secrets } = await prepare(environment);
  const process = await bench.start('dist/src/main.js', PORTS.gatehouse, [], environment);
  const side = { target: target(PORTS.gatehouse, 1), paths: gatehousePaths, secrets, authenticators };
  return { process, side };
}

async function signInPage(side: Side) {
  const scenario = scenarios['sign-in page'];
  if (scenario === undefined) throw new Error('no such work');
  return scenario(side, 0);
}

/** Milliseconds of each look, one after the other. */
async function times(look: () => Promise<void>): Promise<number[]> {
  const taken: number[] = [];
  for (let turn = 0; turn < LOOKS; turn += 1) {
    const begun = performance.now();
    await look();
    taken.push(performance.now() - begun);
  }
  return taken;
}

function line(
  name: string,
  [ours, koa]: readonly [Shooter, Shooter],
  more: { alone: readonly number[]; bytes: number },
): string {
  const of = ({ fired }: Shooter, figure: keyof Shooter['fired'][number]) => fired.map((one) => one[figure]);
  const ratio = median(of(ours, 'perSecond')) / median(of(koa, 'perSecond'));
  const byCpu = median(of(koa, 'cpuMilliseconds')) / median(of(ours, 'cpuMilliseconds'));
  return `| ${[
    name,
    figure(of(ours, 'perSecond')),
    figure(of(koa, 'perSecond')),
    ratio.toFixed(2),
    byCpu.toFixed(2),
    median(of(ours, 'cpuMilliseconds')).toFixed(2),
    median(of(ours, 'p99Milliseconds')).toFixed(1),
    more.bytes.toLocaleString('en'),
    median(more.alone).toFixed(1),
  ].join(' | ')} |`;
}
