// Counters in PostgreSQL, for installations without Redis: one statement for all that ask at the same time.
import { createBatch } from '../database/batch.ts';
import { type Db, isDatabaseUnavailable } from '../database/postgres.ts';
import { AppError } from '../errors.ts';
import { inBatches } from '../jobs/batches.ts';
import type { Job } from '../jobs/jobs.ts';
import type { Quota, Taken } from './gcra.ts';
import type { LimitStore } from './store.ts';

interface Ask {
  readonly key: string;
  readonly wanted: number;
  readonly quota: Quota;
}

/** A request waits no longer for its limit; the statement may still count what nobody used. */
const PATIENCE_MILLISECONDS = 1_000;
const PAUSE_MILLISECONDS = 1_000;

/** A single statement is under way at a time; who comes meanwhile shares the next one. */
export function createPostgresStore(db: Db): LimitStore {
  const batch = createBatch<Ask, Taken>({
    run: (asks) => takeAll(db, asks),
    keyOf: ({ key }) => key,
    inFlight: 1,
    companyMilliseconds: 0,
  });
  let awayUntil = 0;
  return {
    async take(key, wanted, quota) {
      if (performance.now() < awayUntil) return undefined;
      const taken = await withPatience(orAway(batch.run({ key, wanted, quota })));
      if (taken === undefined) awayUntil = performance.now() + PAUSE_MILLISECONDS;
      return taken;
    },
  };
}

async function orAway(counted: Promise<Taken>): Promise<Taken | undefined> {
  try {
    return await counted;
  } catch (error) {
    if (isDatabaseUnavailable(error) || error instanceof AppError) return undefined;
    throw error;
  }
}

function withPatience(counted: Promise<Taken | undefined>): Promise<Taken | undefined> {
  return new Promise((resolve, reject) => {
    // Its failure after the patience has ended concerns nobody any more.
    const late = setTimeout(resolve, PATIENCE_MILLISECONDS, undefined);
    late.unref();
    counted.then(resolve, reject).finally(() => clearTimeout(late));
  });
}

const NOW = '(extract(epoch from now()) * 1000000)::bigint';

/**
 * All nodes share the clock of the database. Rows are locked in the order of their keys, so that two statements never
 * wait for each other. The end of a row is a whole minute, which seldom changes: so the index seldom does.
 */
async function takeAll(db: Db, asks: readonly Ask[]): Promise<Taken[]> {
  const { rows } = await db.raw<{ rows: { key: string; granted: number; ahead: string }[] }>(
    `insert into limit_counters as c (key, empty_at, granted, step, burst, expires_at)
     select a.key, ${NOW} + least(a.wanted, a.burst) * a.step, least(a.wanted, a.burst), a.step, a.burst,
            date_trunc('minute', now() + make_interval(secs => a.burst * a.step / 1000000.0)) + interval '3 minutes'
     from unnest(?::text[], ?::bigint[], ?::bigint[], ?::bigint[]) as a (key, wanted, step, burst)
     order by a.key collate "C"
     on conflict (key) do update set
       (empty_at, granted) = (
         select b.begins + g.granted * excluded.step, g.granted
         from (select least(greatest(c.empty_at, ${NOW}), ${NOW} + excluded.burst * excluded.step) as begins) b,
              lateral (select least(excluded.granted,
                                    (${NOW} + excluded.burst * excluded.step - b.begins) / excluded.step) as granted) g
       ),
       step = excluded.step, burst = excluded.burst, expires_at = excluded.expires_at
     returning key, granted::int as granted, empty_at - ${NOW} as ahead`,
    [
      asks.map(({ key }) => key),
      asks.map(({ wanted }) => wanted),
      asks.map(({ quota }) => quota.step),
      asks.map(({ quota }) => quota.burst),
    ],
  );
  const taken = new Map(rows.map(({ key, granted, ahead }) => [key, { granted, ahead: Number(ahead) }]));
  return asks.map(({ key }) => {
    const one = taken.get(key);
    if (one === undefined) throw new Error('PostgreSQL gave no answer for a counter of a limit');
    return one;
  });
}

/** Rows of addresses that ask no more. Rows in use are passed over, so that no request waits for this. */
export function limitJobs(db: Db): Job[] {
  return [
    {
      name: 'limit-counters-expiry',
      everySeconds: 60,
      async run(signal) {
        await inBatches((limit) => deleteExpired(db, limit), signal);
      },
    },
  ];
}

async function deleteExpired(db: Db, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `delete from limit_counters where key in (
       select key from limit_counters where expires_at < now() limit ? for update skip locked
     )`,
    [limit],
  );
  return rowCount;
}
