// An event as a row: identified, dated, given its origin, and cleaned, since parts of it come from strangers.
import { newId } from '../lib/ids.ts';
import { currentOrigin } from '../platform/origin.ts';
import type { NewEvent } from './schema.ts';

export interface EventRow {
  id: string;
  occurred_at: string;
  type: string;
  outcome: string;
  actor_kind: string;
  actor_id: string | null;
  account_id: string | null;
  client_id: string | null;
  target_kind: string | null;
  target_id: string | null;
  reason: string | null;
  /** JSON text. */
  details: string | null;
  address: string | null;
  user_agent: string | null;
  request_id: string | null;
}

const ID_LENGTH = 256;
const TEXT_LENGTH = 512;
const DETAILS_LENGTH = 8192;

/** The row of an event that happens now, in the request that is under way. */
export function eventRow(event: NewEvent, at: Date): EventRow {
  const { actor, target } = event;
  const origin = currentOrigin();
  const { apiKeyId = null } = origin;
  // Whose key it was is the actor; which of the keys, the details say.
  const details = apiKeyId === null || actor.id === apiKeyId ? event.details : { ...event.details, apiKeyId };
  return {
    id: newId('evt'),
    occurred_at: at.toISOString(),
    type: event.type,
    outcome: event.outcome,
    actor_kind: actor.kind,
    actor_id: clean(actor.id, ID_LENGTH),
    account_id: clean(event.accountId ?? (actor.kind === 'account' ? actor.id : null), ID_LENGTH),
    client_id: clean(event.clientId ?? (actor.kind === 'client' ? actor.id : apiKeyId), ID_LENGTH),
    target_kind: target ? clean(target.kind, ID_LENGTH) : null,
    target_id: target ? clean(target.id, ID_LENGTH) : null,
    reason: clean(event.reason, TEXT_LENGTH),
    details: details ? detailsText(details) : null,
    address: clean(origin.address, ID_LENGTH),
    user_agent: clean(origin.userAgent, ID_LENGTH),
    request_id: clean(origin.requestId, ID_LENGTH),
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNCLEAN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** No control or direction characters (a reader's terminal obeys them), nothing PostgreSQL cannot store, a bounded length. */
function clean(text: string | null | undefined, length: number): string | null {
  if (text === null || text === undefined) return null;
  const short = text.length > length ? `${text.slice(0, length - 1)}…` : text;
  return UNCLEAN.test(short) ? short.toWellFormed().replaceAll(CONTROLS, ' ') : short;
}

function detailsText(details: Record<string, unknown>): string {
  const text = JSON.stringify(details);
  // A backslash is the only way a control character or half a surrogate pair shows in JSON text.
  const safe = text.includes('\\') || UNCLEAN.test(text) ? JSON.stringify(details, cleanItem) : text;
  return safe.length > DETAILS_LENGTH ? JSON.stringify({ truncated: true, length: safe.length }) : safe;
}

function cleanItem(_key: string, item: unknown): unknown {
  if (typeof item === 'string') return clean(item, DETAILS_LENGTH);
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
  return Object.fromEntries(Object.entries(item).map(([key, value]) => [clean(key, ID_LENGTH), value]));
}

// Every column with the type of its placeholder, because `insert … select ?` infers none.
const TYPES = {
  id: 'text',
  occurred_at: 'timestamptz',
  type: 'text',
  outcome: 'text',
  actor_kind: 'text',
  actor_id: 'text',
  account_id: 'text',
  client_id: 'text',
  target_kind: 'text',
  target_id: 'text',
  reason: 'text',
  details: 'jsonb',
  address: 'text',
  user_agent: 'text',
  request_id: 'text',
} as const satisfies Record<keyof EventRow, string>;

const COLUMNS = Object.keys(TYPES) as (keyof EventRow)[]; // the keys are written three lines above
const COLUMN_LIST = COLUMNS.join(', ');
const PLACEHOLDERS = COLUMNS.map((column) => `?::${TYPES[column]}`).join(', ');
const RECORD = COLUMNS.map((column) => `${column} ${TYPES[column]}`).join(', ');

/** One text for any number of rows, so that PostgreSQL parses and plans it once per connection. */
export const insertRowsSql = `insert into audit_events (${COLUMN_LIST})
  select ${COLUMN_LIST} from json_to_recordset(?::json) as row(${RECORD})`;

export interface EventValues {
  /** `id, occurred_at, …` */
  columns: string;
  /** As many `?` as there are bindings, each with its type: for `values (…)` and for `select …` alike. */
  placeholders: string;
  bindings: (string | null)[];
}

/** The parts of an INSERT into audit_events, for a caller that writes its change and its event in one statement. */
export function eventValues(event: NewEvent, at: Date): EventValues {
  const row = eventRow(event, at);
  return { columns: COLUMN_LIST, placeholders: PLACEHOLDERS, bindings: COLUMNS.map((column) => row[column]) };
}

/** For a caller that writes many changes and their events in one statement: the event is a JSON object of this record. */
export const eventJson = { columns: COLUMN_LIST, record: RECORD, text: rowText } as const;

/** The value of `insertRowsSql`. */
export function rowsText(rows: readonly EventRow[]): string {
  return `[${rows.map(rowText).join(',')}]`;
}

// `details` is JSON text already: it goes in as it is instead of as a quoted text.
function rowText({ details, ...row }: EventRow): string {
  const text = JSON.stringify(row);
  return details === null ? text : `${text.slice(0, -1)},"details":${details}}`;
}
