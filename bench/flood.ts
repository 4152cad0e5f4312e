// `node bench/flood.ts`: how long JWKS and introspection take while 200 people sign in at once, with hashing at full strength:
// by their password, with an authenticator app as well, and by passwords that another system hashed with bcrypt.
// Writes bench/RESULTS-flood.md. Settings: FLOOD_PEOPLE (200), BENCH_SECONDS (8), BENCH_ONLY (part of a flood's name; writes
// nothing).
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { availableParallelism, getPriority, setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hashSync } from 'bcryptjs';
import { Client } from 'pg';
import type { Asked, Wanted } from './asking.ts';
import { password } from './fixture.ts';
import { target } from './load.ts';
import { prepare } from './prepare.ts';
import { gatehouseEnvironment, gatehousePaths, openBench } from './servers.ts';
import { type Side, scenarios } from './works.ts';

const people = Number(process.env.FLOOD_PEOPLE ?? 200);
const seconds = Number(process.env.BENCH_SECONDS ?? 8);
const PORT = 4741;
/** The flood gives way to the database and to whoever asks, which have the same core: it is no part of what is measured. */
const FLOOD_NICENESS = 10;
const WARM_UP_SECONDS = 3;

const floods = [
  { name: 'password', work: 'code flow' },
  { name: 'password and TOTP', work: 'code flow with TOTP' },
  { name: 'imported bcrypt hashes', work: 'code flow', imported: true },
];
const only = process.env.BENCH_ONLY ?? '';

const bench = await openBench();
// Begun before this process gives way: what it begins afterwards would do so as well.
const asking = fork('bench/asking.ts');
const broken = once(asking, 'exit').then(() => Promise.reject(new Error('bench/asking.ts ended early')));
broken.catch(() => {});
try {
  const url = await bench.ownDatabase('flood');
  const environment = gatehouseEnvironment(bench.directory, PORT, { DATABASE_URL: url });
  const { authenticators, ...secrets } = await prepare(environment);
  await bench.start('dist/src/main.js', PORT, [], environment);
  const crowd: Side = { target: target(PORT, people), paths: gatehousePaths, secrets, authenticators };
  setPriority(process.pid, getPriority(process.pid) + FLOOD_NICENESS);
  const ask = async (forSeconds: number): Promise<Asked> => {
    const wanted: Wanted = { port: PORT, secrets, seconds: forSeconds };
    asking.send(wanted);
    const [asked] = await Promise.race([once(asking, 'message'), broken]);
    return asked;
  };
  await ask(WARM_UP_SECONDS);

  const lines: string[] = [];
  const before = await ask(seconds);
  for (const { name, work, imported } of floods.filter((one) => one.name.includes(only))) {
    if (imported) await hashByBcrypt(url);
    const flood = startFlood(crowd, work, seconds + 2);
    await delay(1_000);
    const during = await ask(seconds);
    const perSecond = ((await flood) / (seconds + 2)).toFixed(1);
    for (const what of ['JWKS', 'introspection'] as const) {
      const figures = [before[what], during[what]].flatMap((times) => [at(times, 0.5), at(times, 0.99)]);
      const shown = figures.map((time) => `${time.toFixed(1)} ms`).join(' | ');
      lines.push(`| ${name} | ${perSecond} | ${what} | ${shown} |`);
    }
  }
  const text = `<!-- Written by bench/flood.ts -->
# A flood of sign-ins

${people} people signing in at once, again and again, and what JWKS and introspection took before and meanwhile.

| By | Sign-ins per second | Asked | p50 before | p99 before | p50 during | p99 during |
|---|--:|---|--:|--:|--:|--:|
${lines.join('\n')}

Node ${process.version}, ${availableParallelism()} cores, hashing at full strength. Who asks is a process of its own; the flood gives way to it.
`;
  console.log(`\n${text}`);
  if (only === '') await writeFile(join(import.meta.dirname, 'RESULTS-flood.md'), text);
} finally {
  asking.disconnect();
  await bench.close();
}

/** Everybody signs in again and again; who is told that the server is busy waits a little. */
async function startFlood(side: Side, name: string, forSeconds: number): Promise<number> {
  const end = performance.now() + forSeconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: people }, async (_, loop) => {
      const scenario = scenarios[name];
      if (!scenario) throw new Error(`no such work: ${name}`);
      const work = await scenario(side, loop);
      while (performance.now() < end) {
        await work().then(
          () => {
            done += 1;
          },
          () => delay(200),
        );
      }
    }),
  );
  return done;
}

function at(times: readonly number[], share: number): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
}

/** Everybody's; at a sign-in they would turn into ours: here they stay, so that each one is computed. */
async function hashByBcrypt(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('update passwords set hash = $1', [hashSync(password, 10)]);
  await client.query(`
    create function bench_hashes_stay() returns trigger language plpgsql
      as $$ begin new.hash := old.hash; return new; end $$;
    create trigger bench_hashes_stay before update on passwords for each row execute function bench_hashes_stay()`);
  await client.end();
}
