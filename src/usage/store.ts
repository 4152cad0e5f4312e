// The SQL of usage: counts added up by hour, and read by hour or day.
import type { Db } from '../platform/database/postgres.ts';
import type { CountedRow } from './counting.ts';
import type { UsageFilter, UsageKind, UsageRow, UsageSubject } from './schema.ts';

/** Several nodes count the same hour; rows are locked in one order everywhere, so that none waits for the other in a circle. */
const ADD = `
  insert into usage_counters as u (hour, subject_kind, subject_id, organization_id, kind, meter, amount)
  select hour, subject_kind, subject_id, organization_id, kind, meter, amount
  from unnest(?::timestamptz[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[])
    as row(hour, subject_kind, subject_id, organization_id, kind, meter, amount)
  order by subject_id collate "C", hour, subject_kind collate "C", organization_id collate "C", kind collate "C", meter collate "C"
  on conflict (subject_id, hour, subject_kind, organization_id, kind, meter)
    do update set amount = least(u.amount::numeric + excluded.amount, 9007199254740991)::bigint`;

export async function addUsage(db: Db, rows: readonly CountedRow[]): Promise<void> {
  if (rows.length === 0) return;
  await db.raw(ADD, [
    rows.map(({ hour }) => hour),
    rows.map(({ subjectKind }) => subjectKind),
    rows.map(({ subjectId }) => subjectId),
    rows.map(({ organizationId }) => organizationId),
    rows.map(({ kind }) => kind),
    rows.map(({ meter }) => meter),
    rows.map(({ amount }) => amount),
  ]);
}

interface Row {
  period: Date;
  subject_kind: UsageSubject;
  subject_id: string;
  organization_id: string;
  kind: UsageKind;
  meter: string;
  amount: string;
}

const HOUR_MILLISECONDS = 3_600_000;
const KEYS = ['period', 'subject_kind', 'subject_id', 'organization_id', 'kind', 'meter'] as const;

/** The newest first, and within a period in the order of the subjects. */
export async function selectUsage(
  db: Db,
  filter: UsageFilter,
  window: { after: readonly string[] | undefined; limit: number },
): Promise<UsageRow[]> {
  const period = filter.groupBy === 'day' ? `date_trunc('day', hour, 'UTC')` : 'hour';
  const columns = KEYS.map((key) => (key === 'period' ? `${period} as period` : key)).join(', ');
  const grouped = db('usage_counters').select(db.raw(columns)).sum({ amount: 'amount' });
  grouped.groupByRaw('1, 2, 3, 4, 5, 6');
  if (filter.subjectKind !== undefined) grouped.where('subject_kind', filter.subjectKind);
  if (filter.subjectIds !== undefined) grouped.whereIn('subject_id', [...filter.subjectIds]);
  if (filter.organizationId !== undefined) grouped.where('organization_id', filter.organizationId);
  if (filter.kind !== undefined) grouped.where('kind', filter.kind);
  if (filter.meter !== undefined) grouped.where('meter', filter.meter);
  if (filter.from !== undefined) grouped.where('hour', '>=', hourOf(filter.from));
  if (filter.to !== undefined) grouped.where('hour', '<', filter.to);
  const query = db.from(grouped.as('usage')).select('*').limit(window.limit);
  query.orderByRaw('period desc, subject_kind, subject_id, organization_id, kind, meter');
  if (window.after !== undefined) {
    const [newest = '', ...rest] = window.after;
    grouped.where('hour', '<', new Date(Date.parse(newest) + 24 * HOUR_MILLISECONDS));
    query.whereRaw(
      `(period < ?::timestamptz or (period = ?::timestamptz
        and (subject_kind, subject_id, organization_id, kind, meter) > (?, ?, ?, ?, ?)))`,
      [newest, newest, ...rest],
    );
  }
  const rows: Row[] = await query;
  return rows.map((row) => ({
    period: row.period,
    subjectKind: row.subject_kind,
    subjectId: row.subject_id,
    organizationId: row.organization_id === '' ? null : row.organization_id,
    kind: row.kind,
    meter: row.meter,
    amount: BigInt(row.amount),
  }));
}

/** In the order of the instants. One statement, by the primary key. */
export async function requestsOfKeys(
  db: Db,
  ids: readonly string[],
  since: readonly Date[],
): Promise<Map<string, bigint[]>> {
  const sums = since.map((_, at) => `coalesce(sum(amount) filter (where hour >= ?), 0) as s${at}`).join(', ');
  const hours = since.map(hourOf);
  const rows: Record<string, string>[] = await db('usage_counters')
    .select('subject_id', db.raw(sums, hours))
    .whereIn('subject_id', [...ids])
    .where({ subject_kind: 'api-key', meter: 'requests' })
    .where('hour', '>=', new Date(Math.min(...hours.map(Number))))
    .groupBy('subject_id');
  return new Map(rows.map((row) => [row.subject_id ?? '', since.map((_, at) => BigInt(row[`s${at}`] ?? 0))]));
}

const hourOf = (instant: Date) =>
  new Date(Math.floor(instant.getTime() / HOUR_MILLISECONDS) * HOUR_MILLISECONDS);

export async function deleteUsage(db: Db, before: Date, limit: number): Promise<number> {
  return db('usage_counters')
    .whereRaw(
      `ctid = any(array(
         select ctid from usage_counters where hour < ? order by hour limit ? for update skip locked))`,
      [before, limit],
    )
    .delete();
}
