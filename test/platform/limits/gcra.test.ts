// The arithmetic: a burst, a steady rate after it, and never more in any window, in whatever order and size permits are taken.
import { array, check, integer, property, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  permitsLeft,
  quotaAlone,
  quotaOf,
  takeFrom,
  untilNextPermit,
} from '../../../src/platform/limits/gcra.ts';

const SECOND = 1_000_000;

describe('one counter', () => {
  const quota = quotaOf(30);

  it('C11: gives half of a minute at once and then one permit for each step', () => {
    let emptyAt: number | undefined;
    const take = (now: number) => {
      const taken = takeFrom(emptyAt, now, 1, quota);
      emptyAt = taken.emptyAt;
      return taken.granted;
    };
    const burst = Array.from({ length: 20 }, () => take(0)).filter((granted) => granted === 1);
    expect(burst).toHaveLength(16);
    expect(take(2 * SECOND - 1)).toBe(0);
    expect(take(2 * SECOND)).toBe(1);
    expect(take(2 * SECOND)).toBe(0);
  });

  it('gives of several wanted permits those that are there', () => {
    expect(takeFrom(undefined, 0, 100, quota)).toMatchObject({ granted: 16, ahead: 16 * quota.step });
  });

  it('says how many are left and when the next one comes', () => {
    const { ahead } = takeFrom(undefined, 0, 15, quota);
    expect(permitsLeft(ahead, quota)).toBe(1);
    const full = takeFrom(undefined, 0, 16, quota).ahead;
    expect([permitsLeft(full, quota), untilNextPermit(full, quota)]).toEqual([0, 2 * SECOND]);
    expect(untilNextPermit(full - 500_000, quota)).toBe(1.5 * SECOND);
  });

  it('is full again at the latest after a burst when its clock jumped back', () => {
    const { emptyAt } = takeFrom(undefined, 3_600 * SECOND, 16, quota);
    const before = takeFrom(emptyAt, 0, 1, quota);
    expect(before.granted).toBe(0);
    expect(before.ahead).toBe(16 * quota.step);
  });

  it('has a quarter of the limit for a process that counts alone, and never none', () => {
    expect(quotaAlone(quotaOf(6000)).limit).toBe(1500);
    expect(quotaAlone(quotaOf(1)).limit).toBe(1);
  });
});

it('never admits more than the burst and the rate in any window', () => {
  const step = tuple(integer({ min: 0, max: 5 * SECOND }), integer({ min: 1, max: 60 }));
  const run = property(
    integer({ min: 1, max: 10_000 }),
    array(step, { maxLength: 60 }),
    (perMinute, steps) => {
      const quota = quotaOf(perMinute);
      const grants: { now: number; granted: number }[] = [];
      let emptyAt: number | undefined;
      let now = 1_790_000_000 * SECOND;
      for (const [pause, wanted] of steps) {
        now += pause;
        const taken = takeFrom(emptyAt, now, wanted, quota);
        emptyAt = taken.emptyAt;
        grants.push({ now, granted: taken.granted });
      }
      for (const [index, first] of grants.entries()) {
        let sum = 0;
        for (const { now: until, granted } of grants.slice(index)) {
          sum += granted;
          if (sum > quota.burst + Math.floor((until - first.now) / quota.step)) return false;
        }
      }
      return true;
    },
  );
  expect(check(run, { numRuns: 300 }).failed).toBe(false);
});
