// Where counters are kept: shared by all processes in Redis or PostgreSQL, or in this process alone.
import type { Quota, Taken } from './gcra.ts';

export interface LimitStore {
  /** Undefined when the counters cannot be reached within a bounded time. Never asked twice at once for one key. */
  take(key: string, wanted: number, quota: Quota): Promise<Taken | undefined>;
}
