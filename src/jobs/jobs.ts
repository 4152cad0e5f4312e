// Scheduled work seen from outside: its state for operators and Prometheus, and runs by hand that the ledger remembers.
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import { failure } from '../platform/errors.ts';
import { createJobs, type Job, type Jobs, type JobView } from '../platform/jobs/jobs.ts';
import type { RunDeps } from '../platform/jobs/run.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';

export type { JobView } from '../platform/jobs/jobs.ts';

export interface Scheduler extends Pick<Jobs, 'start' | 'stop' | 'list'> {
  /** Runs it in this process and waits; rejects with the job's own error. Throws job_not_found. */
  runNow(name: string, by: Actor): Promise<void>;
  /** Makes it due: a running server starts it within a second. Throws job_not_found. */
  runSoon(name: string, by: Actor): Promise<void>;
}

export interface SchedulerDeps extends RunDeps {
  audit: Pick<Audit, 'append'>;
  metrics: Pick<Metrics, 'read'>;
}

export function createScheduler(deps: SchedulerDeps, jobs: readonly Job[]): Scheduler {
  const { db, log, audit } = deps;
  const onFailing = (name: string, failures: number) =>
    audit.append({
      type: 'job.failing',
      actor: { kind: 'system', id: null },
      outcome: 'failure',
      target: { kind: 'job', id: name },
      details: { failures },
    });
  const engine = createJobs({ db, log, onFailing }, jobs);
  publishNumbers(deps.metrics, engine.snapshot);

  /** Before the run: who asked is known even when it never ends. */
  async function noteRequest(name: string, by: Actor): Promise<void> {
    if (!jobs.some((job) => job.name === name)) throw failure('job_not_found', { name });
    await audit.append({
      type: 'job.requested',
      actor: by,
      outcome: 'success',
      target: { kind: 'job', id: name },
    });
  }

  return {
    start: engine.start,
    stop: engine.stop,
    list: engine.list,
    async runNow(name, by) {
      await noteRequest(name, by);
      await engine.runNow(name);
    },
    async runSoon(name, by) {
      await noteRequest(name, by);
      await engine.runSoon(name);
    },
  };
}

/** Every node shows the same numbers: they are read from the table, whoever ran the job. */
function publishNumbers(metrics: Pick<Metrics, 'read'>, snapshot: () => readonly JobView[]): void {
  const byJob = (read: (job: JobView) => number | null) => () =>
    Object.fromEntries(
      snapshot().flatMap((job) => {
        const value = read(job);
        return value === null ? [] : [[job.name, value]];
      }),
    );
  metrics.read(
    'gatehouse_job_last_success_timestamp_seconds',
    byJob(({ lastSucceededAt }) => lastSucceededAt && lastSucceededAt.getTime() / 1000),
  );
  metrics.read(
    'gatehouse_job_last_duration_seconds',
    byJob(({ lastDurationMilliseconds: taken }) => (taken === null ? null : taken / 1000)),
  );
  metrics.read(
    'gatehouse_job_consecutive_failures',
    byJob(({ failures }) => failures),
  );
  metrics.read(
    'gatehouse_job_failures_total',
    byJob(({ failuresTotal }) => failuresTotal),
  );
}
