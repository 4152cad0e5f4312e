// Hashing gives way: its threads, and only those, get a lower priority.
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { expect, it } from 'vitest';
import { lowerPoolThreads } from '../../../src/platform/limits/pool-threads.ts';

it.runIf(process.platform === 'linux')(
  'lowers the threads of the pool, and not the one that answers',
  async () => {
    const count = await lowerPoolThreads();
    expect(count).toBeGreaterThan(0);
    const tasks = readdirSync('/proc/self/task').map((thread) => ({
      isPool: readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').startsWith('libuv-worker'),
      priority: getPriority(Number(thread)),
    }));
    const own = getPriority(process.pid);
    expect(tasks.filter(({ isPool }) => isPool).map(({ priority }) => priority)).toEqual(
      Array(count).fill(own + 5),
    );
    expect(tasks.filter(({ isPool }) => !isPool).every(({ priority }) => priority === own)).toBe(true);
  },
);

it.runIf(process.platform !== 'linux')('does nothing elsewhere', async () => {
  expect(await lowerPoolThreads()).toBe(0);
});
