// How often one caller may ask: a steady rate and a burst on top, per limit and key. Counted in this process.
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

/** The most that fits into one minute; 0 switches the limit off. */
export type PerMinute = number;

/** The names are the settings of section `limits`; a route or page says which one counts it. */
export type LimitName =
  | 'page'
  | 'sign-in'
  | 'setup'
  | 'token'
  | 'introspection'
  | 'device'
  | 'admin-read'
  | 'admin-write';

export interface LimitVerdict {
  allowed: boolean;
  /** How many fit in one window, burst included. */
  limit: number;
  remaining: number;
  /** When more may come: at once when allowed, after this many seconds when not. */
  resetSeconds: number;
  windowSeconds: number;
}

export interface Limits<Name extends string = LimitName> {
  /** Undefined when this limit is switched off. */
  take(name: Name, key: string): Promise<LimitVerdict | undefined>;
}

interface Bucket {
  steady: RateLimiterMemory;
  burst: RateLimiterMemory | undefined;
  limit: number;
}

const WINDOW_SECONDS = 60;

export function createLimits<Name extends string>(settings: Readonly<Record<Name, PerMinute>>): Limits<Name> {
  const buckets = new Map<string, Bucket>();
  for (const [name, perMinute] of Object.entries<PerMinute>(settings)) {
    if (perMinute > 0) buckets.set(name, newBucket(name, perMinute));
  }
  const known = new Set(Object.keys(settings));
  return {
    take: async (name, key) => {
      const bucket = buckets.get(name);
      if (bucket !== undefined) return take(bucket, key);
      if (!known.has(name)) throw new Error(`no such limit: ${name}`);
      return undefined;
    },
  };
}

/**
 * Close to a token bucket: half of the quota may come at once, the other half trickles in steps as short as the rate
 * allows, so that whoever used up the burst waits for one step and not for a whole minute.
 */
function newBucket(name: string, perMinute: PerMinute): Bucket {
  const burst = Math.floor(perMinute / 2);
  const trickle = perMinute - burst;
  const points = Math.max(1, Math.floor(trickle / WINDOW_SECONDS));
  const duration = (points * WINDOW_SECONDS) / trickle;
  return {
    steady: new RateLimiterMemory({ keyPrefix: `${name}:steady`, points, duration }),
    burst:
      burst > 0
        ? new RateLimiterMemory({ keyPrefix: `${name}:burst`, points: burst, duration: WINDOW_SECONDS })
        : undefined,
    limit: perMinute,
  };
}

async function take(bucket: Bucket, key: string): Promise<LimitVerdict> {
  const steady = await consume(bucket.steady, key);
  if (steady.allowed || bucket.burst === undefined) {
    const spare = bucket.burst === undefined ? 0 : await left(bucket.burst, key);
    return verdict(bucket, steady.allowed, steady.result, spare);
  }
  const burst = await consume(bucket.burst, key);
  return verdict(bucket, burst.allowed, steady.result, burst.result.remainingPoints);
}

function verdict(bucket: Bucket, allowed: boolean, steady: RateLimiterRes, spare: number): LimitVerdict {
  return {
    allowed,
    limit: bucket.limit,
    remaining: steady.remainingPoints + spare,
    resetSeconds: Math.max(1, Math.ceil(steady.msBeforeNext / 1000)),
    windowSeconds: WINDOW_SECONDS,
  };
}

/** The library rejects with its own result object when the points are used up; anything else is a real failure. */
async function consume(limiter: RateLimiterMemory, key: string) {
  try {
    return { allowed: true, result: await limiter.consume(key) };
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return { allowed: false, result: refusal };
    throw refusal;
  }
}

async function left(limiter: RateLimiterMemory, key: string): Promise<number> {
  return (await limiter.get(key))?.remainingPoints ?? limiter.points;
}
