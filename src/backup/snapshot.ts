// A database as a source: every table as it was at one instant, while others go on writing.

import {
  appliedMigrations,
  listSequences,
  listTables,
  type StoredTable,
} from '../platform/database/catalog.ts';
import { type CopyConnection, quoted } from '../platform/database/copy.ts';
import { failure } from '../platform/errors.ts';
import { masterKeysOf } from './master-keys.ts';
import { type CopySource, FORMAT, type Header } from './schema.ts';
import { summing } from './sums.ts';
import { LOCAL } from './tables.ts';

const ATTEMPTS = 5;

/** The transaction stays open until the connection closes. `leaveOut`: tables whose rows do not matter. */
export async function openSnapshot(
  connection: CopyConnection,
  about: { release: string; createdAt: Date; leaveOut: readonly string[] },
): Promise<CopySource> {
  const stored = await lockTables(connection);
  const migrations = await appliedMigrations(connection);
  if (migrations === undefined) throw failure('data_not_found');
  const tables = stored.filter(({ name }) => !LOCAL.includes(name) && !about.leaveOut.includes(name));
  const header: Header = {
    format: FORMAT,
    release: about.release,
    createdAt: about.createdAt.toISOString(),
    postgres: await serverVersion(connection),
    migrations,
    masterKeys: await masterKeysOf(connection),
    tables: tables.map(({ name, columns, partitions }) => ({
      name,
      columns: [...columns],
      partitions: [...partitions],
    })),
    leftOut: about.leaveOut.filter((name) => stored.some((table) => table.name === name)),
  };
  return {
    header,
    async *tables() {
      for (const { name, columns } of tables) {
        const select = `select ${columns.map(quoted).join(', ')} from ${quoted(name)}`;
        yield { name, columns, ...summing(connection.readRows(select)) };
      }
    },
    ending: async () => ({ sequences: await listSequences(connection) }),
  };
}

/**
 * The locks come before the snapshot: a table that is altered, or a month of the ledger that is dropped, between the two
 * would be read in its new shape with its old rows missing. They stop nobody but whoever changes the schema.
 */
async function lockTables(connection: CopyConnection): Promise<StoredTable[]> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const seen = await listTables(connection);
    await connection.query('begin transaction isolation level repeatable read read only');
    if (seen.length > 0) {
      const names = seen.map(({ name }) => quoted(name)).join(', ');
      await connection.query(`lock table ${names} in access share mode`);
    }
    const locked = await listTables(connection);
    if (JSON.stringify(locked) === JSON.stringify(seen)) return locked;
    await connection.query('rollback');
  }
  throw failure('database_in_use', { by: 'a migration' });
}

async function serverVersion(connection: CopyConnection): Promise<string> {
  const [row] = await connection.query<{ version: string }>(
    `select current_setting('server_version') as version`,
  );
  return row?.version ?? 'unknown';
}
