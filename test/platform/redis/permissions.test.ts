// The permissions that docs/operations/redis.md asks for are enough, and they are no more than one key prefix.
import { readFile } from 'node:fs/promises';
import { Redis as Client } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { createLimits } from '../../../src/platform/limits/rate-limit.ts';
import { createRedisStore } from '../../../src/platform/limits/redis-store.ts';
import { createRedis } from '../../../src/platform/redis/redis.ts';
import { silentLog } from '../../../src/platform/telemetry/log.ts';
import { untilUp, useRedis } from '../../support/redis.ts';
import { needs } from '../../support/tools.ts';

describe.skipIf(needs('redis-server'))('the user of the documentation', () => {
  const server = useRedis();

  it('counts limits, brings messages, and reaches no key of others', async () => {
    const page = await readFile('docs/operations/redis.md', 'utf8');
    const [, rule = ''] = /^ACL SETUSER gatehouse (.+)$/m.exec(page) ?? [];
    const words = rule.replace('>PASSWORD', '>s3cret').split(' ');
    await server.redis.use((client) => client.call('ACL', 'SETUSER', 'gatehouse', ...words));

    const url = server.url.replace('redis://', 'redis://gatehouse:s3cret@');
    const settings = { url, keyPrefix: 'gatehouse:', commandTimeoutMilliseconds: 300 };
    const redis = createRedis(settings, { log: silentLog });
    const other = createRedis(settings, { log: silentLog });
    await Promise.all([untilUp(redis), untilUp(other)]);
    const limits = createLimits({ sample: 12 }, { store: createRedisStore(redis) });
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => limits.take('sample', 'a')));
    expect(verdicts.filter((verdict) => verdict?.allowed)).toHaveLength(7);
    const heard: string[] = [];
    other.subscribe('news', (text) => heard.push(text));
    const said = async () => {
      await redis.publish('news', 'first');
      return heard.length;
    };
    await expect.poll(said, { timeout: 5_000 }).toBeGreaterThan(0);
    await Promise.all([redis.close(), other.close()]);

    const raw = new Client(url, { enableReadyCheck: false });
    for (const [name, ...values] of [
      ['GET', 'others:key'],
      ['KEYS', '*'],
      ['FLUSHALL'],
      ['CONFIG', 'GET', '*'],
    ]) {
      await expect(raw.call(`${name}`, ...values)).rejects.toThrow('NOPERM');
    }
    raw.disconnect();
  });
});
