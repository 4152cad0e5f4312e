// Several processes count together: exactly what the limit allows is admitted, with Redis as with PostgreSQL.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPostgresStore, limitJobs } from '../../../src/platform/limits/postgres-store.ts';
import { createLimits, type Limits } from '../../../src/platform/limits/rate-limit.ts';
import { createRedisStore } from '../../../src/platform/limits/redis-store.ts';
import type { LimitStore } from '../../../src/platform/limits/store.ts';
import { useDatabase } from '../../support/database.ts';
import { useRedis } from '../../support/redis.ts';
import { needs } from '../../support/tools.ts';

/** One permit comes back every five seconds, so that none does while a test runs. */
const SETTINGS = { small: 12, generous: 60_000 };
const SMALL_BURST = 7;
type Name = keyof typeof SETTINGS;

async function admitted(instances: readonly Limits<Name>[], name: Name, key: string, takers: number) {
  const verdicts = await Promise.all(
    Array.from({ length: takers }, (_, taker) => instances[taker % instances.length]?.take(name, key)),
  );
  return verdicts.filter((verdict) => verdict?.allowed === true).length;
}

function sharedBy(newStore: () => LimitStore) {
  const instances = (count: number) =>
    Array.from({ length: count }, () => createLimits<Name>(SETTINGS, { store: newStore() }));

  it('admits exactly the burst of 50 takers at once on two instances', async () => {
    const both = instances(2);
    expect(await admitted(both, 'small', 'one', 50)).toBe(SMALL_BURST);
    expect(await admitted(both, 'small', 'one', 50)).toBe(0);
    expect(await admitted(both, 'small', 'two', 50)).toBe(SMALL_BURST);
  });

  it('admits exactly the burst of takers one after the other, in turn on two instances', async () => {
    const [here, there] = instances(2);
    let count = 0;
    for (let round = 0; round < 20; round += 1) {
      const verdict = await (round % 2 === 0 ? here : there)?.take('small', 'turns');
      if (verdict?.allowed) count += 1;
    }
    expect(count).toBe(SMALL_BURST);
  });

  describe('a node whose clock is five seconds off', () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
    afterEach(() => void vi.useRealTimers());

    it.each([-5_000, 5_000])('by %i ms gets not one permit more or less', async (skew) => {
      const [right, wrong] = instances(2);
      const now = Date.now();
      let count = 0;
      for (let round = 0; round < 20; round += 1) {
        vi.setSystemTime(round % 2 === 0 ? now : now + skew);
        const verdict = await (round % 2 === 0 ? right : wrong)?.take('small', `skew ${skew}`);
        if (verdict?.allowed) count += 1;
      }
      expect(count).toBe(SMALL_BURST);
    });
  });

  it('says when the next permit comes', async () => {
    const [here, there] = instances(2);
    for (let round = 0; round < SMALL_BURST; round += 1) await here?.take('small', 'when');
    const refused = await there?.take('small', 'when');
    expect(refused).toMatchObject({ allowed: false, remaining: 0, limit: 12, windowSeconds: 60 });
    expect(refused?.resetSeconds).toBeGreaterThanOrEqual(4);
    expect(refused?.resetSeconds).toBeLessThanOrEqual(5);
  });

  it('never admits more of a generous limit than it allows, although permits are taken ahead', async () => {
    const both = instances(2);
    const begun = performance.now();
    let count = 0;
    for (let round = 0; round < 8; round += 1) count += await admitted(both, 'generous', 'crowd', 5_000);
    const most = 30_001 + Math.ceil(performance.now() - begun);
    expect(count).toBeLessThanOrEqual(most);
    expect(count).toBeGreaterThan(30_001 * 0.98);
  });

  it('asks the shared counter seldom for a generous limit, and every time for a small one', async () => {
    const inner = newStore();
    let asked = 0;
    const counting: LimitStore = {
      take: (...words) => {
        asked += 1;
        return inner.take(...words);
      },
    };
    const limits = createLimits<Name>(SETTINGS, { store: counting });
    for (let round = 0; round < 2_000; round += 1) await limits.take('generous', 'seldom');
    expect(asked).toBeLessThan(2_000 / 25);
    asked = 0;
    for (let round = 0; round < 5; round += 1) await limits.take('small', 'each');
    expect(asked).toBe(5);
  });

  it('tells whoever was refused again without asking anybody', async () => {
    const inner = newStore();
    let asked = 0;
    const counting: LimitStore = {
      take: (...words) => {
        asked += 1;
        return inner.take(...words);
      },
    };
    const limits = createLimits<Name>(SETTINGS, { store: counting });
    for (let round = 0; round < 500; round += 1) await limits.take('small', 'flood');
    expect(asked).toBeLessThanOrEqual(SMALL_BURST + 1);
  });
}

