// Where the time of a request went: what it waited for outside of this process, part by part.
import { currentOrigin, type TimedPart } from '../origin.ts';

export type { TimedPart } from '../origin.ts';

export const timedParts = [
  'database',
  'redis',
  'hashing',
  'signing',
  'outgoing',
] as const satisfies TimedPart[];

/** One wait, in milliseconds of `performance.now()`. */
export interface Stretch {
  readonly part: TimedPart;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly failed: boolean;
}

export interface Timings {
  add(part: TimedPart, startedAt: number, endedAt: number, failed: boolean): void;
  /** The sum of all waits: more than the whole request when it waited for several at once. 0 when there was none. */
  milliseconds(part: TimedPart): number;
  count(part: TimedPart): number;
  /** Every single wait, for a trace; empty unless the timings were made to keep them. */
  readonly stretches: readonly Stretch[];
}

/** A request that never ends its waits, a job that runs in its origin: what is kept stays bounded. */
const MOST_STRETCHES = 200;

export function createTimings(keep: boolean): Timings {
  const spent: Record<TimedPart, number> = { database: 0, redis: 0, hashing: 0, signing: 0, outgoing: 0 };
  const counts: Record<TimedPart, number> = { database: 0, redis: 0, hashing: 0, signing: 0, outgoing: 0 };
  const stretches: Stretch[] = [];
  return {
    add(part, startedAt, endedAt, failed) {
      spent[part] += endedAt - startedAt;
      counts[part] += 1;
      if (keep && stretches.length < MOST_STRETCHES) stretches.push({ part, startedAt, endedAt, failed });
    },
    milliseconds: (part) => spent[part],
    count: (part) => counts[part],
    stretches,
  };
}

/** Runs it, and counts the time until its end for the request under way, if there is one. */
export async function measure<T>(part: TimedPart, run: () => Promise<T>): Promise<T> {
  const end = beginMeasure(part);
  if (end === undefined) return run();
  let failed = true;
  try {
    const value = await run();
    failed = false;
    return value;
  } finally {
    end(failed);
  }
}

/** The same for work that is done when it returns. */
export function measureNow<T>(part: TimedPart, run: () => T): T {
  const end = beginMeasure(part);
  if (end === undefined) return run();
  let failed = true;
  try {
    const value = run();
    failed = false;
    return value;
  } finally {
    end(failed);
  }
}

/** The same where the end is a callback. Undefined when no request is under way, and nothing need be counted. */
export function beginMeasure(part: TimedPart): ((failed: boolean) => void) | undefined {
  const { timings } = currentOrigin();
  if (timings === undefined) return undefined;
  const startedAt = performance.now();
  return (failed) => timings.add(part, startedAt, performance.now(), failed);
}
