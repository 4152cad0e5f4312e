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

async function keepPartitions(): Promise<void> {
  await auditJobs({ db, clock, log: silentLog })
    .find(({ name }) => name === 'audit-partitions')
    ?.run();
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
