// Redis lost, silent, and back with what it held some time ago.

import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Fault } from './drill.ts';
import { makeOnce, makers } from './once.ts';
import type { Once } from './truth.ts';

export const redisFaults: readonly Fault[] = [
  {
    id: 'redis-killed',
    title: 'Redis is killed, and back empty after 5 s',
    async run({ world: { redis } }, mended) {
      await redis.kill();
      await delay(5_000);
      await redis.start('empty');
      mended();
      return [];
    },
  },
  {
    id: 'redis-silent',
    title: 'Redis is silent for 10 s (SIGSTOP)',
    async run({ world: { redis } }, mended) {
      redis.pause();
      await delay(10_000);
      redis.resume();
      mended();
      return [];
    },
  },
  {
    id: 'redis-old',
    title: 'Redis is killed, and back at once with what it held 4 s ago',
    async run(scene, mended) {
      const { redis } = scene.world;
      const unused: Once[] = [];
      for (const name of Object.keys(makers)) {
        const made = await makeOnce(scene, name).catch(() => undefined);
        if (made) unused.push(made);
      }
      const client = new Redis(redis.url);
      await client.save();
      client.disconnect();
      // Used after the dump was written: it says that they are good.
      for (const once of unused) if (await once.use(0)) once.successes += 1;
      await delay(4_000);
      await redis.kill();
      await redis.start('saved');
      mended();
      const used = unused.filter(({ successes }) => successes === 1).length;
      return [`${used} things in the dump as unused were used after it was written`];
    },
  },
];
