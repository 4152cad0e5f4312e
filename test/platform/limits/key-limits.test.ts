// Limits of keys: windows of a second, a minute and an hour, bursts, and counters that outlive their window.
import { describe, expect, it } from 'vitest';
import { createKeyLimits, type KeyLimit } from '../../../src/platform/limits/key-limits.ts';
import { createPostgresStore } from '../../../src/platform/limits/postgres-store.ts';
import { createRedisStore } from '../../../src/platform/limits/redis-store.ts';
import type { LimitStore } from '../../../src/platform/limits/store.ts';
import { useDatabase } from '../../support/database.ts';
import { useRedis } from '../../support/redis.ts';
import { needs } from '../../support/tools.ts';

const hourly: readonly KeyLimit[] = [{ permits: 20, per: 'hour' }];

function countedIn(newStore: () => LimitStore) {
  it('admits exactly as many as an hour allows, of 50 takers on two nodes', async () => {
    const nodes = [createKeyLimits({ store: newStore() }), createKeyLimits({ store: newStore() })];
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, (_, taker) => nodes[taker % 2]?.take('key:one', hourly)),
    );
    expect(verdicts.filter((of) => of?.at(-1)?.allowed)).toHaveLength(20);
  });

  it('stops at the limit that is used up, and says which and until when', async () => {
    const limits: readonly KeyLimit[] = [
      { permits: 2, per: 'minute' },
      { permits: 100, per: 'hour', burst: 5 },
    ];
    const node = createKeyLimits({ store: newStore() });
    for (let round = 0; round < 2; round += 1) await node.take('key:two', limits);
    const refused = await node.take('key:two', limits);
    expect(refused).toEqual([
      { allowed: false, per: 'minute', limit: 2, remaining: 0, resetSeconds: 30, windowSeconds: 60 },
    ]);
    expect((await node.take('key:three', limits)).map(({ remaining }) => remaining)).toEqual([1, 4]);
  });
}

describe('limits of keys in PostgreSQL', () => {
  const database = useDatabase();
  countedIn(() => createPostgresStore(database.db));

  it('are remembered for as long as a permit is missing', async () => {
    const limits = createKeyLimits({ store: createPostgresStore(database.db) });
    await limits.take('key:long', [{ permits: 1, per: 'hour', burst: 2 }]);
    const row = await database.db('limit_counters').where({ key: 'key:long:hour' }).first('expires_at');
    expect(row.expires_at.getTime()).toBeGreaterThan(Date.now() + 2 * 3_600_000);
  });
});

describe.skipIf(needs('redis-server'))('limits of keys in Redis', () => {
  const redis = useRedis();
  countedIn(() => createRedisStore(redis.redis));
});

describe('limits of keys without a store', () => {
  it('are counted by the process alone, a second apart from an hour', async () => {
    const limits = createKeyLimits();
    const both: readonly KeyLimit[] = [
      { permits: 3, per: 'second' },
      { permits: 2, per: 'hour' },
    ];
    const last = async () => (await limits.take('key:alone', both)).at(-1);
    expect([await last(), await last(), await last()]).toMatchObject([
      { allowed: true },
      { allowed: true },
      { allowed: false, per: 'hour', resetSeconds: 1800 },
    ]);
  });
});
