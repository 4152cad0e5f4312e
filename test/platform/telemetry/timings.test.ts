// Where the time of a request went, part by part.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createHashPool } from '../../../src/credentials/password/hash-pool.ts';
import { withOrigin, withoutOrigin } from '../../../src/platform/origin.ts';
import { createTimings, measure, measureNow, type Timings } from '../../../src/platform/telemetry/timings.ts';
import { useDatabase } from '../../support/database.ts';

const nobody = { requestId: null, address: null, userAgent: null };
const within = <T>(timings: Timings, run: () => T) => withOrigin({ ...nobody, timings }, run);

describe('timings', () => {
  it('sum and count each part for the request under way', async () => {
    const timings = createTimings(false);
    const value = await within(timings, async () => {
      await measure('redis', () => delay(20));
      measureNow('signing', () => 1);
      return measure('redis', () => delay(20, 'value'));
    });
    expect(value).toBe('value');
    expect([timings.count('redis'), timings.count('signing'), timings.count('database')]).toEqual([2, 1, 0]);
    expect(timings.milliseconds('redis')).toBeGreaterThan(35);
    expect(timings.stretches).toEqual([]);
  });

  it('keep two requests at the same time apart', async () => {
    const [first, second] = [createTimings(false), createTimings(false)];
    await Promise.all([
      within(first, () => measure('outgoing', () => delay(10))),
      within(second, async () => {
        await delay(1);
        await measure('outgoing', () => delay(50));
      }),
    ]);
    expect(first.milliseconds('outgoing')).toBeLessThan(45);
    expect(second.milliseconds('outgoing')).toBeGreaterThan(45);
  });

  it('pass errors on and say that the wait failed', async () => {
    const timings = createTimings(true);
    const failing = within(timings, () => measure('database', () => Promise.reject(new Error('gone'))));
    await expect(failing).rejects.toThrow('gone');
    const broken = () => {
      throw new Error('no key');
    };
    expect(() => within(timings, () => measureNow('signing', broken))).toThrow('no key');
    expect(timings.stretches).toMatchObject([
      { part: 'database', failed: true },
      { part: 'signing', failed: true },
    ]);
  });

  it('are left out where no request is under way', async () => {
    const timings = createTimings(false);
    await within(timings, () => withoutOrigin(() => measure('database', () => delay(1))));
    expect(timings.count('database')).toBe(0);
    expect(await measure('database', async () => 'run')).toBe('run');
  });

  it('count the wait for a place among the hashing', async () => {
    const pool = createHashPool({ hashConcurrency: 1, hashQueue: 5, hashQueueSeconds: 5 });
    const timings = createTimings(false);
    const other = pool.run(() => delay(60));
    await within(timings, () => pool.run(async () => 'hashed'));
    await other;
    expect(timings.milliseconds('hashing')).toBeGreaterThan(50);
  });
});

describe('timings of PostgreSQL', () => {
  const database = useDatabase('empty');

  it('count every statement, in transactions too', async () => {
    const timings = createTimings(true);
    await within(timings, async () => {
      await database.db.raw('select pg_sleep(0.03)');
      await database.postgres.transaction(async (trx) => trx.raw('select 1'));
      await database.db.raw('select broken').catch(() => undefined);
    });
    expect(timings.milliseconds('database')).toBeGreaterThan(30);
    expect(timings.stretches.filter(({ failed }) => failed)).toHaveLength(1);
    // begin, the statement, commit; and the two outside.
    expect(timings.count('database')).toBeGreaterThanOrEqual(5);
  });

  it('count the wait for a connection when none is free', async () => {
    const holding = Promise.all(Array.from({ length: 12 }, () => database.db.raw('select pg_sleep(0.2)')));
    await delay(50);
    const timings = createTimings(false);
    // Awaited inside: knex begins a statement only when somebody waits for it.
    await within(timings, async () => await database.db.raw('select 1'));
    await holding;
    expect(timings.milliseconds('database')).toBeGreaterThan(100);
    expect(timings.count('database')).toBe(2);
  });
});
