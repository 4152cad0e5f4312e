// `node bench/people-scale.ts`: signing in and every page of the account, on 1,000 accounts with 10,000 sessions and on 1,000,000
// with 10,000,000, in turn, in one run. Settings: PEOPLE_SMALL and PEOPLE_LARGE (accounts), BENCH_ROUNDS (5), BENCH_ONLY (one
// page), TMPDIR for a place with room: the large one takes about 40 GB until the end of the run.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { sections } from '../src/self-service/sections.ts';
import { crowdEmail, crowdLookedAt, fillCrowd } from './crowd.ts';
import { expectStatus, target, type Work } from './load.ts';
import { postgresProcess } from './postgres-process.ts';
import { prepare } from './prepare.ts';
import { median } from './report.ts';
import { cpuMilliseconds, gatehouseEnvironment, gatehousePaths, openBench } from './servers.ts';
import { explainAll, planText, type Statement, statementsDuring } from './statements.ts';
import { cookieHeader, type Side, scenarios, signedInAt } from './works.ts';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const only = process.env.BENCH_ONLY ?? '';
const sizes = [
  Number(process.env.PEOPLE_SMALL ?? 1_000),
  Number(process.env.PEOPLE_LARGE ?? 1_000_000),
] as const;
const SESSIONS_EACH = 10;
/** Accounts that look at their pages, one after another, spread over all. */
const LOOKED_AT = 40;
const PORTS = [4741, 4742] as const;
const SIGN_IN = 'sign-in';
const names = [SIGN_IN, ...sections.map(({ path }) => path)].filter((name) => name.includes(only));
/** A statement got slower that takes so much more; an index of a thousand times as many rows is two levels deeper. */
const SLOWER = { factor: 2, pages: 20, milliseconds: 1 };

interface Filled {
  readonly side: Side;
  readonly emails: readonly string[];
  readonly database: string;
  readonly environment: Record<string, string>;
}

interface Running extends Filled {
  readonly process: number;
  /** One browser for each who looks. */
  readonly cookies: readonly string[];
}

interface Took {
  readonly node: number[];
  readonly postgres: number[];
  readonly milliseconds: number[];
}

const bench = await openBench();
try {
  const filled = [await fill(0), await fill(1)] as const;
  const admin = new Client({ connectionString: asSuperuser(filled[0].environment.DATABASE_URL ?? '') });
  await admin.connect();
  try {
    const { rows } = await admin.query<{ pid: number }>('select pg_backend_pid() as pid');
    const postgres = postgresProcess(rows[0]?.pid ?? 0);
    const small = await start(filled[0]);
    const large = await start(filled[1]);
    const lines: string[] = [];
    for (const name of names) lines.push(await compare(name, [small, large], postgres));
    const text = report(lines, await slowerStatements([small, large], admin));
    process.stdout.write(`\n${text}\n`);
    if (only === '' && sizes[1] === 1_000_000)
      await writeFile(join(import.meta.dirname, 'RESULTS-people-scale.md'), text);
  } finally {
    await admin.end();
  }
} finally {
  await bench.close();
}

async function fill(which: 0 | 1): Promise<Filled> {
  const port = PORTS[which];
  const size = { accounts: sizes[which], sessions: SESSIONS_EACH * sizes[which] };
  const database = `people_${port}`;
  const environment = gatehouseEnvironment(bench.directory, port, {
    DATABASE_URL: await bench.ownDatabase(database),
    ARGON2_MEMORY_KIB: '8',
    ARGON2_ITERATIONS: '1',
  });
  // Without authenticators: those who look are not theirs.
  const { authenticators: _, ...secrets } = await prepare(environment);
  await fillCrowd(asSuperuser(environment.DATABASE_URL ?? ''), size, (line) =>
    process.stdout.write(`${line}\n`),
  );
  const emails = crowdLookedAt(size, LOOKED_AT).map(crowdEmail);
  return { side: { target: target(port, 1), paths: gatehousePaths, secrets }, emails, database, environment };
}

function asSuperuser(address: string): string {
  const url = new URL(address);
  url.username = 'postgres';
  return url.href;
}

async function start(filled: Filled): Promise<Running> {
  const process = await bench.start(
    'dist/src/main.js',
    Number(filled.environment.PORT),
    [],
    filled.environment,
  );
  const cookies: string[] = [];
  for (const email of filled.emails) {
    const who = { emailOf: () => email, loop: 0 };
    cookies.push(cookieHeader(await signedInAt(filled.side, '/account', who)));
  }
  return { ...filled, process, cookies };
}

/** One for each who looks. */
async function worksOf(name: string, { side, emails, cookies }: Running): Promise<Work[]> {
  const codeFlow = scenarios['code flow'];
  if (name === SIGN_IN && codeFlow !== undefined)
    return Promise.all(emails.map((email) => codeFlow({ ...side, emailOf: () => email }, 0)));
  return cookies.map((cookie) => async () => {
    const page = expectStatus(
      await side.target.send({ method: 'GET', path: name, headers: { cookie } }),
      200,
    );
    if (!page.body.includes('/account/sign-out')) throw new Error(`not the page ${name}`);
  });
}

