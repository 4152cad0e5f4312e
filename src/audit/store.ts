// The SQL of events and refusals: rows in, records out.
import type { Knex } from 'knex';
import type { Db } from '../platform/database/postgres.ts';
import { events } from '../vocabulary/events.ts';
import { type EventRow, insertRowsSql, rowsText } from './row.ts';
import type { AuditEvent, EventFilter, Outcome, RefusalCount, RefusalFilter } from './schema.ts';

export async function insertEvents(db: Db, rows: readonly EventRow[]): Promise<void> {
  await db.raw(insertRowsSql, [rowsText(rows)]).options({ name: 'audit_append' });
}

const COLUMNS = [
  'id',
  'occurred_at',
  'type',
  'outcome',
  'actor_kind',
  'actor_id',
  'account_id',
  'client_id',
  'target_kind',
  'target_id',
  'reason',
  'details',
  'address',
  'user_agent',
  'request_id',
] as const;

export const EVENT_COLUMNS = COLUMNS.join(', ');

export interface StoredEventRow extends Omit<EventRow, 'occurred_at' | 'details'> {
  occurred_at: Date;
  details: Record<string, unknown> | null;
}

export function eventOf(row: StoredEventRow): AuditEvent {
  return {
    id: row.id,
    occurredAt: row.occurred_at,
    type: row.type,
    outcome: row.outcome as Outcome, // the column has a check constraint
    actor: { kind: row.actor_kind as AuditEvent['actor']['kind'], id: row.actor_id }, // likewise
    accountId: row.account_id,
    clientId: row.client_id,
    target: row.target_kind === null ? null : { kind: row.target_kind, id: row.target_id ?? '' },
    reason: row.reason,
    details: row.details ?? {},
    address: row.address,
    userAgent: row.user_agent,
    requestId: row.request_id,
  };
}

export interface Position {
  occurredAt: string;
  id: string;
}

export interface Window {
  /** Only events beyond this one, in the direction of reading. */
  after: Position | undefined;
  limit: number;
  order: 'asc' | 'desc';
}

export async function selectEvents(db: Db, filter: EventFilter, window: Window): Promise<AuditEvent[]> {
  // PostgreSQL has no text with a null byte: nothing can match, and asking would be an error that looks like ours.
  if (Object.values(filter).some((wanted) => typeof wanted === 'string' && wanted.includes('\0'))) return [];
  const branches = actorBranches(filter.actorId).map((narrow) => {
    const query = db('audit_events').select(COLUMNS).modify(matching, filter).modify(inWindow, window);
    return narrow(query);
  });
  const [first, ...more] = branches;
  if (first === undefined) return [];
  const query: Knex.QueryBuilder =
    more.length === 0
      ? first
      : db.from(first.unionAll(more, true).as('by_actor')).select(COLUMNS).modify(inOrder, window);
  const name = ofAccount(filter, window);
  const rows: StoredEventRow[] = await (name === undefined ? query : query.options({ name }));
  return rows.map(eventOf);
}

// To plan over every month's partition takes thirty times as long as to read what one account did in all of them. A connection
// keeps the plan under this name, one for each text: for the questions of the pages, whose plan does not depend on the values.
function ofAccount(
  { accountId, types, ...others }: EventFilter,
  { after, order }: Window,
): string | undefined {
  if (accountId === undefined || Object.values(others).some((wanted) => wanted !== undefined))
    return undefined;
  return `audit_of_account_${types?.length ?? 'all'}_${order}_${after === undefined ? 'first' : 'after'}`;
}

// audit_events_actor leaves out acts of people on themselves and of clients for themselves, so that a token costs one
// index less; those are found by the other two indexes. The branches are disjoint.
function actorBranches(actorId: string | undefined): ((query: Knex.QueryBuilder) => Knex.QueryBuilder)[] {
  if (actorId === undefined) return [(query) => query];
  return [
    (query) =>
      query
        .where('actor_id', actorId)
        .whereRaw('actor_id is distinct from account_id and actor_id is distinct from client_id'),
    (query) => query.where('actor_id', actorId).where('account_id', actorId),
    (query) =>
      query
        .where('actor_id', actorId)
        .where('client_id', actorId)
        .whereRaw('account_id is distinct from ?', [actorId]),
  ];
}