describe('with PostgreSQL', () => {
  const { db } = useDatabase();
  sharedBy(() => createPostgresStore(db));

  it('counts for many keys in a few statements', async () => {
    const limits = createLimits<Name>(SETTINGS, { store: createPostgresStore(db) });
    let statements = 0;
    const note = () => {
      statements += 1;
    };
    db.on('query', note);
    await Promise.all(Array.from({ length: 400 }, (_, index) => limits.take('small', `many ${index}`)));
    db.removeListener('query', note);
    expect(statements).toBeLessThan(10);
  });

  it('has no deadlock when two instances count the same keys in any order', async () => {
    const instances = [1, 2, 3].map(() => createLimits<Name>(SETTINGS, { store: createPostgresStore(db) }));
    const keys = Array.from({ length: 60 }, (_, index) => `lock ${index}`);
    for (let round = 0; round < 10; round += 1) {
      const verdicts = await Promise.all(
        instances.flatMap((limits, index) =>
          (index % 2 === 0 ? keys : keys.toReversed()).map((key) =>
            limits.take('generous', `${round} ${key}`),
          ),
        ),
      );
      expect(verdicts.every((verdict) => verdict?.limit === 60_000)).toBe(true);
    }
  });

  it('removes old rows without waiting for one that is in use', async () => {
    const limits = createLimits<Name>(SETTINGS, { store: createPostgresStore(db) });
    await limits.take('small', 'in use');
    const row = () => db('limit_counters').where({ key: 'small:in use' });
    await row().update({ expires_at: db.raw(`now() - interval '1 second'`) });
    await db.transaction(async (trx) => {
      await trx('limit_counters').where({ key: 'small:in use' }).forUpdate();
      for (const job of limitJobs(db)) await job.run();
      expect(await trx('limit_counters').where({ key: 'small:in use' })).toHaveLength(1);
    });
    for (const job of limitJobs(db)) await job.run();
    expect(await row()).toEqual([]);
  });

  it('removes the rows of those who ask no more, and only those', async () => {
    const limits = createLimits<Name>(SETTINGS, { store: createPostgresStore(db) });
    await limits.take('small', 'gone');
    await limits.take('small', 'here');
    await db('limit_counters')
      .where({ key: 'small:gone' })
      .update({ expires_at: db.raw(`now() - interval '1 second'`) });
    for (const job of limitJobs(db)) await job.run();
    const keys = await db('limit_counters').whereIn('key', ['small:gone', 'small:here']).pluck('key');
    expect(keys).toEqual(['small:here']);
  });
});

describe.skipIf(needs('redis-server'))('with Redis', () => {
  const server = useRedis();
  sharedBy(() => createRedisStore(server.redis));

  it('leaves no key behind that does not end', async () => {
    const found = await server.redis.use(async (client) => {
      const keys = await client.keys('gatehouse:limit:*');
      return Promise.all(keys.map((key) => client.pttl(key)));
    });
    expect(found?.value.length).toBeGreaterThan(0);
    for (const milliseconds of found?.value ?? []) {
      expect(milliseconds).toBeGreaterThan(0);
      expect(milliseconds).toBeLessThanOrEqual(60_000);
    }
  });
});