async function compare(
  name: string,
  both: readonly [Running, Running],
  postgres: ReturnType<typeof postgresProcess>,
): Promise<string> {
  const sides = await Promise.all(
    both.map(async (running) => ({
      running,
      works: await worksOf(name, running),
      took: { node: [], postgres: [], milliseconds: [] } as Took,
    })),
  );
  for (let round = -1; round < rounds; round += 1) {
    for (const { running, works, took } of sides) {
      const before = [cpuMilliseconds(running.process), postgres.cpuMilliseconds()] as const;
      const each = await timesOf(works);
      if (round < 0) continue;
      took.node.push((cpuMilliseconds(running.process) - before[0]) / works.length);
      took.postgres.push((postgres.cpuMilliseconds() - before[1]) / works.length);
      took.milliseconds.push(...each);
    }
  }
  const [small, large] = sides.map(({ took }) => took);
  const cells = (['node', 'postgres', 'milliseconds'] as const).flatMap((figure) => {
    const [one, many] = [median(small?.[figure] ?? []), median(large?.[figure] ?? [])];
    return [one.toFixed(2), many.toFixed(2), (many / one).toFixed(2)];
  });
  process.stdout.write(`${name}: ${cells.join(' ')}\n`);
  return `| ${[name, ...cells].join(' | ')} |`;
}

async function timesOf(works: readonly Work[]): Promise<number[]> {
  const times: number[] = [];
  for (const work of works) {
    const begun = performance.now();
    await work();
    times.push(performance.now() - begun);
  }
  return times;
}

/** On servers of their own, as explaining costs time, too. */
async function slowerStatements(
  [small, large]: readonly [Running, Running],
  admin: Client,
): Promise<string[]> {
  const [before, after] = [await statementsOf(small, admin), await statementsOf(large, admin)];
  const slower = [...after.values()].flatMap((now) => {
    const was = before.get(now.text);
    return was === undefined || (!isMore('pages', was, now) && !isMore('milliseconds', was, now))
      ? []
      : [told(was, now)];
  });
  const pages = (all: Map<string, Statement>) =>
    Math.round([...all.values()].reduce((sum, one) => sum + one.pages, 0)).toLocaleString('en');
  const sum = `These are ${slower.length} of ${after.size}. Once each, they look at ${pages(before)} pages and at ${pages(after)}.`;
  return [sum, ...slower];
}

function isMore(figure: 'pages' | 'milliseconds', was: Statement, now: Statement): boolean {
  return now[figure] > SLOWER.factor * was[figure] && now[figure] > was[figure] + SLOWER[figure];
}

async function statementsOf(running: Running, admin: Client): Promise<Map<string, Statement>> {
  await explainAll(admin, running.database);
  process.kill(running.process);
  const port = Number(running.environment.PORT);
  while (await fetch(`http://127.0.0.1:${port}/jwks`).catch(() => undefined)) await delay(100);
  const again = await start(running);
  return statementsDuring(join(bench.directory, 'postgres.log'), async () => {
    for (const name of names) await timesOf(await worksOf(name, again));
  });
}

function told(was: Statement, now: Statement): string {
  const line = (name: string, { calls, milliseconds, pages }: Statement) =>
    `${name}: ${calls} times, ${milliseconds.toFixed(2)} ms at best, ${pages.toFixed(0)} pages`;
  return `\`\`\`
${now.text.trim()}

${line('small', was)}
${line('large', now)}
${planText(now.plan)}
\`\`\``;
}

function report(lines: readonly string[], slower: readonly string[]): string {
  const [small, large] = sizes.map((size) => size.toLocaleString('en'));
  const pair = `${small} | ${large} | ratio`;
  return `<!-- Written by bench/people-scale.ts -->
# Signing in and the pages of an account, by how many others there are

One server on ${small} accounts with ${(SESSIONS_EACH * sizes[0]).toLocaleString('en')} sessions, one on ${large} with ${(SESSIONS_EACH * sizes[1]).toLocaleString('en')}, each account with
a year in the ledger (5 events), 2 devices, 3 apps, 2 organizations and 2 API keys; PostgreSQL as it is packaged, with 64 MB of its own
memory. ${LOOKED_AT} people, spread over all, look one after another, ${rounds} rounds in turn. Medians; processor time by 10 ms ticks over ${LOOKED_AT} looks.

| Page | Node CPU ms: ${pair} | PostgreSQL CPU ms: ${pair} | p50 ms: ${pair} |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${lines.join('\n')}

## Statements that take more than twice as much

By the pages of 8 KiB that they look at (and more than ${SLOWER.pages} more), or by the shortest time (and more than ${SLOWER.milliseconds} ms more).

${slower.join('\n\n')}
`;
}
