// One run of a claimed job: its claim kept alive, its time limited, and how it went written down.
import type { Db } from '../database/postgres.ts';
import type { Log } from '../telemetry/log.ts';
import type { Job } from './job.ts';
import { fail, finish, renew } from './store.ts';

export interface RunDeps {
  db: Db;
  log: Log;
  /** How often a claim is renewed; tests shorten it. */
  renewMilliseconds?: number;
  /** Told when a job has failed so often in a row that somebody should look at it. */
  onFailing?: ((job: string, failures: number) => Promise<void>) | undefined;
}

export interface Outcome {
  /** undefined when the run went well. */
  readonly failure: { error: unknown } | undefined;
  /** Ends when the job's own work has really ended, which a job that hangs outlives its run by. */
  readonly settled: Promise<unknown>;
}

class TimeLimit extends Error {
  constructor(seconds: number) {
    super(`the job did not end within ${seconds} seconds`);
    this.name = 'TimeLimit';
  }
}

const RENEW_MILLISECONDS = 20_000;
const LIMIT_SECONDS = 600;
/** Once in a row of failures: the log has each of them, the ledger this one. */
const FAILING_AFTER = 3;

/** `stopping`: the process is asked to end. */
export async function runClaimed(
  deps: RunDeps,
  job: Job,
  runner: string,
  stopping: AbortSignal,
): Promise<Outcome> {
  const { db, log } = deps;
  const begun = performance.now();
  const limit = new AbortController();
  const renewal = setInterval(
    () => void keepClaim(deps, job, runner, limit),
    deps.renewMilliseconds ?? RENEW_MILLISECONDS,
  );
  renewal.unref();
  const work = job.run(AbortSignal.any([stopping, limit.signal]));
  const failure = await withinLimit(work, job.limitSeconds ?? LIMIT_SECONDS, limit).then(
    () => undefined,
    // A job that gave up because the process stops did not fail.
    (error: unknown) =>
      stopping.aborted && error === stopping.reason
        ? undefined
        : { error: error ?? new Error(`The job ${job.name} failed.`) },
  );
  clearInterval(renewal);
  const milliseconds = Math.round(performance.now() - begun);
  try {
    if (failure === undefined) await finish(db, job, runner, { milliseconds, again: stopping.aborted });
    else await noteFailure(deps, job, runner, { milliseconds, error: failure.error });
  } catch (error) {
    // The claim runs out by itself, and the job is due again then.
    log.warn('the end of a job could not be written', { job: job.name, error });
  }
  return { failure, settled: work.catch(() => undefined) };
}

async function withinLimit(work: Promise<void>, seconds: number, limit: AbortController): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const reason = new TimeLimit(seconds);
      limit.abort(reason);
      reject(reason);
    }, seconds * 1000);
    timer.unref();
  });
  try {
    await Promise.race([work, over]);
  } finally {
    clearTimeout(timer);
  }
}

/** A claim that another node may have taken meanwhile tells the job to stop at its next step. */
async function keepClaim(deps: RunDeps, job: Job, runner: string, limit: AbortController): Promise<void> {
  try {
    if (!(await renew(deps.db, job.name, runner))) limit.abort(new Error('the claim of the job was lost'));
  } catch (error) {
    deps.log.warn('the claim of a job could not be renewed', { job: job.name, error });
  }
}

async function noteFailure(
  deps: RunDeps,
  job: Job,
  runner: string,
  run: { milliseconds: number; error: unknown },
): Promise<void> {
  deps.log.error('job failed', { job: job.name, error: run.error });
  // The name only: a message may quote what must not be stored; it is in the log, which redacts.
  const error = run.error instanceof Error ? run.error.name : typeof run.error;
  const failures = await fail(deps.db, job, runner, { milliseconds: run.milliseconds, error });
  if (failures === FAILING_AFTER) await deps.onFailing?.(job.name, failures);
}