function matching(query: Knex.QueryBuilder, filter: EventFilter): void {
  if (filter.type !== undefined) query.whereIn('type', typesLike(filter.type));
  if (filter.types !== undefined) query.whereIn('type', [...filter.types]);
  if (filter.accountId !== undefined) query.where('account_id', filter.accountId);
  if (filter.clientId !== undefined) query.where('client_id', filter.clientId);
  if (filter.targetKind !== undefined) query.where('target_kind', filter.targetKind);
  if (filter.targetId !== undefined) query.where('target_id', filter.targetId);
  if (filter.outcome !== undefined) query.where('outcome', filter.outcome);
  if (filter.requestId !== undefined) query.where('request_id', filter.requestId);
  if (filter.from !== undefined) query.where('occurred_at', '>=', filter.from);
  if (filter.to !== undefined) query.where('occurred_at', '<', filter.to);
}

/** `sign-in.*` as the names it stands for: an index finds names, not patterns. */
function typesLike(type: string): string[] {
  if (!type.endsWith('*')) return [type];
  const prefix = type.slice(0, -1);
  return Object.keys(events).filter((name) => name.startsWith(prefix));
}

function inWindow(query: Knex.QueryBuilder, window: Window): void {
  if (window.after !== undefined) {
    const { occurredAt, id } = window.after;
    const sign = window.order === 'asc' ? '>' : '<';
    query.whereRaw(`(occurred_at, id) ${sign} (?::timestamptz, ?)`, [occurredAt, id]);
  }
  inOrder(query, window);
}

function inOrder(query: Knex.QueryBuilder, { order, limit }: Window): void {
  query
    .orderBy([
      { column: 'occurred_at', order },
      { column: 'id', order },
    ])
    .limit(limit);
}

interface RefusalRow {
  minute: Date;
  kind: string;
  reason: string;
  network: string;
  count: string;
}

/** Adds to what is there: several nodes count the same minute. */
export async function addRefusals(db: Db, counts: readonly RefusalCount[]): Promise<void> {
  await db.raw(
    `insert into audit_refusals (minute, kind, reason, network, count)
     select minute, kind, reason, network, count from json_to_recordset(?::json)
       as row(minute timestamptz, kind text, reason text, network text, count bigint)
     order by minute, kind, reason, network
     on conflict (minute, kind, reason, network) do update set count = audit_refusals.count + excluded.count`,
    [JSON.stringify(counts)],
  );
}

export async function selectRefusals(
  db: Db,
  filter: RefusalFilter,
  window: { after: readonly string[] | undefined; limit: number },
): Promise<RefusalCount[]> {
  const query = db('audit_refusals').select('minute', 'kind', 'reason', 'network', 'count');
  if (filter.kind !== undefined) query.where('kind', filter.kind);
  if (filter.from !== undefined) query.where('minute', '>=', filter.from);
  if (filter.to !== undefined) query.where('minute', '<', filter.to);
  if (window.after !== undefined) {
    query.whereRaw('(minute, kind, reason, network) < (?::timestamptz, ?, ?, ?)', [...window.after]);
  }
  const keys = ['minute', 'kind', 'reason', 'network'].map((column) => ({ column, order: 'desc' as const }));
  const rows: RefusalRow[] = await query.orderBy(keys).limit(window.limit);
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}

export async function deleteRefusals(db: Db, before: Date, limit: number): Promise<number> {
  return db('audit_refusals')
    .whereRaw(
      `ctid = any(array(
         select ctid from audit_refusals where minute < ? order by minute limit ? for update skip locked))`,
      [before, limit],
    )
    .delete();
}

/** Events that fell into no month's partition; those of months leave with their partition. */
export async function deleteStrays(db: Db, before: Date, limit: number): Promise<number> {
  return db('audit_events_default')
    .whereRaw(
      `ctid = any(array(
         select ctid from audit_events_default where occurred_at < ? order by occurred_at limit ?
         for update skip locked))`,
      [before, limit],
    )
    .delete();
}
