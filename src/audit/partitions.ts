// The months of the ledger: one partition each, made before it is needed.
import type { Db } from '../platform/database/postgres.ts';

/** Makes the partitions of this month and of the next ones that are missing; returns their names. */
export async function makePartitions(db: Db, now: Date, monthsAhead: number): Promise<string[]> {
  const made: string[] = [];
  for (let ahead = 0; ahead <= monthsAhead; ahead += 1) {
    const month = monthOf(now, ahead);
    if (await exists(db, month.name)) continue;
    await db.transaction((trx) => makePartition(trx, month));
    made.push(month.name);
  }
  return made;
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
