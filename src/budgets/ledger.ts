// The entries behind the counters: whether they add up, and how long they and the counters are kept.
import type { BudgetId } from '../lib/ids.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';

export interface Discrepancy {
  readonly budgetId: BudgetId;
  readonly windowStart: Date;
  readonly counted: { used: bigint; reserved: bigint };
  readonly entered: { used: bigint; reserved: bigint };
}

interface Row {
  budget_id: BudgetId;
  window_start: Date;
  used: string;
  reserved: string;
  entered_used: string;
  entered_reserved: string;
}

/** Windows whose counters are not the sums of their entries. One statement: it sees each commit whole or not at all. */
export async function discrepancies(db: Db): Promise<Discrepancy[]> {
  const { rows } = await db.raw<{ rows: Row[] }>(
    `select w.budget_id, w.window_start, w.used, w.reserved,
       coalesce(e.used, 0) as entered_used, coalesce(e.reserved, 0) as entered_reserved
     from budget_windows w left join (
       select budget_id, window_start, sum(used) as used, sum(reserved) as reserved from budget_entries
       group by budget_id, window_start
     ) e using (budget_id, window_start)
     where w.used <> coalesce(e.used, 0) or w.reserved <> coalesce(e.reserved, 0)
     order by w.budget_id, w.window_start limit 1000`,
  );
  return rows.map((row) => ({
    budgetId: row.budget_id,
    windowStart: row.window_start,
    counted: { used: BigInt(row.used), reserved: BigInt(row.reserved) },
    entered: { used: BigInt(row.entered_used), reserved: BigInt(row.entered_reserved) },
  }));
}

/** A window that is still there keeps the sums of what goes: one entry stands for them. */
async function removeEntries(db: Db, before: Date, limit: number): Promise<number> {
  const { rows } = await db.raw<{ rows: { count: string }[] }>(
    `with gone as (
       delete from budget_entries where ctid = any(array(
         select ctid from budget_entries where occurred_at < ? order by occurred_at limit ? for update skip locked))
       returning budget_id, window_start, used, reserved
     ), carried as (
       insert into budget_entries (occurred_at, kind, budget_id, window_start, used, reserved)
       select now(), 'carry', budget_id, window_start, sum(gone.used), sum(gone.reserved)
       from gone join budget_windows using (budget_id, window_start)
       group by budget_id, window_start
     )
     select count(*) from gone`,
    [before, limit],
  );
  return Number(rows[0]?.count ?? 0);
}

/** What was over before then, by the column that says when; budgets of tokens end with them. */
const ends = {
  budget_windows: 'window_end',
  budget_reservations: 'closed_at',
  budgets: 'expires_at',
} as const;

async function remove(db: Db, table: keyof typeof ends, before: Date, limit: number): Promise<number> {
  const by = ends[table];
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `delete from ${table} where ctid = any(array(
       select ctid from ${table} where ${by} < ? order by ${by} limit ? for update skip locked))`,
    [before, limit],
  );
  return rowCount;
}

const DAY_MILLISECONDS = 86_400_000;
/** Long enough for whoever settles twice to be told so. */
const CLOSED_DAYS = 7;
const EXPIRED_AT_ONCE = 200;

export function budgetJobs(deps: {
  db: Db;
  clock: Clock;
  settings: { budgetDays: number };
  expire: (limit: number) => Promise<number>;
}): Job[] {
  const { db, clock, settings } = deps;
  const daysAgo = (days: number) => new Date(clock.now().getTime() - days * DAY_MILLISECONDS);
  return [
    {
      // A reserve that would be refused for them does not wait for it.
      name: 'budgets-expiry',
      everySeconds: 60,
      run: async (signal) => {
        await inBatches(deps.expire, signal, EXPIRED_AT_ONCE);
      },
    },
    {
      name: 'budgets-retention',
      everySeconds: 3600,
      async run(signal) {
        const before = daysAgo(settings.budgetDays);
        await inBatches((limit) => remove(db, 'budgets', daysAgo(0), limit), signal);
        await inBatches((limit) => remove(db, 'budget_reservations', daysAgo(CLOSED_DAYS), limit), signal);
        await inBatches((limit) => remove(db, 'budget_windows', before, limit), signal);
        await inBatches((limit) => removeEntries(db, before, limit), signal);
      },
    },
  ];
}
