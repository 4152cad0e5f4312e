// The shared counters go away while limits are counted: nobody waits long, nobody is without a limit, and all is well again.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createPostgres } from '../../../src/platform/database/postgres.ts';
import { createPostgresStore } from '../../../src/platform/limits/postgres-store.ts';
import { createLimits, type Limits } from '../../../src/platform/limits/rate-limit.ts';
import { createRedisStore } from '../../../src/platform/limits/redis-store.ts';
import type { LimitStore } from '../../../src/platform/limits/store.ts';
import type { Log } from '../../../src/platform/telemetry/log.ts';
import { usePostgresServer } from '../../support/postgres-server.ts';
import { untilUp, useRedis } from '../../support/redis.ts';
import { needs } from '../../support/tools.ts';

const SETTINGS = { 'sign-in': 40, token: 6000 };
type Name = keyof typeof SETTINGS;
const BURST = 21;
/** A quarter of 40 for a minute, half of it at once. */
const BURST_ALONE = 6;

function noting(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const line = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return {
    lines,
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
  };
}

async function admitted(limits: Limits<Name>, name: Name, key: string, takers: number) {
  const verdicts = await Promise.all(Array.from({ length: takers }, () => limits.take(name, key)));
  return verdicts.filter((verdict) => verdict?.allowed === true).length;
}

/** People sign in all the time, each from an address of their own; answers the longest wait, less what this process was busy. */
function traffic(limits: Limits<Name>) {
  const pending: Promise<unknown>[] = [];
  let worst = 0;
  let busy = 0;
  let stopped = false;
  const one = async (name: Name, key: string) => {
    const begun = performance.now();
    const verdict = await limits.take(name, key);
    expect(verdict).toBeDefined();
    worst = Math.max(worst, performance.now() - begun);
  };
  const running = (async () => {
    for (let person = 0; !stopped; person += 1) {
      pending.push(one('sign-in', `person ${person}`), one('token', 'machine'));
      const begun = performance.now();
      await delay(5);
      busy = Math.max(busy, performance.now() - begun - 5);
    }
  })();
  return async () => {
    stopped = true;
    await running;
    await Promise.all(pending);
    return worst - busy;
  };
}

describe.skipIf(needs('redis-server'))('Redis lost while sign-in limits run', () => {
  const server = useRedis();
  const lostAndBack = ['warn: Redis is lost: the server goes on without it', 'info: Redis is back'];

  async function running() {
    const { log, lines } = noting();
    const redis = server.newClient({ log });
    await untilUp(redis);
    const limits = createLimits<Name>(SETTINGS, { store: createRedisStore(redis), log });
    return { redis, lines, limits };
  }

  it.each<[string, () => Promise<void>, () => Promise<void>]>([
    ['killed and started again empty', () => server.stop(), () => server.start()],
    ['paused and resumed', async () => server.pause(), async () => server.resume()],
  ])('by being %s: bounded waits, a strict limit, one line each way', async (way, lose, bringBack) => {
    const { redis, lines, limits } = await running();
    const stop = traffic(limits);
    expect(await admitted(limits, 'sign-in', `${way} 1`, 60)).toBe(BURST);
    await lose();
    expect(await admitted(limits, 'sign-in', `${way} 2`, 60)).toBe(BURST_ALONE);
    await expect.poll(() => redis.state(), { timeout: 3_000 }).toBe('down');
    expect(await admitted(limits, 'sign-in', `${way} 3`, 60)).toBe(BURST_ALONE);
    const refused = await limits.take('sign-in', `${way} 3`);
    expect(refused).toMatchObject({ allowed: false, limit: 10 });
    await bringBack();
    await expect.poll(() => redis.state(), { timeout: 5_000 }).toBe('up');
    expect(await admitted(limits, 'sign-in', `${way} 4`, 60)).toBe(BURST);
    expect(await stop()).toBeLessThan(500);
    expect(lines).toEqual(lostAndBack);
  });
});

describe('PostgreSQL lost while limits are counted in it', () => {
  const server = usePostgresServer();

  it('counts strictly in each process, and together again afterwards', { timeout: 30_000 }, async () => {
    const settings = { poolMax: 3, statementTimeoutSeconds: 10, applicationName: 'gatehouse test' };
    const postgres = createPostgres({ url: server.url(), ...settings });
    const { limit_counters: table } = await schema();
    await postgres.db.raw(table);
    const { log, lines } = noting();
    const limits = createLimits<Name>(SETTINGS, { store: createPostgresStore(postgres.db), log });
    const stop = traffic(limits);
    expect(await admitted(limits, 'sign-in', 'before', 60)).toBe(BURST);
    await server.pause();
    expect(await admitted(limits, 'sign-in', 'paused', 60)).toBe(BURST_ALONE);
    await server.resume();
    await expect.poll(() => postgres.health(), { timeout: 10_000 }).toBe(true);
    await delay(1_100);
    expect(await admitted(limits, 'sign-in', 'after', 60)).toBe(BURST);
    expect(await stop()).toBeLessThan(1_500);
    expect(lines).toEqual([]);
    await postgres.close();
  });
});

describe('a store that fails in a way nobody expected', () => {
  it('is said once, and each process counts alone', async () => {
    const { log, lines } = noting();
    const broken: LimitStore = { take: () => Promise.reject(new Error('column is gone')) };
    const limits = createLimits<Name>(SETTINGS, { store: broken, log });
    expect(await admitted(limits, 'sign-in', 'anybody', 60)).toBe(BURST_ALONE);
    expect(lines).toEqual(['error: limits cannot be counted together: each process counts alone']);
  });
});

/** The one table that this needs, as the migration makes it. */
async function schema(): Promise<Record<'limit_counters', string>> {
  const statements: string[] = [];
  const migration = await import('../../../migrations/20261122010100_create_limit_counters.ts');
  const knex = { raw: async (sql: string) => void statements.push(sql) };
  await migration.up(knex as never);
  return { limit_counters: statements.join(';') };
}
