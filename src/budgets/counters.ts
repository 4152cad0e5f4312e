// The counters of budgets by window: opened and locked in one order everywhere, so that nobody waits in a circle, and
// written together with the entries whose sums they are.
import type { EventRow } from '../audit/audit.ts';
import { eventJson } from '../audit/audit.ts';
import type { BudgetId, OrganizationId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { BudgetScope, BudgetWindow } from './schema.ts';
import { capOf } from './store.ts';

/** One budget in one window, locked; what is counted is changed in memory and written once. */
export interface Counter {
  readonly budgetId: BudgetId;
  readonly organizationId: OrganizationId | null;
  readonly scope: BudgetScope;
  readonly meter: string;
  readonly window: BudgetWindow;
  readonly limit: bigint | null;
  readonly softLimit: bigint | null;
  readonly windowStart: Date;
  readonly windowEnd: Date | null;
  used: bigint;
  reserved: bigint;
  softReached: boolean;
  exceeded: boolean;
}

export type EntryKind = 'reserve' | 'spend' | 'settle' | 'release' | 'expire' | 'adjust';

export interface Entry {
  readonly kind: EntryKind;
  readonly counter: Counter;
  readonly reservationId: string | null;
  readonly used: bigint;
  readonly reserved: bigint;
}

export interface CounterRow {
  id: BudgetId;
  organization_id: OrganizationId | null;
  scope_kind: BudgetScope['kind'];
  scope_id: string;
  meter: string;
  period: BudgetWindow;
  hard_limit: string | null;
  soft_limit: string | null;
  window_start: Date;
  window_end: Date | null;
  used: string;
  reserved: string;
  soft_reached: boolean;
  exceeded: boolean;
}

const BUDGET =
  'b.id, b.organization_id, b.scope_kind, b.scope_id, b.meter, b.period, b.hard_limit, b.soft_limit';
const COUNTED =
  'w.used, w.reserved, w.soft_reached_at is not null as soft_reached, w.exceeded_at is not null as exceeded';

/** Another time than that of the database, whose clock all nodes share, is for tests. */
const AT = 'coalesce(?::timestamptz, now())';

/**
 * Where the window that is open begins and ends, in the time zone of the organization. Truncated within the zone, an hour
 * keeps its offset and a day or month begins at the local midnight, also around a change of the clocks. One that has begun
 * lasts until its end, whatever the time zone is by then: nobody gets a new one by moving.
 */
const BOUNDS = `
  select f.*, case when begun.lasts then begun.window_start else fresh.window_start end as window_start,
    case when begun.lasts then begun.window_end else fresh.window_end end as window_end
  from found f
    cross join lateral (select
      case f.period when 'total' then to_timestamp(0) else date_trunc(f.period, f.at, f.zone) end as window_start,
      case f.period
        when 'total' then null
        when 'hour' then date_trunc('hour', f.at, f.zone) + interval '1 hour'
        else (date_trunc(f.period, f.at at time zone f.zone) + ('1 ' || f.period)::interval) at time zone f.zone
      end as window_end) fresh
    left join lateral (
      select w.window_start, w.window_end, w.window_start <= f.at and w.window_end > f.at as lasts
      from budget_windows w where w.budget_id = f.id order by w.window_start desc limit 1) begun on true`;

const found = (from: string, where: string) => `
  select ${BUDGET}, coalesce(o.time_zone, 'UTC') as zone, ${AT} as at
  from ${from} left join organizations o on o.id = b.organization_id
  where ${where} and (b.expires_at is null or b.expires_at > ${AT})`;

const OF_SCOPES = `(select distinct asked.kind, asked.id from unnest(?::text[], ?::text[]) as asked(kind, id)) asked
  join budgets b on b.scope_id = asked.id and b.scope_kind = asked.kind`;

/** The windows that are open, made where there are none, and locked until the transaction ends. */
const open = (which: string) => `
  with found as materialized (${which}), bounds as materialized (${BOUNDS}), w as (
    insert into budget_windows as w (budget_id, window_start, window_end)
    select id, window_start, window_end from bounds order by id, window_start
    on conflict (budget_id, window_start) do update set used = w.used
    returning w.*
  )
  select ${BUDGET}, b.window_start, b.window_end, ${COUNTED},
    exists (
      select 1 from budget_reservations r
      where r.state = 'open' and r.expires_at <= ${AT} and r.budget_ids && (select array_agg(id) from found)
    ) as lapsed
  from bounds b join w on w.budget_id = b.id`;

/** The same, only looked at. */
const look = (which: string) => `
  with found as materialized (${which}), b as materialized (${BOUNDS})
  select ${BUDGET}, b.window_start, b.window_end, coalesce(w.used, 0) as used, coalesce(w.reserved, 0) as reserved,
    w.soft_reached_at is not null as soft_reached, w.exceeded_at is not null as exceeded
  from b left join budget_windows w on w.budget_id = b.id and w.window_start = b.window_start
  order by b.id`;

const byScopes = found(OF_SCOPES, 'b.meter = any(?::text[])');
const byScopesAnyMeter = found(OF_SCOPES, 'true');
const byIds = found('budgets b', 'b.id = any(?::text[])');
const OPEN_BY_SCOPES = open(byScopes);
const OPEN_BY_IDS = open(byIds);
const LOOK_BY_SCOPES = look(byScopesAnyMeter);
const LOOK_BY_IDS = look(byIds);

const texts = (scopes: readonly BudgetScope[]) => [
  scopes.map(({ kind }) => kind),
  scopes.map(({ id }) => id),
];

export interface Opened {
  readonly counters: Counter[];
  /** Some of what is reserved here has expired, and may be given back. */
  readonly lapsed: boolean;
}

export async function openCounters(
  trx: Db,
  asked: { scopes: readonly BudgetScope[]; meters: readonly string[] },
  at: Date | null,
): Promise<Opened> {
  const { rows } = await trx
    .raw<{ rows: (CounterRow & { lapsed: boolean })[] }>(OPEN_BY_SCOPES, [
      at,
      ...texts(asked.scopes),
      [...asked.meters],
      at,
      at,
    ])
    .options({ name: 'budgets_open' });
  return { counters: rows.map(counterOf), lapsed: rows[0]?.lapsed === true };
}

export async function openCountersById(trx: Db, ids: readonly string[], at: Date | null): Promise<Counter[]> {
  const { rows } = await trx.raw<{ rows: CounterRow[] }>(OPEN_BY_IDS, [at, [...ids], at, at]);
  return rows.map(counterOf);
}

export async function lookAtScopes(
  db: Db,
  scopes: readonly BudgetScope[],
  at: Date | null,
): Promise<Counter[]> {
  const { rows } = await db.raw<{ rows: CounterRow[] }>(LOOK_BY_SCOPES, [at, ...texts(scopes), at]);
  return rows.map(counterOf);
}

export async function lookAtBudgets(db: Db, ids: readonly string[], at: Date | null): Promise<Counter[]> {
  const { rows } = await db.raw<{ rows: CounterRow[] }>(LOOK_BY_IDS, [at, [...ids], at]);
  return rows.map(counterOf);
}

/** Windows of the past and present, as they are; those of deleted budgets are gone. */
export async function lockWindows(
  trx: Db,
  windows: readonly { budgetId: string; windowStart: string }[],
): Promise<Counter[]> {
  const { rows } = await trx
    .raw<{ rows: CounterRow[] }>(
      `select ${BUDGET}, w.window_start, w.window_end, ${COUNTED}
       from (select distinct * from unnest(?::text[], ?::timestamptz[]) as asked(budget_id, window_start)) asked
         join budget_windows w using (budget_id, window_start) join budgets b on b.id = w.budget_id
       order by w.budget_id, w.window_start for update of w`,
      [windows.map(({ budgetId }) => budgetId), windows.map(({ windowStart }) => windowStart)],
    )
    .options({ name: 'budgets_lock' });
  return rows.map(counterOf);
}

export async function windowsOf(
  db: Db,
  id: BudgetId,
  after: string | undefined,
  limit: number,
): Promise<Counter[]> {
  const { rows } = await db.raw<{ rows: CounterRow[] }>(
    `select ${BUDGET}, w.window_start, w.window_end, ${COUNTED}
     from budget_windows w join budgets b on b.id = w.budget_id
     where w.budget_id = ? and w.window_start < coalesce(?::timestamptz, 'infinity')
     order by w.window_start desc limit ?`,
    [id, after ?? null, limit],
  );
  return rows.map(counterOf);
}

export interface Reservation {
  readonly id: string;
  readonly organizationId: string | null;
  /** What was asked for, on meters with budgets and without. */
  readonly amounts: Readonly<Record<string, string>>;
  readonly holds: readonly Hold[];
  readonly usedBy: unknown;
  readonly expiresInSeconds: number;
}

export interface Hold {
  readonly budgetId: string;
  readonly windowStart: string;
  readonly meter: string;
  /** Digits: JSON numbers of PostgreSQL and of this program are not the same. */
  readonly amount: string;
}

export interface Writing {
  readonly entries: readonly Entry[];
  readonly reservations: readonly Reservation[];
  readonly events: readonly EventRow[];
}

const WRITE = `
  with entries as materialized (
    select * from unnest(?::text[], ?::text[], ?::timestamptz[], ?::text[], ?::bigint[], ?::bigint[])
      as entry(kind, budget_id, window_start, reservation_id, used, reserved)
  ), counted as (
    update budget_windows w set used = w.used + c.used, reserved = w.reserved + c.reserved
    from (select budget_id, window_start, sum(used) as used, sum(reserved) as reserved from entries
          group by budget_id, window_start) c
    where w.budget_id = c.budget_id and w.window_start = c.window_start
  ), reserved as (
    insert into budget_reservations (id, organization_id, budget_ids, amounts, holds, used_by, created_at, expires_at)
    select r.id, r."organizationId", array(select hold ->> 'budgetId' from jsonb_array_elements(r.holds) as hold), r.amounts, r.holds,
      r."usedBy", ${AT}, ${AT} + make_interval(secs => r."expiresInSeconds")
    from jsonb_to_recordset(?::jsonb)
      as r(id text, "organizationId" text, amounts jsonb, holds jsonb, "usedBy" jsonb, "expiresInSeconds" float)
  ), told as (
    insert into audit_events (${eventJson.columns})
    select ${eventJson.columns} from json_to_recordset(?::json) as row(${eventJson.record})
  )
  insert into budget_entries (occurred_at, kind, budget_id, window_start, reservation_id, used, reserved)
  select ${AT}, kind, budget_id, window_start, nullif(reservation_id, ''), used, reserved from entries`;

/** The counters of all entries are locked by now. */
export async function write(trx: Db, writing: Writing, at: Date | null): Promise<void> {
  const { entries, reservations, events } = writing;
  if (entries.length === 0 && reservations.length === 0 && events.length === 0) return;
  await trx
    .raw(WRITE, [
      entries.map(({ kind }) => kind),
      entries.map(({ counter }) => counter.budgetId),
      entries.map(({ counter }) => counter.windowStart.toISOString()),
      entries.map(({ reservationId }) => reservationId ?? ''),
      entries.map(({ used }) => String(used)),
      entries.map(({ reserved }) => String(reserved)),
      at,
      at,
      JSON.stringify(reservations),
      `[${events.map(eventJson.text).join(',')}]`,
      at,
    ])
    .options({ name: 'budgets_write' });
}

/** What was told of once is not told again in this window. */
export async function mark(
  trx: Db,
  column: 'soft_reached_at' | 'exceeded_at',
  counters: readonly Counter[],
): Promise<void> {
  if (counters.length === 0) return;
  await trx.raw(
    `update budget_windows w set ${column} = now()
     from unnest(?::text[], ?::timestamptz[]) as asked(budget_id, window_start)
     where w.budget_id = asked.budget_id and w.window_start = asked.window_start`,
    [counters.map(({ budgetId }) => budgetId), counters.map(({ windowStart }) => windowStart.toISOString())],
  );
}

function counterOf(row: CounterRow): Counter {
  return {
    budgetId: row.id,
    organizationId: row.organization_id,
    scope: { kind: row.scope_kind, id: row.scope_id },
    meter: row.meter,
    window: row.period,
    limit: capOf(row.hard_limit),
    softLimit: capOf(row.soft_limit),
    windowStart: row.window_start,
    windowEnd: row.window_end,
    used: BigInt(row.used),
    reserved: BigInt(row.reserved),
    softReached: row.soft_reached,
    exceeded: row.exceeded,
  };
}
