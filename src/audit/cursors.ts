// The SQL of listeners: where each one stands, which committed events lie beyond it, and who may deliver them.
// Events are ordered by (transaction_id, sequence) and read only below pg_snapshot_xmin: every transaction below it has
// ended, so none can still commit an event that a cursor has passed.
import type { Db } from '../platform/database/postgres.ts';
import type { AuditEvent } from './schema.ts';
import { EVENT_COLUMNS, eventOf, type StoredEventRow } from './store.ts';

export interface Place {
  transactionId: string;
  sequence: string;
}

export interface Cursor extends Place {
  /** Events up to this sequence are behind us whatever their transaction: see `restored`. */
  floor: string;
  /** Transactions below this one have ended. */
  horizon: string;
  /**
   * The cursor lies in this cluster's future: the database was restored from a dump into a younger cluster, which
   * counts its transactions anew. What the dump held beyond the cursor is delivered, then reading starts over above it.
   */
  restored: boolean;
  /** No other node is at it, and no pause after a failure is running. */
  free: boolean;
}

export interface Batch {
  events: AuditEvent[];
  /** Where the cursor stands when the events are delivered. */
  next: Place & { floor: string };
  full: boolean;
}

interface CursorRow {
  transaction_id: string;
  sequence: string;
  floor_sequence: string;
  horizon: string;
  restored: boolean;
  free: boolean;
}

/** Where the listener stands. A new one starts with the events since it was added, not with the whole past. */
export async function readCursor(db: Db, name: string, since: Date): Promise<Cursor> {
  const known = await selectCursor(db, name);
  if (known !== undefined) return known;
  await db.raw(
    `insert into audit_listeners (name, transaction_id, sequence)
     select ?, least(pg_snapshot_xmin(pg_current_snapshot()),
       (select transaction_id from audit_events where occurred_at >= ? order by transaction_id limit 1)), 0
     on conflict (name) do nothing`,
    [name, since],
  );
  const made = await selectCursor(db, name);
  if (made === undefined) throw new Error(`the cursor of the audit listener '${name}' is gone`);
  return made;
}

async function selectCursor(db: Db, name: string): Promise<Cursor | undefined> {
  const { rows } = await db.raw<{ rows: CursorRow[] }>(
    `select transaction_id, sequence, floor_sequence, pg_snapshot_xmin(pg_current_snapshot()) as horizon,
       transaction_id > pg_snapshot_xmax(pg_current_snapshot()) as restored,
       (leased_until < clock_timestamp() and retry_at < clock_timestamp()) as free
     from audit_listeners where name = ?`,
    [name],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  const { transaction_id: transactionId, sequence, floor_sequence: floor, horizon, restored, free } = row;
  return { transactionId, sequence, floor, horizon, restored, free };
}

export async function readAfter(
  db: Db,
  cursor: Cursor,
  types: readonly string[] | 'all',
  limit: number,
): Promise<Batch> {
  const { rows } = await db.raw<{ rows: (StoredEventRow & { transaction_id: string; sequence: string })[] }>(
    `select ${EVENT_COLUMNS}, transaction_id, sequence from audit_events
     where (transaction_id, sequence) > (?::xid8, ?::bigint) and sequence > ?
       ${cursor.restored ? '' : 'and transaction_id < ?::xid8'}
       ${types === 'all' ? '' : 'and type = any(?)'}
     order by transaction_id, sequence limit ?`,
    [
      cursor.transactionId,
      cursor.sequence,
      cursor.floor,
      ...(cursor.restored ? [] : [cursor.horizon]),
      ...(types === 'all' ? [] : [[...types]]),
      limit,
    ],
  );
  const last = rows.at(-1);
  const full = rows.length === limit;
  const next =
    last !== undefined && (full || cursor.restored)
      ? { transactionId: last.transaction_id, sequence: last.sequence, floor: cursor.floor }
      : await endOfReading(db, cursor);
  return { events: rows.map(eventOf), next, full: full || cursor.restored };
}

// Everything below the horizon was looked at, interesting or not; (horizon, 0) lies just before its first event.
async function endOfReading(db: Db, cursor: Cursor): Promise<Place & { floor: string }> {
  if (!cursor.restored) return { transactionId: cursor.horizon, sequence: '0', floor: cursor.floor };
  const { rows } = await db.raw<{ rows: { floor: string }[] }>(
    `select coalesce(max(sequence), 0) as floor from audit_events
     where transaction_id > pg_snapshot_xmax(pg_current_snapshot())`,
  );
  return { transactionId: '0', sequence: '0', floor: rows[0]?.floor ?? '0' };
}

/** The right to deliver what lies beyond exactly this cursor; false when another node was quicker. */
export async function claim(
  db: Db,
  name: string,
  cursor: Place,
  node: string,
  seconds: number,
): Promise<boolean> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `update audit_listeners set leased_by = ?, leased_until = clock_timestamp() + make_interval(secs => ?)
     where name = ? and transaction_id = ?::xid8 and sequence = ? and leased_until < clock_timestamp()`,
    [node, seconds, name, cursor.transactionId, cursor.sequence],
  );
  return rowCount === 1;
}

export async function renew(db: Db, name: string, node: string, seconds: number): Promise<void> {
  await db.raw(
    `update audit_listeners set leased_until = clock_timestamp() + make_interval(secs => ?)
     where name = ? and leased_by = ?`,
    [seconds, name, node],
  );
}

/** Saves the cursor and gives the lease back; false when the lease was lost meanwhile, then another node goes on. */
export async function finish(db: Db, name: string, node: string, next: Batch['next']): Promise<boolean> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `update audit_listeners set transaction_id = ?::xid8, sequence = ?, floor_sequence = ?, failures = 0,
       leased_by = null, leased_until = '-infinity'
     where name = ? and leased_by = ?`,
    [next.transactionId, next.sequence, next.floor, name, node],
  );
  return rowCount === 1;
}

/** Gives the lease back and starts a pause that doubles with each failure; returns its seconds. */
export async function fail(db: Db, name: string, node: string, longestSeconds: number): Promise<number> {
  const { rows } = await db.raw<{ rows: { pause: number }[] }>(
    `update audit_listeners set failures = failures + 1, leased_by = null, leased_until = '-infinity',
       retry_at = clock_timestamp() + make_interval(secs => least(power(2, least(failures, 20)), ?))
     where name = ? and leased_by = ?
     returning least(power(2, least(failures - 1, 20)), ?)::integer as pause`,
    [longestSeconds, name, node, longestSeconds],
  );
  return rows[0]?.pause ?? 0;
}

/** Moves a cursor over events that do not interest its listener. */
export async function skipTo(db: Db, name: string, from: Place, next: Batch['next']): Promise<void> {
  await db.raw(
    `update audit_listeners set transaction_id = ?::xid8, sequence = ?, floor_sequence = ?
     where name = ? and transaction_id = ?::xid8 and sequence = ? and leased_until < clock_timestamp()`,
    [next.transactionId, next.sequence, next.floor, name, from.transactionId, from.sequence],
  );
}
