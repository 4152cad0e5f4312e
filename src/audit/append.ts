// Group commit: events that arrive while a write is under way share the next one.
import { createBatch } from '../platform/database/batch.ts';
import type { Db } from '../platform/database/postgres.ts';
import { prepared, runPrepared } from '../platform/database/prepared.ts';
import { type EventRow, insertRowsSql, rowsText } from './row.ts';

export interface Appender {
  /** Resolves when the row is durable; rejects when it is not, and the caller's act must fail with it. */
  append(row: EventRow): Promise<void>;
  waiting(): number;
  /** Resolves when everything accepted so far is written or rejected. */
  drained(): Promise<void>;
}

/** A statement and a disk write shared by ten requests cost each of them less than the wait. */
const COMPANY_MILLISECONDS = 4;

export function createAppender(deps: { db: Db; companyMilliseconds?: number }): Appender {
  const statement = prepared('audit_append', insertRowsSql);
  const batch = createBatch<EventRow, void>({
    inFlight: 1,
    companyMilliseconds: deps.companyMilliseconds ?? COMPANY_MILLISECONDS,
    async run(rows) {
      await runPrepared(deps.db, statement, [rowsText(rows)]);
      return [];
    },
  });
  return { append: batch.run, waiting: batch.waiting, drained: batch.drained };
}
