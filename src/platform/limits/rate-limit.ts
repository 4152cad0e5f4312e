// How often one caller may ask: a burst and a steady rate after it, per limit and key, counted together by all processes.
import { type Log, silentLog } from '../telemetry/log.ts';
import { type PerMinute, quotaOf } from './gcra.ts';
import { createMemoryCounters } from './memory-store.ts';
import { createPermits } from './permits.ts';
import type { LimitStore } from './store.ts';

export type { PerMinute } from './gcra.ts';

/** The names are the settings of section `limits`; a route or page says which one counts it. */
export type LimitName =
  | 'page'
  | 'sign-in'
  | 'recovery'
  | 'setup'
  | 'registration'
  | 'token'
  | 'introspection'
  | 'device'
  | 'api-credential'
  | 'verify'
  | 'decision'
  | 'budget'
  | 'leak-report'
  | 'admin-read'
  | 'admin-write';

export interface LimitVerdict {
  allowed: boolean;
  /** How many fit in one window. */
  limit: number;
  remaining: number;
  /** When one more may come: after this many seconds. */
  resetSeconds: number;
  windowSeconds: number;
}

export interface Limits<Name extends string = LimitName> {
  /** Undefined when this limit is switched off. The key names its dimension: `address:192.0.2.1`, `caller:acc_…`. */
  take(name: Name, key: string): Promise<LimitVerdict | undefined>;
}

/** Without a store the counters are this process's own. */
export function createLimits<Name extends string>(
  settings: Readonly<Record<Name, PerMinute>>,
  deps: { store?: LimitStore; log?: Log } = {},
): Limits<Name> {
  const entries = Object.entries<PerMinute>(settings);
  const quotas = new Map(
    entries.map(([name, perMinute]) => [name, perMinute > 0 ? quotaOf(perMinute) : undefined]),
  );
  const alone = createMemoryCounters();
  const own: LimitStore = { take: async (key, wanted, quota) => alone.take(key, wanted, quota) };
  const { store = own, log = silentLog } = deps;
  const permits = createPermits({ store, alone: createMemoryCounters(), failed: sayOnce(log) });
  return {
    take: async (name, key) => {
      const quota = quotas.get(name);
      if (quota !== undefined) {
        const decision = await permits.take(`${name}:${key}`, quota);
        return { ...decision, windowSeconds: quota.windowSeconds };
      }
      if (!quotas.has(name)) throw new Error(`no such limit: ${name}`);
      return undefined;
    },
  };
}

const SILENCE_MILLISECONDS = 60_000;

/** A store that is away says so itself; this is for what should never happen, and then for every request. */
export function sayOnce(log: Log): (error: unknown) => undefined {
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (performance.now() - saidAt < SILENCE_MILLISECONDS) return;
    saidAt = performance.now();
    log.error('limits cannot be counted together: each process counts alone', { error });
  };
}
