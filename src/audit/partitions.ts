// The months of the ledger: one partition each, made before it is needed and dropped whole when its time is over.
import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../platform/database/postgres.ts';

/** More rows than this of one month are not moved out of the default partition: nobody could write meanwhile. */
const MOST_MOVED_ROWS = 20_000;

/**
 * Makes the partitions of this month and of the next ones that are missing. The farthest first: a month that holds rows in
 * the default partition already, too many to be moved, must not keep the later ones from being made; it is `left` there.
 */
export async function makePartitions(
  db: Db,
  now: Date,
  monthsAhead: number,
): Promise<{ made: string[]; left: string[] }> {
  const made: string[] = [];
  const left: string[] = [];
  for (let ahead = monthsAhead; ahead >= 0; ahead -= 1) {
    const month = monthOf(now, ahead);
    if (await exists(db, month.name)) continue;
    if (await holdsTooMuch(db, month)) {
      left.push(month.name);
      continue;
    }
    await db.transaction((trx) => makePartition(trx, month));
    made.push(month.name);
  }
  return { made: made.reverse(), left };
}

interface Month {
  name: string;
  from: string;
  to: string;
}

function monthOf(now: Date, ahead: number): Month {
  const start = (months: number) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 1)).toISOString();
  const from = start(ahead);
  return { name: `audit_events_${from.slice(0, 4)}_${from.slice(5, 7)}`, from, to: start(ahead + 1) };
}

async function exists(db: Db, name: string): Promise<boolean> {
  const { rows } = await db.raw<{ rows: { there: boolean }[] }>(
    'select to_regclass(?) is not null as there',
    [name],
  );
  return rows[0]?.there === true;
}

async function holdsTooMuch(db: Db, { from, to }: Month): Promise<boolean> {
  const { rows } = await db.raw<{ rows: unknown[] }>(
    'select 1 from audit_events_default where occurred_at >= ? and occurred_at < ? limit 1 offset ?',
    [from, to, MOST_MOVED_ROWS],
  );
  return rows.length > 0;
}

// ATTACH rather than CREATE … PARTITION OF: the latter locks the whole ledger, and with it every sign-in. Rows of that
// month that fell into the default partition move along; the lock on it is what keeps new ones from arriving meanwhile.
async function makePartition(trx: Db, { name, from, to }: Month): Promise<void> {
  // The three values are dates of ours, never input; DDL takes no bindings.
  const inMonth = `occurred_at >= '${from}' and occurred_at < '${to}'`;
  await trx.raw(`set local lock_timeout = '2s'`);
  await trx.raw('lock table audit_events_default in access exclusive mode');
  await trx.raw(`create table ${name} (like audit_events including defaults including constraints)`);
  // The one place where "every column" is meant: the tables are alike by the line above.
  await trx.raw(`
    with moved as (delete from audit_events_default where ${inMonth} returning audit_events_default.*)
    insert into ${name} select moved.* from moved`);
  await trx.raw(`alter table audit_events attach partition ${name} for values from ('${from}') to ('${to}')`);
}

export interface PastMonth {
  name: string;
  /** False when a node died between taking it off the ledger and dropping it. */
  attached: boolean;
}

/** Months that were over at that time, the oldest first. */
export async function monthsEndedBefore(db: Db, before: Date): Promise<PastMonth[]> {
  const { rows } = await db.raw<{ rows: PastMonth[] }>(
    `select relname as name, relispartition as attached from pg_class
     where relnamespace = (select relnamespace from pg_class where oid = 'audit_events'::regclass)
       and relkind = 'r' and relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$' and relname < ?
     order by name`,
    [monthOf(before, 0).name],
  );
  return rows;
}

const LOCK_TRIES = 5;
const LOCK_PAUSE_MILLISECONDS = 1000;

/**
 * DETACH … CONCURRENTLY is not allowed beside a default partition, and that one is what keeps an event from ever failing
 * for want of a month. The plain DETACH takes the whole ledger for a moment, so it waits for that moment only briefly:
 * everything else would queue behind it. Behind a long reader, such as a dump, it gives up, and the next run tries again.
 */
export async function detachMonth(db: Db, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await db.transaction(async (trx) => {
        await trx.raw(`set local lock_timeout = '200ms'`);
        await trx.raw('alter table audit_events detach partition ??', [name]);
      });
      return;
    } catch (error) {
      if (!isLockTimeout(error) || attempt === LOCK_TRIES) throw error;
      await delay(LOCK_PAUSE_MILLISECONDS);
    }
  }
}

/** It is a table of its own by now: this locks nothing that anybody needs. */
export async function dropDetached(db: Db, name: string): Promise<void> {
  await db.schema.dropTableIfExists(name);
}

function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '55P03';
}
