// The ledger: every feature writes what happened, inside its own transaction; nobody changes it afterwards.
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Clock } from '../platform/clock.ts';
import { insertMany } from '../platform/database/insert-many.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { currentOrigin } from '../platform/origin.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { RefusalKind } from '../vocabulary/events.ts';
import { createAppender } from './append.ts';
import { createListeners, type Listener } from './listeners.ts';
import { createRefusals } from './refusals.ts';
import { eventRow } from './row.ts';
import type { AuditEvent, EventFilter, NewEvent, RefusalCount, RefusalFilter } from './schema.ts';
import { insertEvents, selectEvents, selectRefusals } from './store.ts';

export type { EventType, RefusalKind } from '../vocabulary/events.ts';
export type { Listener } from './listeners.ts';
export { type EventRow, type EventValues, eventJson, eventRow, eventValues } from './row.ts';
export type { Actor, AuditEvent, EventFilter, NewEvent, RefusalCount, RefusalFilter } from './schema.ts';

export interface Audit {
  /** In the caller's transaction: the event and its change are committed together or not at all. */
  record(db: Db, event: NewEvent): Promise<void>;
  /** The same for many of one act, which has to be a transaction. */
  recordAll(db: Db, events: readonly NewEvent[]): Promise<void>;
  /** For an event that its caller wrote with its change in one statement (eventRow, eventJson): whoever waits for it hears. */
  written(event: NewEvent): void;
  /** For events without a change of ours, at high rates. Resolves when durable; when it rejects, refuse the act. */
  append(event: NewEvent): Promise<void>;
  /** How many appended events wait to be written together, for the metrics. */
  waiting(): number;
  /** Counts the refusal of a caller that proved nothing, by kind, reason (a fixed word), network and minute. */
  refuse(kind: RefusalKind, reason: string): void;
  /** The newest first. Throws request_invalid for a cursor that is not ours. */
  list(filter: EventFilter, page: PageRequest): Promise<Page<AuditEvent>>;
  /** All that match, the oldest first, read in steps. */
  stream(filter: EventFilter): AsyncGenerator<AuditEvent>;
  listRefusals(filter: RefusalFilter, page: PageRequest): Promise<Page<RefusalCount>>;
  /** Committed events, at least once, on one node at a time. Never delays or changes what happened. */
  listen(listener: Listener): void;
  start(): void;
  /** Writes everything accepted so far. */
  stop(): Promise<void>;
}

const REFUSAL_FLUSH_MILLISECONDS = 5000;
const STREAM_STEP = 1000;

export function createAudit(deps: { postgres: Postgres; log: Log; clock: Clock }): Audit {
  const { clock, log } = deps;
  const { db } = deps.postgres;
  const listeners = createListeners({ db, clock, log });
  const refusals = createRefusals({ db, clock, log });
  const appender = createAppender({ db });
  let timer: NodeJS.Timeout | undefined;

  return {
    async record(handle, event) {
      await insertEvents(handle, [eventRow(event, clock.now())]);
      listeners.wake(event.type);
    },
    async recordAll(handle, events) {
      const at = clock.now();
      await insertMany(
        handle,
        'audit_events',
        events.map((event) => eventRow(event, at)),
      );
      for (const type of new Set(events.map((event) => event.type))) listeners.wake(type);
    },
    written: (event) => listeners.wake(event.type),
    append(event) {
      listeners.wake(event.type);
      return appender.append(eventRow(event, clock.now()));
    },
    waiting: appender.waiting,
    refuse: (kind, reason) => refusals.count(kind, reason, currentOrigin().address),
    list: (filter, page) => listEvents(db, filter, page),
    stream: (filter) => streamEvents(db, filter),
    listRefusals: (filter, page) => listRefusals(db, filter, page),
    listen: (listener) => listeners.add(listener),
    start() {
      listeners.start();
      timer = setInterval(() => void refusals.flush(), REFUSAL_FLUSH_MILLISECONDS);
    },
    async stop() {
      clearInterval(timer);
      await appender.drained();
      await refusals.flush();
      await listeners.stop();
    },
  };
}

async function listEvents(db: Db, filter: EventFilter, page: PageRequest): Promise<Page<AuditEvent>> {
  const [occurredAt, id] = cursorParts(page.cursor, 2);
  const after = occurredAt === undefined || id === undefined ? undefined : { occurredAt, id };
  const found = await selectEvents(db, filter, { after, limit: page.limit + 1, order: 'desc' });
  return pageOf(found, page.limit, (event) => [event.occurredAt.toISOString(), event.id]);
}

async function* streamEvents(db: Db, filter: EventFilter): AsyncGenerator<AuditEvent> {
  let after: { occurredAt: string; id: string } | undefined;
  for (;;) {
    const step = await selectEvents(db, filter, { after, limit: STREAM_STEP, order: 'asc' });
    yield* step;
    const last = step.at(-1);
    if (last === undefined || step.length < STREAM_STEP) return;
    after = { occurredAt: last.occurredAt.toISOString(), id: last.id };
  }
}

async function listRefusals(db: Db, filter: RefusalFilter, page: PageRequest): Promise<Page<RefusalCount>> {
  const parts = cursorParts(page.cursor, 4);
  const after = parts.length === 0 ? undefined : parts;
  const found = await selectRefusals(db, filter, { after, limit: page.limit + 1 });
  return pageOf(found, page.limit, (row) => [row.minute.toISOString(), row.kind, row.reason, row.network]);
}

/** The parts of a cursor of ours, the first one an instant; none for the first page. */
function cursorParts(cursor: string | null, count: number): string[] {
  if (cursor === null) return [];
  const parts = decodeCursor(cursor, count);
  const time = parts?.[0];
  if (parts === undefined || time === undefined || !isInstant(time)) {
    throw failure('request_invalid', { fields: { cursor: 'This is not a cursor of this list.' } });
  }
  return parts;
}

/** As it was written into the cursor: Date.parse takes much that PostgreSQL does not. */
function isInstant(text: string): boolean {
  return (
    /^[1-9]\d{3}-/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString() === text
  );
}
