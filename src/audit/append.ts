// Group commit: events that arrive while a write is under way share the next one.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { withoutOrigin } from '../platform/origin.ts';
import { measure } from '../platform/telemetry/timings.ts';
import { type EventRow, insertRowsSql } from './row.ts';

export interface Appender {
  /** Resolves when the row is durable; rejects when it is not, and the caller's act must fail with it. */
  append(row: EventRow): Promise<void>;
  /** Resolves when everything accepted so far is written or rejected. */
  drained(): Promise<void>;
}

interface Waiting {
  row: EventRow;
  resolve(): void;
  reject(reason: unknown): void;
}

const MAX_BATCH = 500;
const COMPANY_MILLISECONDS = 4;
/** Beyond this the database is too slow to be waited for: better a quick "busy" than a long queue. */
const MAX_WAITING = 10_000;

export function createAppender(deps: { db: Db }): Appender {
  let waiting: Waiting[] = [];
  let drain: Promise<void> | undefined;
  let lastBatch = 0;

  async function write(rows: readonly EventRow[]): Promise<void> {
    const { sql, bindings } = insertRowsSql(rows);
    await deps.db.raw(sql, bindings).options({ name: 'audit_append' });
  }

  async function flush(batch: readonly Waiting[]): Promise<void> {
    try {
      await write(batch.map(({ row }) => row));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (batch.length > 1 && blamesOneRow(error)) return flushOneByOne(batch);
      for (const { reject } of batch) reject(error);
    }
  }

  // One row that PostgreSQL refuses must not take the tokens of thirty other callers with it.
  async function flushOneByOne(batch: readonly Waiting[]): Promise<void> {
    for (const one of batch) await flush([one]);
  }

  /**
   * A lone caller is written at once. Where the last write had company the next one waits four milliseconds for more: a
   * statement and a disk write shared by ten requests cost each of them less than the wait.
   */
  function company(): Promise<unknown> {
    if (lastBatch > 1) return delay(COMPANY_MILLISECONDS);
    return new Promise((resolve) => setImmediate(resolve));
  }

  async function drainAll(): Promise<void> {
    while (waiting.length > 0) {
      await company();
      const batch = waiting.slice(0, MAX_BATCH);
      waiting = waiting.slice(MAX_BATCH);
      lastBatch = batch.length;
      await flush(batch);
    }
    drain = undefined;
  }

  return {
    append(row) {
      if (waiting.length >= MAX_WAITING) {
        return Promise.reject(failure('server_busy', { retryAfterSeconds: 1 }));
      }
      const written = new Promise<void>((resolve, reject) => {
        waiting.push({ row, resolve, reject });
      });
      drain ??= withoutOrigin(drainAll);
      return measure('database', () => written);
    },
    async drained() {
      while (drain !== undefined) await drain;
    },
  };
}

/** Data exceptions and broken constraints (classes 22 and 23) lie in a row; everything else concerns all of them. */
function blamesOneRow(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^2[23]/.test(String(error.code));
}
