// Usage: counted in memory by hour, written together, kept while the database is away, reported by page and as CSV.
import { describe, expect, it } from 'vitest';
import { type Log, silentLog } from '../../src/platform/telemetry/log.ts';
import { type CountedRow, createCounting } from '../../src/usage/counting.ts';
import { csvOf } from '../../src/usage/csv.ts';
import type { UsageFilter } from '../../src/usage/schema.ts';
import { createUsage } from '../../src/usage/usage.ts';
import { useDatabase } from '../support/database.ts';

const { db } = useDatabase();
const clock = { at: new Date('2026-05-10T10:59:58Z'), now: () => clock.at };
const usage = createUsage({ db, clock, log: silentLog, settings: { usageDays: 30 } });
const page = { limit: 100, cursor: null };

const reported = async (filter: UsageFilter) =>
  (await usage.report(filter, page)).items.map((row) => [
    row.period.toISOString().slice(0, 16),
    row.subjectKind,
    row.subjectId,
    row.kind,
    row.meter,
    row.amount,
  ]);

describe('counting', () => {
  it('is by hour, key, client, token and account, and by what was used', async () => {
    clock.at = new Date('2026-05-10T10:59:58Z');
    const used = { apiKeyId: 'key_1', clientId: 'key_1', accountId: 'acc_1', organizationId: 'org_1' };
    usage.count(used, 'verify', { requests: 1n, tokens: 40n });
    usage.count(used, 'verify', { tokens: 2n });
    usage.count(used, 'token');
    clock.at = new Date('2026-05-10T11:00:01Z');
    usage.count(used, 'verify');
    usage.count({ clientId: 'app', tokenId: 'jti_1' }, 'verify');
    await usage.flush();

    expect(await reported({ subjectIds: ['key_1'] })).toEqual([
      ['2026-05-10T11:00', 'api-key', 'key_1', 'verify', 'requests', 1n],
      ['2026-05-10T10:00', 'api-key', 'key_1', 'token', 'requests', 1n],
      ['2026-05-10T10:00', 'api-key', 'key_1', 'verify', 'requests', 2n],
      ['2026-05-10T10:00', 'api-key', 'key_1', 'verify', 'tokens', 42n],
    ]);
    expect(await reported({ subjectKind: 'token' })).toEqual([
      ['2026-05-10T11:00', 'token', 'jti_1', 'verify', 'requests', 1n],
    ]);
    expect(
      await reported({ subjectKind: 'account', groupBy: 'day', meter: 'requests', kind: 'verify' }),
    ).toEqual([['2026-05-10T00:00', 'account', 'acc_1', 'verify', 'requests', 3n]]);
  });

  it('of a reservation adds what was used, and no request', async () => {
    usage.count({ apiKeyId: 'key_2' }, 'verify', {});
    usage.add({ apiKeyId: 'key_2' }, 'verify', { requests: 1n, money: 7n });
    await usage.flush();
    const rows = await usage.report({ subjectIds: ['key_2'] }, page);
    expect(rows.items.map(({ meter, amount }) => [meter, amount])).toEqual([
      ['money', 7n],
      ['requests', 1n],
    ]);
  });

  it('adds up what several nodes count', async () => {
    const nodes = [1, 2, 3].map(() =>
      createUsage({ db, clock, log: silentLog, settings: { usageDays: 30 } }),
    );
    for (const node of nodes)
      for (let turn = 0; turn < 100; turn += 1) node.count({ apiKeyId: `key_many${turn % 10}` }, 'verify');
    await Promise.all(nodes.map((node) => node.stop()));
    const { items } = await usage.report({ subjectKind: 'api-key', subjectIds: ['key_many3'] }, page);
    expect(items).toMatchObject([{ amount: 30n }]);
  });

  it('of one key in several organizations is kept apart', async () => {
    for (const organizationId of ['org_a', 'org_b', 'org_a', null])
      usage.count({ clientId: 'shared', organizationId }, 'verify');
    await usage.flush();
    const { items } = await usage.report({ subjectIds: ['shared'] }, page);
    expect(items.map(({ organizationId, amount }) => [organizationId, amount])).toEqual([
      [null, 1n],
      ['org_a', 2n],
      ['org_b', 1n],
    ]);
    expect((await usage.report({ organizationId: 'org_b' }, page)).items).toHaveLength(1);
  });
});

