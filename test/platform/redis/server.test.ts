// A whole server with Redis: it says so when Redis is lost, and nobody waits long meanwhile.
import { describe, expect, it } from 'vitest';
import { useGatehouse } from '../../support/gatehouse.ts';
import { untilUp, useRedis } from '../../support/redis.ts';
import { needs } from '../../support/tools.ts';

describe.skipIf(needs('redis-server'))('a server whose Redis is lost', () => {
  const redis = useRedis();
  const gatehouse = useGatehouse({ settings: { REDIS_URL: redis.url } });

  const ready = async () => {
    const response = await fetch(`${gatehouse.issuer}/readyz`);
    return [response.status, await response.json()];
  };
  const token = async () => {
    const begun = performance.now();
    const response = await fetch(`${gatehouse.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: 'nobody',
        client_secret: 'x',
      }),
    });
    return { status: response.status, milliseconds: performance.now() - begun };
  };

  const worstOf = async (count: number) => {
    const answers = await Promise.all(Array.from({ length: count }, token));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    return Math.max(...answers.map(({ milliseconds }) => milliseconds));
  };

  it.each<[string, () => Promise<void> | void, () => Promise<void> | void]>([
    ['paused', () => redis.pause(), () => redis.resume()],
    ['killed', () => redis.stop(), () => redis.start()],
  ])(
    'by being %s stays ready and degraded, answers in time, and is well again',
    async (_way, lose, bringBack) => {
      const { services } = gatehouse;
      if (services.redis === undefined) throw new Error('REDIS_URL was not heeded');
      await untilUp(services.redis);
      expect(await ready()).toEqual([200, { status: 'ready' }]);
      await worstOf(20);
      const usual = await worstOf(20);
      await lose();
      // What the machine is busy with otherwise is in both.
      expect((await worstOf(20)) - usual).toBeLessThan(500);
      await expect
        .poll(ready, { timeout: 3_000 })
        .toEqual([200, { status: 'degraded', degraded: ['redis'] }]);
      expect(await services.metrics.text()).toMatch(/^gatehouse_redis_up(\{[^}]*\})? 0$/m);
      await bringBack();
      await expect.poll(ready, { timeout: 5_000 }).toEqual([200, { status: 'ready' }]);
      expect(await services.metrics.text()).toMatch(/^gatehouse_redis_up(\{[^}]*\})? 1$/m);
    },
  );
});
