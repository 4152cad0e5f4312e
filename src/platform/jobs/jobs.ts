// Scheduled work: each job runs on one node at a time, claimed by a row in `jobs`; a failing job never stops the others.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from './job.ts';
import { type Outcome, type RunDeps, runClaimed } from './run.ts';
import { claim, type JobRecord, makeDue, readJobs, register } from './store.ts';

export type { Job } from './job.ts';

export interface JobView {
  name: string;
  everySeconds: number;
  running: boolean;
  /** null until a server has met the job. */
  nextRunAt: Date | null;
  lastStartedAt: Date | null;
  lastSucceededAt: Date | null;
  lastOutcome: 'ok' | 'failed' | null;
  /** The kind of error; its text is in the log. */
  lastError: string | null;
  lastDurationMilliseconds: number | null;
  /** In a row, up to now. */
  failures: number;
  failuresTotal: number;
}

export interface Jobs {
  start(): void;
  /** Starts nothing new, tells what runs to end after its step, and waits for it. */
  stop(): Promise<void>;
  list(): Promise<JobView[]>;
  /** As it was when this node last looked, at most a second ago while it runs: for numbers that must not wait. */
  snapshot(): readonly JobView[];
  /** Runs the job here although it is not due, after a run under way elsewhere; rejects with the job's own error. */
  runNow(name: string): Promise<void>;
  /** Makes it due: the first node that looks runs it. */
  runSoon(name: string): Promise<void>;
}

const TICK_MILLISECONDS = 1_000;
const BUSY_POLL_MILLISECONDS = 100;

export function createJobs(deps: RunDeps, jobs: readonly Job[]): Jobs {
  const { db, log } = deps;
  const runner = randomUUID();
  const stopping = new AbortController();
  const running = new Map<string, Promise<unknown>>();
  const hanging = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let registered = false;
  let failing = false;
  let ticking: Promise<void> = Promise.resolve();
  let seen: readonly JobRecord[] = [];

  const attempt = async (job: Job, early: boolean): Promise<Outcome | 'not claimed'> => {
    if (!(await claim(db, job.name, runner, early))) return 'not claimed';
    const outcome = await runClaimed(deps, job, runner, stopping.signal);
    // What hangs here is not started beside itself; another node may have more luck.
    hanging.add(job.name);
    void outcome.settled.then(() => hanging.delete(job.name));
    return outcome;
  };

  const begin = (job: Job) => {
    const run = attempt(job, false)
      .catch((error: unknown) => log.warn('job could not be claimed', { job: job.name, error }))
      .finally(() => running.delete(job.name));
    running.set(job.name, run);
  };

  const look = async () => {
    if (!registered) await register(db, jobs);
    registered = true;
    seen = await readJobs(db, jobs);
    const due = new Set(seen.filter((job) => job.due).map((job) => job.name));
    const free = (name: string) => !running.has(name) && !hanging.has(name);
    for (const job of jobs) {
      if (due.has(job.name) && free(job.name) && !stopping.signal.aborted) begin(job);
    }
  };

  const tick = async () => {
    try {
      await look();
      failing = false;
    } catch (error) {
      if (!failing) log.warn('due jobs cannot be read', { error });
      failing = true;
    }
    if (stopping.signal.aborted) return;
    timer = setTimeout(() => {
      ticking = tick();
    }, TICK_MILLISECONDS);
    timer.unref();
  };

  const named = (name: string): Job => {
    const job = jobs.find((candidate) => candidate.name === name);
    if (job === undefined) throw new Error(`There is no job named ${name}.`);
    return job;
  };

  return {
    start: () => {
      ticking = tick();
    },
    stop: async () => {
      stopping.abort();
      clearTimeout(timer);
      await ticking;
      await Promise.all(running.values());
    },
    list: async () => viewsOf(jobs, await readJobs(db, jobs)),
    snapshot: () => viewsOf(jobs, seen),
    runNow: async (name) => {
      const job = named(name);
      await register(db, [job]);
      for (;;) {
        const outcome = await attempt(job, true);
        if (outcome === 'not claimed') await delay(BUSY_POLL_MILLISECONDS);
        else if (outcome.failure === undefined) return;
        else throw outcome.failure.error;
      }
    },
    runSoon: async (name) => {
      await register(db, [named(name)]);
      await makeDue(db, name);
    },
  };
}

function viewsOf(jobs: readonly Job[], records: readonly JobRecord[]): JobView[] {
  return jobs.map(({ name, everySeconds }) => {
    const record = records.find((one) => one.name === name);
    return {
      name,
      everySeconds,
      running: record?.running ?? false,
      nextRunAt: record?.nextRunAt ?? null,
      lastStartedAt: record?.lastStartedAt ?? null,
      lastSucceededAt: record?.lastSucceededAt ?? null,
      lastOutcome: record?.lastOutcome ?? null,
      lastError: record?.lastError ?? null,
      lastDurationMilliseconds: record?.lastDurationMilliseconds ?? null,
      failures: record?.failures ?? 0,
      failuresTotal: record?.failuresTotal ?? 0,
    };
  });
}
