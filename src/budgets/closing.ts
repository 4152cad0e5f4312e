// The end of reservations: settled with what was used, released by who made them, or expired.
import { type EventRow, eventRow, type NewEvent } from '../audit/audit.ts';
import { createBatch } from '../platform/database/batch.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { ErrorCode } from '../vocabulary/errors.ts';
import { isOverSoftLimit, stateOf, total } from './admit.ts';
import { type Counter, type Entry, type Hold, lockWindows, mark, write } from './counters.ts';
import { budgetEvent } from './events.ts';
import { type Amounts, type BudgetState, MAXIMUM_AMOUNT } from './schema.ts';

export interface Closed {
  readonly id: string;
  /** Undefined: nothing of it was used. */
  readonly amounts: Amounts | undefined;
  readonly within: string | null;
  readonly event: NewEvent | undefined;
}

export interface ClosingReservations {
  close(closed: Closed): Promise<Ended>;
  /** Gives back what has expired: under these budgets, or all of it in batches. Answers how many reservations. */
  expire(limit: number, budgetIds?: readonly string[]): Promise<number>;
}

interface Row {
  id: string;
  state: 'open' | 'settled' | 'released' | 'expired';
  organization_id: string | null;
  amounts: Record<string, string>;
  holds: Hold[];
  used_by: unknown;
  lapsed: boolean;
}

type Asked = Omit<Closed, 'event'> & { readonly row: EventRow | undefined };
export interface Ended {
  readonly states: BudgetState[];
  /** What was used in the end, on every meter that was asked for; and for whom it is counted. */
  readonly used: Amounts;
  readonly usedBy: unknown;
}

type Outcome = Ended | { readonly refused: ErrorCode };

const COMPANY_MILLISECONDS = 2;

export function createClosing(deps: { postgres: Postgres; now: () => Date | null }): ClosingReservations {
  const { postgres, now } = deps;
  const batch = createBatch<Asked, Outcome>({
    run: (asked) => postgres.transaction((trx) => closeAll(trx, asked, now())),
    keyOf: ({ id }) => id,
    inFlight: 2,
    companyMilliseconds: COMPANY_MILLISECONDS,
  });
  return {
    async close({ event, ...closed }) {
      const outcome = await batch.run({ ...closed, row: event && eventRow(event, new Date()) });
      if ('refused' in outcome) throw failure(outcome.refused);
      return outcome;
    },
    expire: (limit, budgetIds) =>
      postgres.transaction(async (trx) => {
        const rows = await lapsedReservations(trx, limit, budgetIds, now());
        const endings = rows.map(({ id, holds }): Ending => ({ id, holds, as: 'expired' }));
        await end(trx, endings, now());
        return rows.length;
      }),
  };
}

interface Ending {
  readonly id: string;
  readonly holds: readonly Hold[];
  readonly as: 'settled' | 'released' | 'expired';
  /** Of a settled one. */
  readonly amounts?: Amounts;
  readonly row?: EventRow | undefined;
}

async function closeAll(trx: Db, asked: readonly Asked[], at: Date | null): Promise<Outcome[]> {
  const ids = asked.map(({ id }) => id);
  const rows = await lockReservations(trx, ids, at);
  const refusals = new Map<string, Outcome>();
  const endings: Ending[] = [];
  for (const one of asked) {
    const row = rows.get(one.id);
    const refused = refusalOf(one, row);
    if (refused !== undefined) refusals.set(one.id, { refused });
    if (row === undefined) continue;
    if (refused === undefined) endings.push({ id: one.id, holds: row.holds, row: one.row, ...asOf(one) });
    else if (refused === 'reservation_expired' && row.state === 'open')
      endings.push({ id: row.id, holds: row.holds, as: 'expired' });
  }
  const ended = await end(trx, endings, at);
  return asked.map((one) => {
    const states = ended.get(one.id) ?? [];
    if ('refused' in states) return states;
    const row = rows.get(one.id);
    return refusals.get(one.id) ?? { states, used: usedOf(row, one.amounts), usedBy: row?.used_by ?? null };
  });
}

const asOf = ({ amounts }: Asked) =>
  amounts === undefined ? { as: 'released' as const } : { as: 'settled' as const, amounts };

/** One of another organization is none. */
function refusalOf(asked: Asked, row: Row | undefined): ErrorCode | undefined {
  if (row === undefined || (asked.within !== null && row.organization_id !== asked.within))
    return 'reservation_not_found';
  if (row.state !== 'open') return `reservation_${row.state}`;
  if (row.lapsed) return 'reservation_expired';
  const isStrange = Object.keys(asked.amounts ?? {}).some((meter) => !Object.hasOwn(row.amounts, meter));
  return isStrange ? 'meter_not_reserved' : undefined;
}

