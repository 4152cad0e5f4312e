// The limits that a key or client brings along: so many in a second, a minute or an hour, counted together by all processes.
import { type Log, silentLog } from '../telemetry/log.ts';
import { type Quota, windowQuota } from './gcra.ts';
import { createMemoryCounters } from './memory-store.ts';
import { createPermits } from './permits.ts';
import { sayOnce } from './rate-limit.ts';
import type { LimitStore } from './store.ts';

export interface KeyLimit {
  readonly permits: number;
  readonly per: 'second' | 'minute' | 'hour';
  /** How many at once after a pause; as many as `permits` unless it says otherwise. */
  readonly burst?: number | undefined;
}

export interface KeyLimitVerdict {
  readonly allowed: boolean;
  readonly per: KeyLimit['per'];
  readonly limit: number;
  readonly remaining: number;
  readonly resetSeconds: number;
  readonly windowSeconds: number;
}

export interface KeyLimits {
  /**
   * One permit of each, in the order given; stops at the first that is used up, which is then the last of the answer. The
   * key names whose they are (`key:key_…`), and the array is what the quotas are remembered by: hand in the same one.
   */
  take(key: string, limits: readonly KeyLimit[]): Promise<readonly KeyLimitVerdict[]>;
}

const WINDOWS = { second: 1, minute: 60, hour: 3600 } as const;
const LONGEST_SECONDS = 2 * WINDOWS.hour;

/** Without a store the counters are this process's own. */
export function createKeyLimits(deps: { store?: LimitStore; log?: Log } = {}): KeyLimits {
  const counters = () => createMemoryCounters(undefined, LONGEST_SECONDS);
  const alone = counters();
  const own: LimitStore = { take: async (key, wanted, quota) => alone.take(key, wanted, quota) };
  const { store = own, log = silentLog } = deps;
  const permits = createPermits({ store, alone: counters(), failed: sayOnce(log) });
  const remembered = new WeakMap<readonly KeyLimit[], readonly Quota[]>();

  const quotasOf = (limits: readonly KeyLimit[]): readonly Quota[] => {
    const known = remembered.get(limits);
    if (known !== undefined) return known;
    const quotas = limits.map(({ permits: limit, per, burst = limit }) =>
      windowQuota({ limit, windowSeconds: WINDOWS[per], burst }),
    );
    remembered.set(limits, quotas);
    return quotas;
  };

  return {
    async take(key, limits) {
      const quotas = quotasOf(limits);
      const verdicts: KeyLimitVerdict[] = [];
      for (const [index, { per }] of limits.entries()) {
        const quota = quotas[index];
        if (quota === undefined) continue;
        const decision = await permits.take(`${key}:${per}`, quota);
        verdicts.push({ ...decision, per, windowSeconds: quota.windowSeconds });
        if (!decision.allowed) break;
      }
      return verdicts;
    },
  };
}
