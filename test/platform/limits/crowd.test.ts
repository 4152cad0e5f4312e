// The line for pages: few inside, everybody in turn, and nobody waits for ever.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createCrowd } from '../../../src/platform/limits/crowd.ts';

const settings = { places: 2, line: 3, patienceMilliseconds: 1_000 };

test('lets only so many in at once, the others in the order in which they came', async () => {
  const crowd = createCrowd(settings);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  const visit = (number: number) =>
    crowd.run(async () => {
      inside += 1;
      most = Math.max(most, inside);
      order.push(number);
      await delay(5);
      inside -= 1;
    });
  await Promise.all([1, 2, 3, 4, 5].map(visit));

  expect(most).toBe(2);
  expect(order).toEqual([1, 2, 3, 4, 5]);
});

test('refuses at once when the line is full', async () => {
  const crowd = createCrowd(settings);
  const visits = Array.from({ length: 6 }, () => crowd.run(() => delay(20)));
  const outcomes = await Promise.allSettled(visits);

  expect(outcomes.map(({ status }) => status).filter((status) => status === 'rejected').length).toBe(1);
  expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'server_busy' } });
});

test('refuses whose turn does not come in time, and gives the place to the next one', async () => {
  const crowd = createCrowd({ ...settings, places: 1, patienceMilliseconds: 20 });
  const slow = crowd.run(() => delay(60));
  await expect(crowd.run(async () => 'late')).rejects.toMatchObject({ code: 'server_busy' });
  const next = crowd.run(async () => 'in time').catch(() => 'late');
  await slow;

  expect(['in time', 'late']).toContain(await next);
  expect(await crowd.run(async () => 'free again')).toBe('free again');
});

test('a visit that fails leaves its place', async () => {
  const crowd = createCrowd({ ...settings, places: 1 });
  await expect(crowd.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');

  expect(await crowd.run(async () => 'free')).toBe('free');
});
