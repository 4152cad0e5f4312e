// The months of the ledger are there before they are needed, and nothing is lost when they were not.
import { expect, test } from 'vitest';
import { createAudit } from '../../src/audit/audit.ts';
import { auditJobs } from '../../src/audit/jobs.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
let time = Date.now();
const clock = { now: () => new Date(time) };
const audit = createAudit({ postgres, log: silentLog, clock });

async function runJob(wanted: string, auditDays = 400): Promise<void> {
  const jobs = auditJobs({ db, clock, log: silentLog, audit, settings: { auditDays, refusalDays: 30 } });
  await jobs.find(({ name }) => name === wanted)?.run();
}

const keepPartitions = () => runJob('audit-partitions');

async function partitions(): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { name: string }[] }>(
    `select relname as name from pg_class where relname ~ '^audit_events_[0-9_]+$' and relkind = 'r' order by name`,
  );
  return rows.map(({ name }) => name);
}

async function partitionsHoldingRows(): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { name: string }[] }>(
    'select distinct tableoid::regclass::text as name from audit_events order by name',
  );
  return rows.map(({ name }) => name);
}

test('an event goes into the partition of its month', async () => {
  await audit.append({ type: 'setup.completed', actor: { kind: 'system', id: null }, outcome: 'success' });
  const month = clock.now().toISOString().slice(0, 7).replace('-', '_');
  expect(await partitionsHoldingRows()).toEqual([`audit_events_${month}`]);
});

test('events of a month without a partition are kept, and move into it once it is made', async () => {
  time = Date.UTC(2031, 4, 31, 23, 59, 59, 999);
  await audit.append({ type: 'setup.completed', actor: { kind: 'system', id: null }, outcome: 'success' });
  expect(await partitionsHoldingRows()).toContain('audit_events_default');
  await keepPartitions();
  await keepPartitions();
  expect(await partitionsHoldingRows()).not.toContain('audit_events_default');
  expect(await partitionsHoldingRows()).toContain('audit_events_2031_05');
  time = Date.UTC(2031, 7, 1);
  await audit.append({ type: 'setup.completed', actor: { kind: 'system', id: null }, outcome: 'success' });
  expect(await partitionsHoldingRows()).toContain('audit_events_2031_08');
  const { items } = await audit.list({ type: 'setup.completed' }, { limit: 10, cursor: null });
  expect(items).toHaveLength(3);
  expect(items[0]?.occurredAt).toEqual(new Date(time));
});

test('a month that holds too much in the default partition does not keep the later ones from being made', async () => {
  time = Date.UTC(2033, 0, 15);
  await db.raw(
    `insert into audit_events (id, occurred_at, type, outcome, actor_kind)
     select 'evt_' || n, ?::timestamptz, 'setup.completed', 'success', 'system' from generate_series(1, 20001) n`,
    [new Date(time)],
  );
  await keepPartitions();

  expect(await partitions()).not.toContain('audit_events_2033_01');
  expect(await partitions()).toEqual(
    expect.arrayContaining(['audit_events_2033_02', 'audit_events_2033_03', 'audit_events_2033_04']),
  );
});

test('whole months past their retention go, with what strayed into the default partition, and nothing younger', async () => {
  await db('audit_events').delete();
  const at = async (instant: number) => {
    time = instant;
    await audit.append({ type: 'setup.completed', actor: { kind: 'system', id: null }, outcome: 'success' });
  };
  time = Date.UTC(2034, 0, 1);
  await keepPartitions();
  await at(Date.UTC(2033, 0, 15)); // its month has no partition
  await at(Date.UTC(2034, 0, 31, 23));
  await at(Date.UTC(2034, 1, 1));
  time = Date.UTC(2034, 1, 15) + 100 * 86_400_000;
  await runJob('audit-retention', 0);
  expect((await audit.list({ type: 'setup.completed' }, { limit: 9, cursor: null })).items).toHaveLength(3);
  await runJob('audit-retention', 100);

  const kept = await audit.list({ type: 'setup.completed' }, { limit: 9, cursor: null });
  expect(kept.items.map(({ occurredAt }) => occurredAt)).toEqual([new Date(Date.UTC(2034, 1, 1))]);
  expect(await partitions()).not.toContain('audit_events_2034_01');
  expect(await partitions()).toContain('audit_events_2034_02');
  const removed = await audit.list({ type: 'audit.month-removed' }, { limit: 99, cursor: null });
  expect(removed.items.map(({ target }) => target?.id)).toContain('audit_events_2034_01');
});

test('a month that a dead node took off the ledger and did not drop is dropped by the next run', async () => {
  time = Date.UTC(2035, 0, 1);
  await keepPartitions();
  await db.raw('alter table audit_events detach partition audit_events_2035_01');
  time = Date.UTC(2036, 5, 1);
  await runJob('audit-retention', 100);

  expect(await partitions()).not.toContain('audit_events_2035_01');
});

test('behind a long reader the job gives up and requests go on; the next run removes the month', async () => {
  time = Date.UTC(2037, 0, 1);
  await keepPartitions();
  const reader = await db.transaction();
  await reader.raw('select count(*) from audit_events');
  time = Date.UTC(2038, 5, 1);
  const run = runJob('audit-retention', 100).catch((error: { code: string }) => error.code);
  let slowest = 0;
  let ended: unknown;
  void run.then((code) => {
    ended = code;
  });
  while (ended === undefined) {
    const begun = performance.now();
    await audit.append({ type: 'setup.completed', actor: { kind: 'system', id: null }, outcome: 'success' });
    slowest = Math.max(slowest, performance.now() - begun);
  }
  expect(ended).toBe('55P03');
  expect(slowest).toBeLessThan(1000);
  await reader.rollback();
  await runJob('audit-retention', 100);
  expect(await partitions()).not.toContain('audit_events_2037_01');
});