describe('what cannot be written', () => {
  const broken = () => {
    const state = { away: true, rows: [] as CountedRow[], warnings: [] as string[] };
    const log: Log = { ...silentLog, warn: (sentence) => state.warnings.push(sentence) };
    const write = async (rows: readonly CountedRow[]) => {
      if (state.away) throw new Error('away');
      state.rows.push(...rows);
    };
    return {
      state,
      counting: createCounting({ clock, log, write, subjectsAtOnce: 1_000, subjectsKept: 20 }),
    };
  };

  it('is kept until the database is back, and counted once', async () => {
    const { state, counting } = broken();
    counting.count({ apiKeyId: 'key_1' }, 'verify');
    await counting.flush();
    counting.count({ apiKeyId: 'key_1' }, 'verify');
    await counting.flush();
    state.away = false;
    await counting.flush();
    await counting.flush();
    expect(state.rows.map(({ amount }) => amount)).toEqual(['1', '1']);
  });

  it('is bounded: beyond it nothing is kept, and the log says how much was lost', async () => {
    const { state, counting } = broken();
    for (let turn = 0; turn < 50; turn += 1) counting.count({ apiKeyId: `key_${turn}` }, 'verify');
    expect(counting.waiting()).toBe(20);
    await counting.flush();
    state.away = false;
    await counting.flush();
    expect(state.rows).toHaveLength(20);
    expect(state.warnings).toContain('usage was not counted, the database was away too long');
  });
});

describe('many subjects', () => {
  it('are written before their time', async () => {
    const written: number[] = [];
    const write = async (rows: readonly CountedRow[]) => void written.push(rows.length);
    const counting = createCounting({ clock, log: silentLog, write, subjectsAtOnce: 100 });
    for (let turn = 0; turn < 250; turn += 1) {
      counting.count({ apiKeyId: `key_${turn}` }, 'verify');
      if (turn % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(written).toEqual([100, 100]);
  });

  it('cost a look into a map each: a million counts in a second, and memory by the subject', () => {
    const counting = createCounting({ clock, log: silentLog, write: async () => {} });
    const ids = Array.from({ length: 10_000 }, (_, index) => `key_${index}`);
    const begun = performance.now();
    for (let turn = 0; turn < 1_000_000; turn += 1) {
      counting.count({ apiKeyId: ids[turn % ids.length] ?? '', organizationId: 'org_1' }, 'verify');
    }
    // Less than a microsecond and some 100 bytes for a subject on the machine that it was written on; the bound is for slower ones.
    expect(performance.now() - begun).toBeLessThan(3_000);
    expect(counting.waiting()).toBe(10_000);
  });
});

describe('a report', () => {
  it('is paged without gap or repetition, by hour and by day', async () => {
    for (const hour of [0, 5, 23, 24, 30]) {
      clock.at = new Date(Date.parse('2026-03-01T00:10:00Z') + hour * 3_600_000);
      for (let key = 0; key < 4; key += 1)
        usage.count({ apiKeyId: `key_p${key}`, organizationId: 'org_p' }, 'verify', { tokens: 2n });
      await usage.flush();
    }
    for (const groupBy of ['hour', 'day'] as const) {
      const filter: UsageFilter = { organizationId: 'org_p', groupBy };
      const all = (await usage.report(filter, { limit: 1000, cursor: null })).items;
      expect(all).toHaveLength(groupBy === 'hour' ? 40 : 16);
      const paged = [];
      let cursor: string | null = null;
      do {
        const part: Awaited<ReturnType<typeof usage.report>> = await usage.report(filter, {
          limit: 3,
          cursor,
        });
        paged.push(...part.items);
        cursor = part.nextCursor;
      } while (cursor !== null);
      expect(paged).toEqual(all);
    }
    const from = new Date('2026-03-02T00:30:00Z');
    expect((await usage.report({ organizationId: 'org_p', from }, page)).items).toHaveLength(16);
    const to = new Date('2026-03-01T05:00:00Z');
    expect((await usage.report({ organizationId: 'org_p', to }, page)).items).toHaveLength(8);
  });

  it('as CSV is a line for each row, quoted where it must be, and no formula', async () => {
    async function* rows() {
      const row = {
        period: new Date(0),
        subjectKind: 'client',
        organizationId: null,
        kind: 'verify',
      } as const;
      yield { ...row, subjectId: 'plain', meter: 'requests', amount: 1n };
      yield { ...row, subjectId: '=cmd("x"),1', meter: 'requests', amount: 2n };
    }
    const lines = [];
    for await (const line of csvOf(rows())) lines.push(line);
    expect(lines).toEqual([
      'period,subject_kind,subject_id,organization_id,kind,meter,amount\r\n',
      '1970-01-01T00:00:00.000Z,client,plain,,verify,requests,1\r\n',
      `1970-01-01T00:00:00.000Z,client,"'=cmd(""x""),1",,verify,requests,2\r\n`,
    ]);
  });

  it('goes back as far as its retention', async () => {
    clock.at = new Date('2026-04-05T00:00:00Z');
    await usage.jobs()[0]?.run();
    const { items } = await usage.report({ organizationId: 'org_p' }, { limit: 1000, cursor: null });
    expect(new Set(items.map(({ period }) => period.toISOString()))).toEqual(new Set());
    expect((await usage.report({ subjectIds: ['key_1'] }, page)).items.length).toBeGreaterThan(0);
  });
});
