// How much was used, by hour: counted in memory and written together every few seconds.
import type { Page, PageRequest } from '../lib/page.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { UsageFilter, UsageKind, UsageRow, Used } from './schema.ts';

export type { UsageFilter, UsageKind, UsageRow, Used } from './schema.ts';

export interface Usage {
  /** One request of each that is named, and the amounts beside it. Costs one look into a map; never fails, never waits. */
  count(used: Used, kind: UsageKind, amounts?: Readonly<Record<string, bigint>>): void;
  /** The newest first. Throws request_invalid for a cursor that is not ours. */
  report(filter: UsageFilter, page: PageRequest): Promise<Page<UsageRow>>;
  /** All of it as CSV, line by line, the newest first. */
  csv(filter: UsageFilter): AsyncGenerator<string>;
  /** Writes what is counted so far. */
  flush(): Promise<void>;
  start(): void;
  /** Writes everything counted so far. What a killed process has not written is lost: at most a few seconds. */
  stop(): Promise<void>;
  jobs(): Job[];
}
