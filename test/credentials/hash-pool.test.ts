// The bound on hashing: few at once, few waiting, none waiting long.
import { expect, it } from 'vitest';
import { createHashPool, type HashPoolState } from '../../src/credentials/password/hash-pool.ts';

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { task: () => opened, open };
}

it('runs no more at once than it may, and lets no more wait', async () => {
  const seen: HashPoolState[] = [];
  const pool = createHashPool({ hashConcurrency: 2, hashQueue: 3, hashQueueSeconds: 5 }, (state) =>
    seen.push(state),
  );
  const { task, open } = gate();
  const results = Array.from({ length: 10 }, () => pool.run(task));
  expect(pool.state()).toEqual({ running: 2, waiting: 3 });
  expect(pool.isFull()).toBe(true);
  open();
  const kinds = (await Promise.all(results)).map((result) => result.kind);
  expect(kinds.filter((kind) => kind === 'done')).toHaveLength(5);
  expect(kinds.filter((kind) => kind === 'busy')).toHaveLength(5);
  expect(Math.max(...seen.map((state) => state.running))).toBe(2);
  expect(Math.max(...seen.map((state) => state.waiting))).toBe(3);
  expect(pool.state()).toEqual({ running: 0, waiting: 0 });
});

it('refuses at once when it is full', async () => {
  const pool = createHashPool({ hashConcurrency: 1, hashQueue: 0, hashQueueSeconds: 60 });
  const { task, open } = gate();
  const first = pool.run(task);
  const started = performance.now();
  expect((await pool.run(task)).kind).toBe('busy');
  expect(performance.now() - started).toBeLessThan(50);
  open();
  await first;
});

it('lets nobody wait longer than it says', async () => {
  const pool = createHashPool({ hashConcurrency: 1, hashQueue: 5, hashQueueSeconds: 0.05 });
  const { task, open } = gate();
  const first = pool.run(task);
  expect((await pool.run(task)).kind).toBe('busy');
  expect(pool.state()).toEqual({ running: 1, waiting: 0 });
  open();
  expect((await first).kind).toBe('done');
});

it('serves those who wait in their order', async () => {
  const pool = createHashPool({ hashConcurrency: 1, hashQueue: 5, hashQueueSeconds: 5 });
  const order: number[] = [];
  await Promise.all([1, 2, 3, 4].map((n) => pool.run(async () => order.push(n))));
  expect(order).toEqual([1, 2, 3, 4]);
});

it('gives its place back when a task fails', async () => {
  const pool = createHashPool({ hashConcurrency: 1, hashQueue: 1, hashQueueSeconds: 1 });
  await expect(pool.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(pool.state()).toEqual({ running: 0, waiting: 0 });
});
