// Scheduled work: one runner per job across nodes, failures that stop nothing, and a stop that waits.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createJobs, type Job } from '../../../src/platform/jobs/jobs.ts';
import { silentLog } from '../../../src/platform/telemetry/log.ts';
import { useDatabase } from '../../support/database.ts';

const { db } = useDatabase();

function node(jobs: Job[], onFailing?: (job: string, failures: number) => Promise<void>) {
  return createJobs({ db, log: silentLog, onFailing, renewMilliseconds: 200 }, jobs);
}

test('runs a due job on one node only', async () => {
  let runs = 0;
  const job = {
    name: 'single',
    everySeconds: 3600,
    run: async () => {
      runs += 1;
    },
  };
  const nodes = [node([job]), node([job]), node([job])];
  for (const each of nodes) each.start();
  await delay(1_500);
  await Promise.all(nodes.map((each) => each.stop()));
  expect(runs).toBe(1);
});

test('never runs a job twice at the same time, even when asked from two nodes', async () => {
  let now = 0;
  let most = 0;
  const job = {
    name: 'exclusive',
    everySeconds: 3600,
    run: async () => {
      now += 1;
      most = Math.max(most, now);
      await delay(150);
      now -= 1;
    },
  };
  await Promise.all([node([job]).runNow('exclusive'), node([job]).runNow('exclusive')]);
  expect(most).toBe(1);
});

test('runs again after its interval', async () => {
  let runs = 0;
  const jobs = node([
    {
      name: 'often',
      everySeconds: 1,
      run: async () => {
        runs += 1;
      },
    },
  ]);
  jobs.start();
  await expect.poll(() => runs, { timeout: 6_000 }).toBeGreaterThan(1);
  await jobs.stop();
});

test('goes on after a failure and writes down how it went', async () => {
  let others = 0;
  const jobs = node([
    { name: 'failing', everySeconds: 1, run: async () => Promise.reject(new TypeError('secret words')) },
    {
      name: 'fine',
      everySeconds: 1,
      run: async () => {
        others += 1;
      },
    },
  ]);
  jobs.start();
  await expect.poll(() => others, { timeout: 6_000 }).toBeGreaterThan(1);
  await jobs.stop();
  expect(await row('failing')).toMatchObject({
    last_outcome: 'failed',
    last_error: 'TypeError',
    runner: null,
  });
  expect(await row('fine')).toMatchObject({ last_outcome: 'ok', last_error: null });
});

test('hands the error to whoever asked for the run', async () => {
  const jobs = node([
    { name: 'asked', everySeconds: 60, run: async () => Promise.reject(new Error('broken')) },
  ]);
  await expect(jobs.runNow('asked')).rejects.toThrow('broken');
  await expect(jobs.runNow('nobody')).rejects.toThrow('no job named nobody');
});

test('takes over when the node that held the claim died', async () => {
  let runs = 0;
  const jobs = node([
    {
      name: 'orphan',
      everySeconds: 3600,
      run: async () => {
        runs += 1;
      },
    },
  ]);
  await jobs.runNow('orphan');
  await db('jobs')
    .where({ name: 'orphan' })
    .update({
      runner: 'dead',
      next_run_at: new Date(0),
      running_until: db.raw(`now() + interval '2 seconds'`),
    });
  jobs.start();
  await delay(700);
  expect(runs).toBe(1);
  await expect.poll(() => runs, { timeout: 5_000 }).toBe(2);
  await jobs.stop();
});

test('waits at its stop for the job that runs', async () => {
  let state = 'waiting';
  const jobs = node([
    {
      name: 'slow',
      everySeconds: 3600,
      run: async () => {
        state = 'running';
        await delay(300);
        state = 'done';
      },
    },
  ]);
  jobs.start();
  await expect.poll(() => state).toBe('running');
  await jobs.stop();
  expect(state).toBe('done');
  expect(await row('slow')).toMatchObject({ last_outcome: 'ok', running_until: null });
});

test('ends a job that hangs after its time, counts it as failed, and does not start it beside itself', async () => {
  let runs = 0;
  let told: AbortSignal | undefined;
  const jobs = node([
    {
      name: 'hanging',
      everySeconds: 1,
      limitSeconds: 1,
      run: (signal) => {
        runs += 1;
        told = signal;
        return new Promise<void>(() => {});
      },
    },
  ]);
  jobs.start();
  await expect
    .poll(async () => (await jobs.list())[0], { timeout: 6_000 })
    .toMatchObject({ lastOutcome: 'failed', lastError: 'TimeLimit', running: false });
  expect(told?.aborted).toBe(true);
  await delay(2_500);
  await jobs.stop();
  expect(runs).toBe(1);
});

test('tells a job to end after its step when the process stops, and leaves the rest to the next node', async () => {
  let steps = 0;
  const job = {
    name: 'stepwise',
    everySeconds: 3600,
    run: async (signal?: AbortSignal) => {
      while (signal?.aborted !== true && steps < 1_000) {
        steps += 1;
        await delay(10);
      }
    },
  };
  const first = node([job]);
  first.start();
  await expect.poll(() => steps).toBeGreaterThan(3);
  await first.stop();
  const before = steps;
  expect(before).toBeLessThan(1_000);
  const second = node([job]);
  second.start();
  await expect.poll(() => steps, { timeout: 3_000 }).toBeGreaterThan(before);
  await second.stop();
});

test('tells a job whose claim was lost to stop', async () => {
  const lost = Promise.withResolvers<void>();
  const jobs = node([
    {
      name: 'robbed',
      everySeconds: 3600,
      run: (signal) =>
        new Promise((resolve) => {
          signal?.addEventListener('abort', () => resolve());
          void db('jobs')
            .where({ name: 'robbed' })
            .update({ runner: 'thief' })
            .then(() => lost.resolve());
        }),
    },
  ]);
  const run = jobs.runNow('robbed');
  await lost.promise;
  await run;
  expect(await row('robbed')).toMatchObject({ runner: 'thief' });
});

test('tries again sooner than its interval after a failure, later each time, and tells once that it keeps failing', async () => {
  const told: number[] = [];
  const jobs = node(
    [{ name: 'flaky', everySeconds: 86_400, run: async () => Promise.reject(new Error('down')) }],
    async (_, failures) => {
      told.push(failures);
    },
  );
  const pauses: number[] = [];
  for (let run = 0; run < 4; run += 1) {
    await jobs.runNow('flaky').catch(() => undefined);
    const [view] = await jobs.list();
    pauses.push(Math.round(((view?.nextRunAt?.getTime() ?? 0) - Date.now()) / 60_000));
  }
  expect(pauses).toEqual([1, 2, 4, 8]);
  expect(told).toEqual([3]);
  expect((await jobs.list())[0]).toMatchObject({ failures: 4, failuresTotal: 4, lastSucceededAt: null });
});

test('a job that was made due is run by whichever node looks first', async () => {
  let runs = 0;
  const job = {
    name: 'wanted',
    everySeconds: 3600,
    run: async () => {
      runs += 1;
    },
  };
  const server = node([job]);
  server.start();
  await expect.poll(() => runs).toBe(1);
  await expect.poll(async () => (await server.list())[0]?.lastOutcome).toBe('ok');
  await node([job]).runSoon('wanted');
  await expect.poll(() => runs, { timeout: 3_000 }).toBe(2);
  await server.stop();
});

function row(name: string) {
  return db('jobs').where({ name }).first('last_outcome', 'last_error', 'runner', 'running_until');
}
