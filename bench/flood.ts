// `node bench/flood.ts`: how long JWKS and introspection take while 200 people sign in at once, with hashing at full strength.
// Settings: FLOOD_PEOPLE (200), BENCH_SECONDS (8).
import { setTimeout as delay } from 'node:timers/promises';
import { target, type Work } from './load.ts';
import { prepare } from './prepare.ts';
import { gatehouseEnvironment, gatehousePaths, openBench } from './servers.ts';
import { type Side, scenarios } from './works.ts';

const people = Number(process.env.FLOOD_PEOPLE ?? 200);
const seconds = Number(process.env.BENCH_SECONDS ?? 8);
const PORT = 4741;
const EVERY_MILLISECONDS = 20;

const bench = await openBench();
try {
  const environment = gatehouseEnvironment(bench.directory, PORT, {
    DATABASE_URL: await bench.ownDatabase('flood'),
  });
  const secrets = await prepare(environment);
  await bench.start('dist/src/main.js', PORT, [], environment);
  const crowd: Side = { target: target(PORT, people), paths: gatehousePaths, secrets };
  const calm: Side = { ...crowd, target: target(PORT, 64) };
  const asked = {
    JWKS: await workOf(calm, 'JWKS'),
    introspection: await workOf(calm, 'introspection'),
  };
  for (const work of Object.values(asked)) await latencies(work, 3);

  const before = await both();
  const flood = startFlood(crowd, seconds + 2);
  await delay(1_000);
  const during = await both();
  const signedIn = await flood;
  console.log(
    `\n${people} people signing in at once: ${(signedIn / (seconds + 2)).toFixed(1)} sign-ins per second`,
  );
  console.log('| Work | p50 before | p99 before | p50 during | p99 during |\n|---|--:|--:|--:|--:|');
  for (const name of ['JWKS', 'introspection'] as const) {
    const figures = [before[name], during[name]].flatMap((times) => [at(times, 0.5), at(times, 0.99)]);
    console.log(`| ${name} | ${figures.map((time) => `${time.toFixed(1)} ms`).join(' | ')} |`);
  }

  async function both() {
    const [JWKS, introspection] = await Promise.all([
      latencies(asked.JWKS, seconds),
      latencies(asked.introspection, seconds),
    ]);
    return { JWKS, introspection };
  }
} finally {
  await bench.close();
}

async function workOf(side: Side, name: string, loop = 0): Promise<Work> {
  const scenario = scenarios[name];
  if (!scenario) throw new Error(`no such work: ${name}`);
  return scenario(side, loop);
}

/** Asks at a steady rate, whether the last answer is there or not: a server that is slow is not asked less. */
async function latencies(work: Work, forSeconds: number): Promise<number[]> {
  const times: number[] = [];
  const running: Promise<void>[] = [];
  const end = performance.now() + forSeconds * 1000;
  while (performance.now() < end) {
    const begun = performance.now();
    running.push(work().then(() => void times.push(performance.now() - begun)));
    await delay(EVERY_MILLISECONDS);
  }
  await Promise.all(running);
  return times.sort((left, right) => left - right);
}

/** Everybody signs in again and again; who is told that the server is busy waits a little. */
async function startFlood(side: Side, forSeconds: number): Promise<number> {
  const end = performance.now() + forSeconds * 1000;
  let done = 0;
  await Promise.all(
    Array.from({ length: people }, async (_, loop) => {
      const work = await workOf(side, 'code flow', loop);
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
