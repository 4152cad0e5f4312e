// Every table that grows has a rule: compared with the real schema, the real jobs and the real indexes.
import { expect, it } from 'vitest';
import { retention } from '../../src/jobs/retention.ts';
import { useGatehouse } from '../support/gatehouse.ts';

const gatehouse = useGatehouse();

/** The months of the ledger come and go; the rule of the ledger is theirs. */
const MONTH = /^audit_events_\d{4}_\d{2}$/;

async function names(sql: string): Promise<string[]> {
  const { rows } = await gatehouse.database.db.raw<{ rows: { name: string }[] }>(sql);
  return rows.map(({ name }) => name);
}

it('has a rule for every table of the schema, and for no other', async () => {
  const tables = await names(
    `select table_name as name from information_schema.tables
     where table_schema = 'public' and table_type = 'BASE TABLE'`,
  );

  expect(Object.keys(retention).sort()).toEqual(tables.filter((name) => !MONTH.test(name)).sort());
});

it('names jobs that run', () => {
  const jobs = gatehouse.services.jobs.map(({ name }) => name);

  for (const rule of Object.values(retention)) if ('job' in rule) expect(jobs).toContain(rule.job);
});

it('finds what is to be removed by an index that begins with the column of the rule', async () => {
  const indexed = await names(
    `select i.indrelid::regclass::text || '.' || a.attname as name
     from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
     where i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = '(' || a.attname || ' IS NOT NULL)'`,
  );

  for (const [table, rule] of Object.entries(retention)) {
    if ('job' in rule) expect(indexed).toContain(`${table}.${rule.by}`);
  }
});
