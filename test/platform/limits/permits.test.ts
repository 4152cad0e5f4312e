// What one process takes ahead: as much as it spends, never spent late, and refusals remembered until a permit can exist.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { quotaOf, takeFrom } from '../../../src/platform/limits/gcra.ts';
import { createMemoryCounters } from '../../../src/platform/limits/memory-store.ts';
import { createPermits } from '../../../src/platform/limits/permits.ts';
import type { LimitStore } from '../../../src/platform/limits/store.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'], now: 1_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A shared counter on the same clock, that notes what it was asked for. */
function counted() {
  const asked: number[] = [];
  let emptyAt: number | undefined;
  const store: LimitStore = {
    take: async (_key, wanted, quota) => {
      asked.push(wanted);
      const taken = takeFrom(emptyAt, performance.now() * 1000, wanted, quota);
      emptyAt = taken.emptyAt;
      return taken;
    },
  };
  const permits = createPermits({ store, alone: createMemoryCounters(), failed: () => undefined });
  return { asked, permits };
}

describe('a generous limit', () => {
  const quota = quotaOf(6000);

  it('is taken in growing chunks by one who asks fast, up to fifty', async () => {
    const { asked, permits } = counted();
    for (let round = 0; round < 200; round += 1) await permits.take('a', quota);
    expect(asked).toEqual([1, 2, 4, 8, 16, 32, 50, 50, 50]);
  });

  it('is taken one by one by one who asks seldom, so that nothing is lost', async () => {
    const { asked, permits } = counted();
    for (let round = 0; round < 10; round += 1) {
      await permits.take('a', quota);
      vi.advanceTimersByTime(1_500);
    }
    expect(asked).toEqual(Array(10).fill(1));
  });

  it('is taken as it is spent by one who asks steadily', async () => {
    const { asked, permits } = counted();
    const rounds = 2_000;
    for (let round = 0; round < rounds; round += 1) {
      await permits.take('a', quota);
      vi.advanceTimersByTime(50);
    }
    const taken = asked.reduce((sum, one) => sum + one, 0);
    expect(taken).toBeLessThan(rounds * 1.1);
    expect(asked.length).toBeLessThan(rounds / 10);
  });

  it('has permits for a second only', async () => {
    const { asked, permits } = counted();
    for (let round = 0; round < 70; round += 1) await permits.take('a', quota);
    const before = asked.length;
    vi.advanceTimersByTime(1_001);
    await permits.take('a', quota);
    expect(asked.length).toBe(before + 1);
  });
});

describe('a small limit', () => {
  const quota = quotaOf(12);

  it('is asked for one by one, and for all who wait by one question', async () => {
    const { asked, permits } = counted();
    const decisions = await Promise.all(Array.from({ length: 5 }, () => permits.take('a', quota)));
    expect(asked).toEqual([1, 4]);
    expect(decisions.map(({ remaining }) => remaining)).toEqual([6, 5, 4, 3, 2]);
  });

  it('is refused here until the next permit can exist, and no longer', async () => {
    const { asked, permits } = counted();
    for (let round = 0; round < 8; round += 1) await permits.take('a', quota);
    const before = asked.length;
    vi.advanceTimersByTime(4_990);
    expect(await permits.take('a', quota)).toMatchObject({ allowed: false, resetSeconds: 1 });
    expect(asked.length).toBe(before);
    vi.advanceTimersByTime(20);
    expect(await permits.take('a', quota)).toMatchObject({ allowed: true });
  });
});
