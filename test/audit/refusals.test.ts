// Refusals of strangers: counted, so that no stranger fills the disk.
import { beforeEach, describe, expect, test } from 'vitest';
import { type Audit, createAudit } from '../../src/audit/audit.ts';
import { auditJobs } from '../../src/audit/jobs.ts';
import { networkOf } from '../../src/audit/refusals.ts';
import { withOrigin } from '../../src/platform/origin.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db } = useDatabase();
const noon = Date.UTC(2026, 10, 22, 12);
let time = noon;
const clock = { now: () => new Date(time) };
let audit: Audit;

beforeEach(async () => {
  time = noon;
  await db('audit_refusals').delete();
  audit = createAudit({ postgres, log: silentLog, clock });
});

function refuseFrom(address: string | null, reason = 'unknown_client', by = audit): void {
  const origin = { requestId: null, address, userAgent: null };
  withOrigin(origin, () => by.refuse('client_authentication', reason));
}

async function counts() {
  return (await audit.listRefusals({}, { limit: 1000, cursor: null })).items;
}

describe('refusals', () => {
  test('of one network, reason and minute are one row, whoever counts them', async () => {
    const other = createAudit({ postgres, log: silentLog, clock });
    for (let number = 0; number < 100; number += 1) refuseFrom(`198.51.100.${number}`);
    refuseFrom('198.51.100.7', 'unknown_client', other);
    await audit.stop();
    await other.stop();
    expect(await counts()).toEqual([
      {
        minute: new Date(noon),
        kind: 'client_authentication',
        reason: 'unknown_client',
        network: '198.51.100.0/24',
        count: 101,
      },
    ]);
  });

  test('of different minutes, reasons and networks are told apart', async () => {
    refuseFrom('198.51.100.7');
    refuseFrom('198.51.101.7');
    refuseFrom('198.51.100.7', 'wrong_secret');
    time += 60_000;
    refuseFrom('198.51.100.7');
    await audit.stop();
    expect(await counts()).toHaveLength(4);
  });

  test('from a hundred thousand networks and reasons make a bounded number of rows', async () => {
    for (let number = 0; number < 100_000; number += 1) {
      refuseFrom(
        `2001:db8:${(number >> 8).toString(16)}:${(number & 255).toString(16)}::1`,
        `made up ${number % 50}`,
      );
      if (number % 25_000 === 0) await audit.stop(); // a flush does not reset the limit
    }
    await audit.stop();
    const rows = await counts();
    expect(rows.length).toBeLessThanOrEqual(201);
    expect(rows.reduce((sum, row) => sum + row.count, 0)).toBe(100_000);
    expect(rows.some((row) => row.network === 'other')).toBe(true);
  });

  test('are kept while they cannot be written, and written later', async () => {
    refuseFrom('198.51.100.7');
    await db.raw('alter table audit_refusals rename to away');
    await audit.stop();
    refuseFrom('198.51.100.7');
    await db.raw('alter table away rename to audit_refusals');
    expect(await counts()).toEqual([]);
    await audit.stop();
    expect((await counts()).map(({ count }) => count)).toEqual([2]);
  });

  test('are listed the newest first, in pages, by kind and time', async () => {
    for (let minute = 0; minute < 5; minute += 1) {
      refuseFrom('198.51.100.7');
      audit.refuse('form', 'cross_site');
      time += 60_000;
    }
    await audit.stop();
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const part: Awaited<ReturnType<Audit['listRefusals']>> = await audit.listRefusals(
        {},
        { limit: 3, cursor },
      );
      seen.push(...part.items.map((row) => `${row.minute.toISOString()} ${row.kind}`));
      cursor = part.nextCursor;
    } while (cursor !== null);
    expect(seen).toHaveLength(10);
    expect(seen).toEqual([...seen].sort().reverse());
    const filter = { kind: 'form', from: new Date(noon + 60_000), to: new Date(noon + 180_000) };
    expect((await audit.listRefusals(filter, { limit: 9, cursor: null })).items).toHaveLength(2);
  });

  test('older than thirty days are removed', async () => {
    refuseFrom('198.51.100.7');
    time += 31 * 86_400_000;
    refuseFrom('198.51.100.7');
    await audit.stop();
    for (const job of auditJobs({
      db,
      clock,
      log: silentLog,
      audit,
      settings: { auditDays: 0, refusalDays: 30 },
    })) {
      if (job.name === 'audit-refusals-cleanup') await job.run();
    }
    expect((await counts()).map(({ minute }) => minute)).toEqual([new Date(time)]);
  });
});

test.each([
  ['198.51.100.77', '198.51.100.0/24'],
  ['::ffff:198.51.100.77', '198.51.100.0/24'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['no address', 'unknown'],
  [null, 'unknown'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
