// Scheduled work: each job runs on one node at a time, claimed by a row in `jobs`; a failing job never stops the others.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Db } from '../database/postgres.ts';
import type { Log } from '../telemetry/log.ts';

export interface Job {
  name: string;
  everySeconds: number;
  run(): Promise<void>;
}

export interface Jobs {
  start(): void;
  /** Starts nothing new and waits for what runs. */
  stop(): Promise<void>;
  /** Runs the job although it is not due, after a run under way elsewhere; rejects with the job's own error. */
  runNow(name: string): Promise<void>;
}

interface JobsDeps {
  db: Db;
  log: Log;
  clock: Clock;
}

const TICK_MILLISECONDS = 1_000;
// A claim outlives its node by at most this; a living node renews it three times in that span.
const CLAIM_SECONDS = 60;
const RENEW_MILLISECONDS = 20_000;
const BUSY_POLL_MILLISECONDS = 100;

export function createJobs(deps: JobsDeps, jobs: Job[]): Jobs {
  const runner = randomUUID();
  const running = new Map<string, Promise<unknown>>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let registered = false;
  let failing = false;
  let ticking: Promise<void> = Promise.resolve();

  /** Runs the job when the claim succeeds; false when somebody else has it or, unless `early`, it is not due. */
  const attempt = async (job: Job, early: boolean): Promise<{ error: unknown } | boolean> => {
    if (!(await claim(deps.db, job, runner, early))) return false;
    const error = await runClaimed(deps, job, runner);
    return error === undefined ? true : { error };
  };

  const begin = (job: Job) => {
    const run = attempt(job, false)
      .catch((error: unknown) => deps.log.warn('job could not be claimed', { job: job.name, error }))
      .finally(() => running.delete(job.name));
    running.set(job.name, run);
  };

  const tick = async () => {
    try {
      if (!registered) await register(deps.db, jobs);
      registered = true;
      const due = await dueJobs(deps.db, jobs);
      for (const job of due) if (!stopped && !running.has(job.name)) begin(job);
      failing = false;
    } catch (error) {
      if (!failing) deps.log.warn('due jobs cannot be read', { error });
      failing = true;
    }
    schedule();
  };

  const schedule = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      ticking = tick();
    }, TICK_MILLISECONDS);
    timer.unref();
  };

  return {
    start: () => {
      ticking = tick();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await ticking;
      await Promise.all(running.values());
    },
    runNow: async (name) => {
      const job = jobs.find((candidate) => candidate.name === name);
      if (job === undefined) throw new Error(`There is no job named ${name}.`);
      await register(deps.db, [job]);
      for (;;) {
        const outcome = await attempt(job, true);
        if (outcome === true) return;
        if (outcome !== false) throw outcome.error;
        await delay(BUSY_POLL_MILLISECONDS);
      }
    },
  };
}

/** Runs a claimed job to its end and writes down how it went; answers its error. */
async function runClaimed(deps: JobsDeps, job: Job, runner: string): Promise<unknown> {
  const begun = deps.clock.now().getTime();
  const renewal = setInterval(() => {
    renew(deps.db, job, runner).catch((error: unknown) =>
      deps.log.warn('the claim of a job could not be renewed', { job: job.name, error }),
    );
  }, RENEW_MILLISECONDS);
  renewal.unref();
  let failure: { error: unknown } | undefined;
  try {
    await job.run();
  } catch (error) {
    failure = { error };
    deps.log.error('job failed', { job: job.name, error });
  }
  clearInterval(renewal);
  const milliseconds = Math.max(0, deps.clock.now().getTime() - begun);
  await finish(deps.db, job, runner, { failure, milliseconds }).catch((error: unknown) =>
    // The claim runs out by itself, and the job is due again then.
    deps.log.warn('the end of a job could not be written', { job: job.name, error }),
  );
  return failure && (failure.error ?? new Error(`The job ${job.name} failed.`));
}

/** Times are the database's own: nodes whose clocks differ must agree on when a claim ends. */
async function claim(db: Db, job: Job, runner: string, early: boolean): Promise<boolean> {
  const claimed = await db('jobs')
    .where({ name: job.name })
    .andWhere((due) => {
      if (!early) due.whereRaw('next_run_at <= now()');
    })
    .andWhereRaw('(running_until is null or running_until < now())')
    .update({
      runner,
      running_until: db.raw('now() + make_interval(secs => ?)', [CLAIM_SECONDS]),
      last_started_at: db.raw('now()'),
    })
    .returning('name');
  return claimed.length > 0;
}

async function renew(db: Db, job: Job, runner: string): Promise<void> {
  await db('jobs')
    .where({ name: job.name, runner })
    .update({ running_until: db.raw('now() + make_interval(secs => ?)', [CLAIM_SECONDS]) });
}

async function finish(
  db: Db,
  job: Job,
  runner: string,
  end: { failure: { error: unknown } | undefined; milliseconds: number },
): Promise<void> {
  await db('jobs')
    .where({ name: job.name, runner })
    .update({
      runner: null,
      running_until: null,
      next_run_at: db.raw('now() + make_interval(secs => ?)', [job.everySeconds]),
      last_outcome: end.failure === undefined ? 'ok' : 'failed',
      // The name only: a message may quote what must not be stored; it is in the log, which redacts.
      last_error: end.failure === undefined ? null : errorName(end.failure.error),
      last_duration_milliseconds: Math.round(end.milliseconds),
    });
}

function errorName(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** New jobs are due at once; a shorter interval takes effect now and not after the last long one. */
async function register(db: Db, jobs: readonly Job[]): Promise<void> {
  for (const job of jobs) {
    await db.raw(
      `insert into jobs (name, next_run_at) values (?, now())
       on conflict (name) do update
         set next_run_at = least(jobs.next_run_at, now() + make_interval(secs => ?))
         where jobs.next_run_at > now() + make_interval(secs => ?)`,
      [job.name, job.everySeconds, job.everySeconds],
    );
  }
}

async function dueJobs(db: Db, jobs: readonly Job[]): Promise<Job[]> {
  const rows: { name: string }[] = await db('jobs')
    .whereIn(
      'name',
      jobs.map((job) => job.name),
    )
    .andWhereRaw('next_run_at <= now() and (running_until is null or running_until < now())')
    .select('name');
  const due = new Set(rows.map((row) => row.name));
  return jobs.filter((job) => due.has(job.name));
}
