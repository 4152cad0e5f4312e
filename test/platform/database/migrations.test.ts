// Migrations: several nodes at once, a node that died in the middle, the way down and up, and a readable schema.
import { readdir, readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { describeSchema, schemaFile } from '../../../scripts/schema-sql.ts';
import { migrate, migrationStatus, rollBackEverything } from '../../../src/platform/database/migrations.ts';
import { silentLog } from '../../../src/platform/telemetry/log.ts';
import { useDatabase } from '../../support/database.ts';

const log = silentLog;
const together = useDatabase('empty');
const died = useDatabase('empty');
const around = useDatabase('empty');
const migrated = useDatabase();
const waiting = useDatabase('empty');

test('runs each migration once when two nodes start together', async () => {
  const url = together.databaseUrl();
  const [first, second] = await Promise.all([migrate({ url, log }), migrate({ url, log })]);
  expect([...first, ...second].sort()).toEqual(await names());
  expect(Math.min(first.length, second.length)).toBe(0);
});

test('goes on after a node died while it held the lock of the migrations', async () => {
  const url = died.databaseUrl();
  await migrate({ url, log });
  await died
    .db('knex_migrations')
    .where({ name: (await names()).at(-1) })
    .delete();
  await died.db('knex_migrations_lock').update({ is_locked: 1 });
  // The last migration is applied already, so it fails in its own words and not on the lock.
  await expect(migrate({ url, log })).rejects.toThrow(/already exists/);
});

test('goes up, down to nothing, and up again to the same schema', async () => {
  const url = around.databaseUrl();
  await migrate({ url, log });
  const before = await describeSchema(around.db);
  await rollBackEverything({ url, log });
  expect(await describeSchema(around.db)).not.toContain('create');
  await migrate({ url, log });
  expect(await describeSchema(around.db)).toBe(before);
});

test('has a fresh migrations/schema.sql', async () => {
  const written = await readFile(schemaFile, 'utf8');
  expect(await describeSchema(migrated.db), 'run `node scripts/schema-sql.ts`').toBe(written);
});

test('has nothing to do on a migrated database', async () => {
  expect(await migrate({ url: migrated.databaseUrl(), log })).toEqual([]);
  const status = await migrationStatus({ url: migrated.databaseUrl() });
  expect(status).toEqual({ applied: await names(), pending: [], unknown: [] });
});

test('starts on the schema of a newer release and names what it does not know', async () => {
  const newer = '29990101000000_from_the_future';
  await migrated.db('knex_migrations').insert({ name: newer, batch: 99, migration_time: new Date() });
  try {
    expect(await migrate({ url: migrated.databaseUrl(), log })).toEqual([]);
    expect((await migrationStatus({ url: migrated.databaseUrl() })).unknown).toEqual([newer]);
  } finally {
    await migrated.db('knex_migrations').where({ name: newer }).delete();
  }
});

test('keeps names without extension, so that compiled and source runs agree', async () => {
  const { applied } = await migrationStatus({ url: migrated.databaseUrl() });
  expect(applied.every((name) => /^\d{14}_\w+$/.test(name))).toBe(true);
});

test('waits for the node that migrates without blocking its concurrent index build', async () => {
  const url = waiting.databaseUrl();
  const holder = new Client({ connectionString: url });
  await holder.connect();
  await holder.query('create table crowd (id int)');
  await holder.query('select pg_advisory_lock(4718260001)');
  let done = false;
  const waiter = migrate({ url, log }).then(() => {
    done = true;
  });
  await expect.poll(lockPolls).toBeGreaterThan(0);
  // It would wait for ever for the snapshot of a statement that waits for the lock.
  await holder.query('create index concurrently crowd_id on crowd (id)');
  expect(done).toBe(false);
  await holder.end();
  await waiter;
  expect(done).toBe(true);
});

test('says so when the database is not there', async () => {
  await expect(migrate({ url: 'postgresql://nobody@127.0.0.1:1/none', log })).rejects.toThrow('ECONNREFUSED');
});

async function names(): Promise<string[]> {
  const files = await readdir(new URL('../../../migrations/', import.meta.url));
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -3))
    .sort();
}

async function lockPolls(): Promise<number> {
  const { rows } = await waiting.db.raw(
    `select count(*)::int as n from pg_stat_activity
      where application_name = 'gatehouse migrate lock' and datname = current_database()`,
  );
  return rows[0].n;
}
