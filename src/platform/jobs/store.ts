// The SQL of the table jobs: who runs what until when, and how it went. Times are the database's own, because nodes whose
// clocks differ must agree on when a claim ends.
import type { Db } from '../database/postgres.ts';

/** A claim outlives its node by at most this; a living node renews it three times in that span. */
const CLAIM_SECONDS = 60;
/** The pause after a first failure; it doubles with each, up to the job's own interval. */
const RETRY_SECONDS = 60;

interface Named {
  readonly name: string;
  readonly everySeconds: number;
}

export interface JobRecord {
  name: string;
  nextRunAt: Date;
  due: boolean;
  running: boolean;
  lastStartedAt: Date | null;
  lastSucceededAt: Date | null;
  lastOutcome: 'ok' | 'failed' | null;
  lastError: string | null;
  lastDurationMilliseconds: number | null;
  failures: number;
  failuresTotal: number;
}

interface JobRow {
  name: string;
  next_run_at: Date;
  due: boolean;
  running: boolean;
  last_started_at: Date | null;
  last_succeeded_at: Date | null;
  last_outcome: 'ok' | 'failed' | null;
  last_error: string | null;
  last_duration_milliseconds: number | null;
  failures: number;
  failures_total: string;
}

/** New jobs are due at once; a shorter interval takes effect now and not after the last long one. */
export async function register(db: Db, jobs: readonly Named[]): Promise<void> {
  for (const { name, everySeconds } of jobs) {
    await db.raw(
      `insert into jobs (name, next_run_at) values (?, now())
       on conflict (name) do update
         set next_run_at = least(jobs.next_run_at, now() + make_interval(secs => ?))
         where jobs.next_run_at > now() + make_interval(secs => ?)`,
      [name, everySeconds, everySeconds],
    );
  }
}

export async function readJobs(db: Db, jobs: readonly Named[]): Promise<JobRecord[]> {
  const { rows } = await db.raw<{ rows: JobRow[] }>(
    `select name, next_run_at, last_started_at, last_succeeded_at, last_outcome, last_error,
       last_duration_milliseconds, failures, failures_total,
       running_until is not null and running_until >= now() as running,
       next_run_at <= now() and (running_until is null or running_until < now()) as due
     from jobs where name = any(?)`,
    [jobs.map(({ name }) => name)],
  );
  return rows.map(recordOf);
}

/** False when somebody else has it or, unless `early`, it is not due. */
export async function claim(db: Db, name: string, runner: string, early: boolean): Promise<boolean> {
  const claimed = await db('jobs')
    .where({ name })
    .andWhere((due) => {
      if (!early) due.whereRaw('next_run_at <= now()');
    })
    .andWhereRaw('(running_until is null or running_until < now())')
    .update({ runner, running_until: claimEnd(db), last_started_at: db.raw('now()') })
    .returning('name');
  return claimed.length > 0;
}

/** False when the claim was lost: it had run out, and another node may have taken it. */
export async function renew(db: Db, name: string, runner: string): Promise<boolean> {
  const renewed = await db('jobs')
    .where({ name, runner })
    .update({ running_until: claimEnd(db) });
  return renewed > 0;
}

/** Gives the claim back after a run that went well; `again` when it was asked to stop before it was done. */
export async function finish(
  db: Db,
  job: Named,
  runner: string,
  run: { milliseconds: number; again: boolean },
): Promise<void> {
  await db('jobs')
    .where({ name: job.name, runner })
    .update({
      runner: null,
      running_until: null,
      next_run_at: db.raw('now() + make_interval(secs => ?)', [run.again ? 0 : job.everySeconds]),
      last_outcome: 'ok',
      last_error: null,
      last_succeeded_at: db.raw('now()'),
      last_duration_milliseconds: run.milliseconds,
      failures: 0,
    });
}

/** Gives the claim back after a run that failed; how many in a row there are now. */
export async function fail(
  db: Db,
  job: Named,
  runner: string,
  run: { milliseconds: number; error: string },
): Promise<number> {
  const [row]: { failures: number }[] = await db('jobs')
    .where({ name: job.name, runner })
    .update({
      runner: null,
      running_until: null,
      next_run_at: db.raw('now() + make_interval(secs => least(?, ? * power(2, least(failures, 20))))', [
        job.everySeconds,
        RETRY_SECONDS,
      ]),
      last_outcome: 'failed',
      last_error: run.error,
      last_duration_milliseconds: run.milliseconds,
      failures: db.raw('failures + 1'),
      failures_total: db.raw('failures_total + 1'),
    })
    .returning('failures');
  return row?.failures ?? 0;
}

/** Due at once, whatever its interval says. */
export async function makeDue(db: Db, name: string): Promise<void> {
  await db('jobs')
    .where({ name })
    .update({ next_run_at: db.raw('now()') });
}

function claimEnd(db: Db) {
  return db.raw('now() + make_interval(secs => ?)', [CLAIM_SECONDS]);
}

function recordOf(row: JobRow): JobRecord {
  return {
    name: row.name,
    nextRunAt: row.next_run_at,
    due: row.due,
    running: row.running,
    lastStartedAt: row.last_started_at,
    lastSucceededAt: row.last_succeeded_at,
    lastOutcome: row.last_outcome,
    lastError: row.last_error,
    lastDurationMilliseconds: row.last_duration_milliseconds,
    failures: row.failures,
    failuresTotal: Number(row.failures_total),
  };
}
