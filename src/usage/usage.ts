// How much was used, by hour: counted in memory and written together every few seconds.
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { createCounting } from './counting.ts';
import { csvOf } from './csv.ts';
import type { UsageFilter, UsageKind, UsageRow, Used } from './schema.ts';
import { addUsage, deleteUsage, requestsOfKeys, selectUsage } from './store.ts';

export type { UsageFilter, UsageKind, UsageRow, Used } from './schema.ts';

export interface Usage {
  /** One request of each that is named, and the amounts beside it. Costs one look into a map; never fails, never waits. */
  count(used: Used, kind: UsageKind, amounts?: Readonly<Record<string, bigint>>): void;
  /** Amounts of what was counted before as a request. */
  add(used: Used, kind: UsageKind, amounts: Readonly<Record<string, bigint>>): void;
  /** The newest first. Throws request_invalid for a cursor that is not ours. */
  report(filter: UsageFilter, page: PageRequest): Promise<Page<UsageRow>>;
  /** How often each of these API keys was used since each of the instants; keys that were not used are left out. */
  requestsSince(
    apiKeyIds: readonly string[],
    instants: readonly Date[],
  ): Promise<ReadonlyMap<string, readonly bigint[]>>;
  /** All of it as CSV, line by line, the newest first. */
  csv(filter: UsageFilter): AsyncGenerator<string>;
  /** Writes what is counted so far. */
  flush(): Promise<void>;
  start(): void;
  /** Writes everything counted so far. What a killed process has not written is lost: at most a few seconds. */
  stop(): Promise<void>;
  jobs(): Job[];
}

export interface UsageDeps {
  db: Db;
  clock: Clock;
  log: Log;
  settings: { usageDays: number };
}

const FLUSH_MILLISECONDS = 5_000;
const PAGE_MAXIMUM = 1_000;
const STREAM_STEP = 1_000;
const DAY_MILLISECONDS = 86_400_000;

export function createUsage(deps: UsageDeps): Usage {
  const { db, clock, log, settings } = deps;
  const counting = createCounting({ clock, log, write: (rows) => addUsage(db, rows) });
  let timer: NodeJS.Timeout | undefined;

  async function report(filter: UsageFilter, page: PageRequest): Promise<Page<UsageRow>> {
    const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
    const after = page.cursor === null ? undefined : positionOf(page.cursor);
    return pageOf(await selectUsage(db, filter, { after, limit: limit + 1 }), limit, keyOf);
  }

  async function* rows(filter: UsageFilter): AsyncGenerator<UsageRow> {
    let cursor: string | null = null;
    do {
      const page: Page<UsageRow> = await report(filter, { limit: STREAM_STEP, cursor });
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }

  return {
    count: counting.count,
    add: counting.add,
    flush: counting.flush,
    report,
    requestsSince: async (ids, instants) =>
      ids.length === 0 ? new Map() : requestsOfKeys(db, ids, instants),
    csv: (filter) => csvOf(rows(filter)),
    start() {
      timer = setInterval(() => void counting.flush(), FLUSH_MILLISECONDS);
      timer.unref();
    },
    async stop() {
      clearInterval(timer);
      await counting.flush();
    },
    jobs: () => [
      {
        name: 'usage-retention',
        everySeconds: 3600,
        async run(signal) {
          const before = new Date(clock.now().getTime() - settings.usageDays * DAY_MILLISECONDS);
          await inBatches((limit) => deleteUsage(db, before, limit), signal);
        },
      },
    ],
  };
}

const KEY_PARTS = 6;

function keyOf({ period, ...row }: UsageRow): string[] {
  return [
    period.toISOString(),
    row.subjectKind,
    row.subjectId,
    row.organizationId ?? '',
    row.kind,
    row.meter,
  ];
}

function positionOf(cursor: string): string[] {
  const parts = decodeCursor(cursor, KEY_PARTS);
  if (parts !== undefined && !Number.isNaN(Date.parse(parts[0] ?? ''))) return parts;
  throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
}
