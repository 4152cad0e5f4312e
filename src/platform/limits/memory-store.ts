// Counters in this process: the strict limit while the shared ones are away, and all there is in a test.
import { type Quota, type Taken, takeFrom } from './gcra.ts';

export interface MemoryCounters {
  take(key: string, wanted: number, quota: Quota): Taken;
}

// The longest window: no counter of such a limit is ahead by more, so what was not touched for so long may be forgotten.
const GENERATION_SECONDS = 61;
// Addresses are chosen by strangers: rather forget early than grow without end.
const MOST_COUNTERS = 100_000;

/** Two generations: what is used moves to the young one, and the old one is dropped as a whole. */
export function createMemoryCounters(
  milliseconds: () => number = () => performance.now(),
  generationSeconds = GENERATION_SECONDS,
): MemoryCounters {
  let young = new Map<string, number>();
  let old = new Map<string, number>();
  let youngSince = milliseconds();
  return {
    take(key, wanted, quota) {
      const now = milliseconds();
      if (now - youngSince > generationSeconds * 1000 || young.size >= MOST_COUNTERS) {
        [old, young, youngSince] = [young, new Map(), now];
      }
      const taken = takeFrom(young.get(key) ?? old.get(key), Math.floor(now * 1000), wanted, quota);
      young.set(key, taken.emptyAt);
      return taken;
    },
  };
}
