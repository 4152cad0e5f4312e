// The arithmetic of the limits (generic cell rate algorithm): one number per counter, the time at which it is empty again.
// The same three lines stand in Lua in redis-store.ts and in SQL in postgres-store.ts. Times are whole microseconds.

/** The most that fits into one minute; 0 switches the limit off. */
export type PerMinute = number;

export interface Quota {
  /** So many come back in one window. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** So long takes one permit to come back. */
  readonly step: number;
  /** So many may be taken at once after a pause. */
  readonly burst: number;
  /** So many one process may take ahead, to spend them without asking again. */
  readonly chunk: number;
}

export interface Taken {
  readonly granted: number;
  /** How far the counter is ahead of now: 0 when it is empty, `burst * step` when nothing is left. */
  readonly ahead: number;
}

const SECOND = 1_000_000;
/** As many as come back within this time, or a few where the limit is small: what is not spent of them is lost. */
const CHUNK_SECONDS = 0.1;
const LARGEST_SMALL_CHUNK = 50;
const PERMITS_PER_CHUNKED_ONE = 100;
/** Of the limit, for each process that counts alone because the shared counters are away. */
const ALONE = 4;

/** Half of a minute's permits at once, and the rate of the limit after that. */
export function quotaOf(perMinute: PerMinute): Quota {
  return windowQuota({ limit: perMinute, windowSeconds: 60, burst: Math.floor(perMinute / 2) + 1 });
}

/** So many in a window of its own, `burst` of them at once after a pause. */
export function windowQuota({
  limit,
  windowSeconds,
  burst,
}: Pick<Quota, 'limit' | 'windowSeconds' | 'burst'>): Quota {
  const perChunk = Math.floor((limit / windowSeconds) * CHUNK_SECONDS);
  return {
    limit,
    windowSeconds,
    step: Math.max(1, Math.floor((windowSeconds * SECOND) / limit)),
    burst,
    chunk: Math.min(
      burst,
      Math.max(1, Math.min(LARGEST_SMALL_CHUNK, Math.floor(limit / PERMITS_PER_CHUNKED_ONE)), perChunk),
    ),
  };
}

/** A quarter: with up to four processes nobody gets more than the limit, and nobody is ever without one. */
export function quotaAlone({ limit, windowSeconds, burst }: Quota): Quota {
  return windowQuota({
    limit: Math.max(1, Math.floor(limit / ALONE)),
    windowSeconds,
    burst: Math.max(1, Math.ceil(burst / ALONE)),
  });
}

/** As many of the wanted permits as there are. `emptyAt` is the counter; undefined when there is none yet. */
export function takeFrom(
  emptyAt: number | undefined,
  now: number,
  wanted: number,
  { step, burst }: Quota,
): Taken & { readonly emptyAt: number } {
  const full = now + burst * step;
  const begin = Math.min(Math.max(emptyAt ?? now, now), full);
  const granted = Math.min(wanted, Math.floor((full - begin) / step));
  const end = begin + granted * step;
  return { granted, ahead: end - now, emptyAt: end };
}

export function permitsLeft(ahead: number, { step, burst }: Quota): number {
  return Math.max(0, Math.floor((burst * step - ahead) / step));
}

/** Until there is one permit more than now. */
export function untilNextPermit(ahead: number, quota: Quota): number {
  return Math.max(0, ahead - (quota.burst - permitsLeft(ahead, quota) - 1) * quota.step);
}
