// The part of bench/flood.ts that asks for JWKS and introspection at a steady rate. A process of its own, which does nothing else:
// so its times are the server's, and not of whoever makes the flood.
import { setTimeout as delay } from 'node:timers/promises';
import { target, type Work } from './load.ts';
import { gatehousePaths } from './servers.ts';
import { type Side, scenarios } from './works.ts';

export interface Wanted {
  readonly port: number;
  readonly secrets: Side['secrets'];
  readonly seconds: number;
}

/** Sorted, in milliseconds. */
export type Asked = Readonly<Record<'JWKS' | 'introspection', readonly number[]>>;

const EVERY_MILLISECONDS = 20;

process.on('message', async ({ port, secrets, seconds }: Wanted) => {
  const side: Side = { target: target(port, 64), paths: gatehousePaths, secrets };
  process.send?.(await ask(side, seconds));
  side.target.close();
});

async function ask(side: Side, seconds: number): Promise<Asked> {
  const [JWKS, introspection] = await Promise.all([
    latencies(await workOf(side, 'JWKS'), seconds),
    latencies(await workOf(side, 'introspection'), seconds),
  ]);
  return { JWKS, introspection };
}

async function workOf(side: Side, name: string): Promise<Work> {
  const scenario = scenarios[name];
  if (!scenario) throw new Error(`no such work: ${name}`);
  return scenario(side, 0);
}

/** Asks at a steady rate, whether the last answer is there or not: a server that is slow is not asked less. */
async function latencies(work: Work, seconds: number): Promise<number[]> {
  const times: number[] = [];
  const running: Promise<void>[] = [];
  const begun = performance.now();
  for (let due = begun; due < begun + seconds * 1000; due += EVERY_MILLISECONDS) {
    await delay(Math.max(0, due - performance.now()));
    const sent = performance.now();
    running.push(work().then(() => void times.push(performance.now() - sent)));
  }
  await Promise.all(running);
  return times.sort((left, right) => left - right);
}
