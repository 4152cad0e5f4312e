// Scheduled work: one runner per job across nodes, failures that stop nothing, and a stop that waits.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createJobs, type Job } from '../../../src/platform/jobs/jobs.ts';
import { silentLog } from '../../../src/platform/telemetry/log.ts';
import { useDatabase } from '../../support/database.ts';

const { db } = useDatabase();

function node(jobs: Job[]) {
  return createJobs({ db, log: silentLog }, jobs);
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

function row(name: string) {
  return db('jobs').where({ name }).first('last_outcome', 'last_error', 'runner', 'running_until');
}
