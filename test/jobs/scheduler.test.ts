// Scheduled work from outside: its state in lists and numbers, and runs by hand in the ledger.
import { beforeEach, describe, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/audit.ts';
import { commands } from '../../src/jobs/commands.ts';
import { createScheduler } from '../../src/jobs/jobs.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createMetrics } from '../../src/platform/telemetry/metrics.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
const audit = createAudit({ postgres, log: silentLog, clock: systemClock });
const operator = { kind: 'operator', id: 'root' } as const;

let broken = false;
function node() {
  const metrics = createMetrics();
  const run = async () => {
    if (broken) throw new Error('no luck');
  };
  const jobs = [{ name: 'sweep', everySeconds: 3600, run }];
  return { metrics, scheduler: createScheduler({ db, log: silentLog, audit, metrics }, jobs) };
}

beforeEach(() => {
  broken = false;
});

const events = async (type: string) => (await audit.list({ type }, { limit: 50, cursor: null })).items;

describe('a run by hand', () => {
  it('is an event with who asked for it, also when the job fails', async () => {
    const { scheduler } = node();
    await scheduler.runNow('sweep', operator);
    broken = true;
    await expect(scheduler.runNow('sweep', operator)).rejects.toThrow('no luck');

    const [latest] = await events('job.requested');
    expect(await events('job.requested')).toHaveLength(2);
    expect(latest).toMatchObject({ actor: operator, target: { kind: 'job', id: 'sweep' } });
  });

  it('of a job that does not exist is refused and leaves no event', async () => {
    const before = (await events('job.requested')).length;
    await expect(node().scheduler.runNow('nothing', operator)).rejects.toMatchObject({
      code: 'job_not_found',
    });
    await expect(node().scheduler.runSoon('nothing', operator)).rejects.toMatchObject({
      code: 'job_not_found',
    });

    expect(await events('job.requested')).toHaveLength(before);
  });

  it('can be left to a running server', async () => {
    const { scheduler } = node();
    await scheduler.runNow('sweep', operator);
    await scheduler.runSoon('sweep', operator);
    const [due] = await scheduler.list();

    expect(due?.nextRunAt?.getTime()).toBeLessThanOrEqual(Date.now() + 100);
  });
});

it('says once in the ledger that a job keeps failing', async () => {
  broken = true;
  const { scheduler } = node();
  await db('jobs').where({ name: 'sweep' }).update({ failures: 0 });
  for (let run = 0; run < 5; run += 1) await scheduler.runNow('sweep', operator).catch(() => undefined);

  expect(await events('job.failing')).toMatchObject([
    { outcome: 'failure', target: { id: 'sweep' }, details: { failures: 3 } },
  ]);
});

it('shows the same numbers on every node, whoever ran the job', async () => {
  broken = true;
  await node()
    .scheduler.runNow('sweep', operator)
    .catch(() => undefined);
  const other = node();
  await db('jobs')
    .where({ name: 'sweep' })
    .update({ last_succeeded_at: new Date(1_700_000_000_000), failures: 7, failures_total: 9 });
  other.scheduler.start();
  await expect
    .poll(() => other.metrics.text(), { timeout: 3_000 })
    .toContain('gatehouse_job_last_success_timestamp_seconds{job_name="sweep"} 1700000000');
  await other.scheduler.stop();
  const text = await other.metrics.text();

  expect(text).toContain('gatehouse_job_consecutive_failures{job_name="sweep"} 7');
  expect(text).toContain('gatehouse_job_failures_total{job_name="sweep"} 9');
  expect(text).toMatch(/gatehouse_job_last_duration_seconds\{job_name="sweep"\} [\d.]+/);
});

it('lists jobs that no server has met yet', async () => {
  const metrics = createMetrics();
  const jobs = [{ name: 'unmet', everySeconds: 60, run: async () => {} }];
  const scheduler = createScheduler({ db, log: silentLog, audit, metrics }, jobs);
  const list = commands.find(({ name }) => name === 'jobs');
  // `as never`: this command looks at nothing but the services.
  const shown = await list?.run({ services: { scheduler } } as never);

  expect(shown?.json).toMatchObject([{ name: 'unmet', nextRunAt: null, failures: 0 }]);
  expect(shown?.text).toMatchObject({ rows: [['unmet', 'never ran', null, null, 0, null, null]] });
});