function usedOf(row: Row | undefined, amounts: Amounts | undefined): Amounts {
  const used = Object.entries(row?.amounts ?? {}).map(([meter, reserved]) => [
    meter,
    amounts === undefined ? 0n : (amounts[meter] ?? BigInt(reserved)),
  ]);
  return Object.fromEntries(used);
}

async function end(
  trx: Db,
  endings: readonly Ending[],
  at: Date | null,
): Promise<Map<string, BudgetState[] | { readonly refused: ErrorCode }>> {
  if (endings.length === 0) return new Map();
  const holds = endings.flatMap((ending) => ending.holds);
  const counters = new Map((await lockWindows(trx, holds)).map((counter) => [keyOf(counter), counter]));
  const outcomes = new Map<string, BudgetState[] | { readonly refused: ErrorCode }>();
  const entries: Entry[] = [];
  const events: EventRow[] = [];
  const done: (Ending & { own: Counter[] })[] = [];
  for (const ending of endings) {
    const own = entriesOf(ending, counters);
    if (own.some(({ counter, used }) => total(counter) + used > MAXIMUM_AMOUNT)) {
      outcomes.set(ending.id, { refused: 'amount_invalid' });
      continue;
    }
    for (const { counter, used, reserved } of own) {
      counter.used += used;
      counter.reserved += reserved;
    }
    entries.push(...own);
    if (ending.row !== undefined) events.push(ending.row);
    done.push({ ...ending, own: own.map(({ counter }) => counter) });
  }
  const told = await markOver(trx, [...counters.values()]);
  await closeRows(trx, done, at);
  await write(trx, { entries, reservations: [], events: [...events, ...told] }, at);
  for (const { id, own } of done) outcomes.set(id, own.map(stateOf));
  return outcomes;
}

function entriesOf(ending: Ending, counters: ReadonlyMap<string, Counter>): Entry[] {
  return ending.holds.flatMap((hold) => {
    const counter = counters.get(`${hold.budgetId} ${hold.windowStart}`);
    // The budget was deleted in the meantime.
    return counter === undefined ? [] : [entryOf(ending, hold, counter)];
  });
}

function entryOf({ id, as, amounts }: Ending, hold: Hold, counter: Counter): Entry {
  const amount = BigInt(hold.amount);
  const used = as === 'settled' ? (amounts?.[hold.meter] ?? amount) : 0n;
  const kind = as === 'settled' ? 'settle' : as === 'released' ? 'release' : 'expire';
  return { kind, counter, reservationId: id, used, reserved: -amount };
}

/** What was settled may go over what was reserved, and over the limit. */
async function markOver(trx: Db, counters: readonly Counter[]): Promise<EventRow[]> {
  const soft = counters.filter((counter) => !counter.softReached && isOverSoftLimit(counter));
  const exceeded = counters.filter(
    (counter) => !counter.exceeded && counter.limit !== null && counter.used > counter.limit,
  );
  for (const counter of soft) counter.softReached = true;
  await mark(trx, 'soft_reached_at', soft);
  await mark(trx, 'exceeded_at', exceeded);
  return [
    ...soft.map((counter) => budgetEvent('budget.soft-limit-reached', stateOf(counter))),
    ...exceeded.map((counter) => budgetEvent('budget.exceeded', stateOf(counter))),
  ].map((event) => eventRow(event, new Date()));
}

const keyOf = ({ budgetId, windowStart }: Counter) => `${budgetId} ${windowStart.toISOString()}`;
const AT = 'coalesce(?::timestamptz, now())';

async function lockReservations(trx: Db, ids: readonly string[], at: Date | null): Promise<Map<string, Row>> {
  const { rows } = await trx
    .raw<{ rows: Row[] }>(
      `select id, state, organization_id, amounts, holds, used_by, expires_at <= ${AT} as lapsed
       from budget_reservations where id = any(?::text[]) order by id for update`,
      [at, [...ids]],
    )
    .options({ name: 'budgets_reservations' });
  return new Map(rows.map((row) => [row.id, row]));
}

/** Those that are just being settled are left alone. */
async function lapsedReservations(
  trx: Db,
  limit: number,
  budgetIds: readonly string[] | undefined,
  at: Date | null,
): Promise<Row[]> {
  const { rows } = await trx.raw<{ rows: Row[] }>(
    `select id, holds from budget_reservations
     where state = 'open' and expires_at <= ${AT} and (?::text[] is null or budget_ids && ?::text[])
     order by expires_at limit ? for update skip locked`,
    [at, budgetIds ? [...budgetIds] : null, budgetIds ? [...budgetIds] : null, limit],
  );
  return rows;
}

async function closeRows(trx: Db, endings: readonly Ending[], at: Date | null): Promise<void> {
  await trx
    .raw(
      `update budget_reservations r set state = ended.state, closed_at = ${AT}
       from unnest(?::text[], ?::text[]) as ended(id, state) where r.id = ended.id`,
      [at, endings.map(({ id }) => id), endings.map(({ as }) => as)],
    )
    .options({ name: 'budgets_close' });
}
