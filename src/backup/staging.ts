// Fills a database from a source beside whatever it holds: in a schema of its own, which takes the place of the old tables in
// one transaction when everything is there and verified. What ends before that has changed nothing.
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { listTables } from '../platform/database/catalog.ts';
import { type CopyConnection, inSchema, openCopyConnection, quoted } from '../platform/database/copy.ts';
import { migrate } from '../platform/database/migrations.ts';
import { createPostgres, type Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { silentLog } from '../platform/telemetry/log.ts';
import { putInPlace } from './place.ts';
import type { CopiedTable, CopySource, OnTable } from './schema.ts';
import { createSum, sameSum, type TableSum } from './sums.ts';

export const STAGING = 'gatehouse_restore';
const APPLICATION = 'gatehouse restore';
// Beside the key of the migrations in the one namespace of advisory locks that a database has.
const CLAIM_KEY = 4_718_260_007;
const CLAIM_ATTEMPTS = 50;
const CLAIM_PAUSE_MILLISECONDS = 100;

export interface Filling {
  readonly url: string;
  readonly source: CopySource;
  readonly replace: boolean;
  readonly onTable: OnTable;
  /** On the staged data, at the schema of this release, before anybody else sees it. */
  readonly finish: (staged: Postgres) => Promise<void>;
}

export interface Filled {
  readonly tables: CopiedTable[];
  /** In the source, but made by none of our migrations: not copied. */
  readonly foreign: string[];
}

export async function fillDatabase(filling: Filling): Promise<Filled> {
  const { url } = filling;
  const outside = await openCopyConnection({ url, applicationName: APPLICATION });
  try {
    await claim(outside);
    return await fill(outside, filling);
  } finally {
    await outside.close();
  }
}

async function fill(outside: CopyConnection, filling: Filling): Promise<Filled> {
  const clear = () => outside.query(`drop schema if exists ${STAGING} cascade`);
  try {
    // Of one that was interrupted.
    await clear();
    await outside.query(`create schema ${STAGING}`);
    const filled = await stage(filling);
    await putInPlace(outside, { staging: STAGING, replace: filling.replace });
    return filled;
  } catch (error) {
    await outside.query('rollback').catch(() => {});
    await clear().catch(() => {});
    throw error;
  }
}

/** Two at a time would take the staging schema from each other. The claim ends with the connection, also of a killed one. */
async function claim(outside: CopyConnection): Promise<void> {
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt += 1) {
    const [row] = await outside.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
      CLAIM_KEY,
    ]);
    if (row?.locked === true) return;
    await delay(CLAIM_PAUSE_MILLISECONDS);
  }
  throw failure('database_in_use', { by: 'another restore or move' });
}

async function stage(filling: Filling): Promise<Filled> {
  const { source } = filling;
  const url = inSchema(filling.url, STAGING);
  await migrate({ url, log: silentLog, only: source.header.migrations });
  const inside = await openCopyConnection({ url, applicationName: APPLICATION });
  let filled: Filled;
  try {
    filled = await copyTables(inside, source, filling.onTable);
    const { sequences } = await source.ending();
    for (const { name, last, called } of sequences) {
      await inside.query('select setval(to_regclass($1), $2, $3)', [name, last, called]);
    }
    for (const { name } of filled.tables) await inside.query(`analyze ${quoted(name)}`);
  } finally {
    await inside.close();
  }
  await migrate({ url, log: silentLog });
  await withPostgres(url, filling.finish);
  return filled;
}

async function copyTables(inside: CopyConnection, source: CopySource, onTable: OnTable): Promise<Filled> {
  const present = new Set((await listTables(inside)).map(({ name }) => name));
  const ours = source.header.tables.filter(({ name }) => present.has(name));
  await makePartitions(inside, ours);
  // What migrations put into new tables comes with the copy. The schema is new: tables that are left out but refer to
  // others hold nothing either.
  const names = ours.map(({ name }) => quoted(name)).join(', ');
  if (ours.length > 0) await inside.query(`truncate ${names} cascade`);
  const tables: CopiedTable[] = [];
  const foreign: string[] = [];
  for await (const table of source.tables()) {
    if (!present.has(table.name)) {
      for await (const _ of table.rows);
      foreign.push(table.name);
      continue;
    }
    await pipeline(table.rows, inside.writeRows(table.name, table.columns));
    const sum = table.sum();
    await verify(inside, table, sum);
    tables.push({ name: table.name, ...sum });
    onTable({ name: table.name, ...sum });
  }
  return { tables, foreign };
}

/** Reads back what PostgreSQL has now: the proof that not a byte of it differs. */
async function verify(
  inside: CopyConnection,
  table: { name: string; columns: readonly string[] },
  expected: TableSum,
): Promise<void> {
  const found = createSum();
  const columns = table.columns.map(quoted).join(', ');
  for await (const rows of inside.readRows(`select ${columns} from ${quoted(table.name)}`)) found.add(rows);
  if (!sameSum(found.end(), expected)) throw failure('copy_differs', { table: table.name });
}

/** Months that the migrations of today do not make; names and bounds were checked when the header was read. */
async function makePartitions(inside: CopyConnection, tables: CopySource['header']['tables']): Promise<void> {
  for (const table of tables) {
    for (const { name, bound } of table.partitions) {
      await inside.query(
        `create table if not exists ${quoted(name)} partition of ${quoted(table.name)} ${bound}`,
      );
    }
  }
}

async function withPostgres(url: string, run: (postgres: Postgres) => Promise<void>): Promise<void> {
  const postgres = createPostgres({
    url,
    poolMax: 2,
    statementTimeoutSeconds: 0,
    applicationName: APPLICATION,
  });
  try {
    await run(postgres);
  } finally {
    await postgres.close();
  }
}
