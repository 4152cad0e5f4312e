// Hashing gives way: its threads, and only those, get a lower priority.
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { expect, it } from 'vitest';
import { lowerPoolThreads } from '../../../src/platform/limits/pool-threads.ts';

it('lowers the threads of the pool on Linux and not the one that answers; elsewhere it does nothing', async () => {
  const count = await lowerPoolThreads();
  if (process.platform !== 'linux') {
    expect(count).toBe(0);
    return;
  }
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
});
