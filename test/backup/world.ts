// Backups in tests: the feature on a database of a test, files in a folder, and what a database holds.
import { createReadStream, createWriteStream } from 'node:fs';
import { createBackup, type Restoring } from '../../src/backup/backup.ts';
import { createSum, type TableSum } from '../../src/backup/sums.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { listTables } from '../../src/platform/database/catalog.ts';
import { openCopyConnection, quoted } from '../../src/platform/database/copy.ts';
import { testConfig } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';

export const masterKey = Buffer.alloc(32, 7).toString('base64');
export const quiet = () => {};

/** The feature as the command line has it, with this environment. */
export function backupOn(environment: Record<string, string>) {
  const { database, secrets } = testConfig({ MASTER_KEY: masterKey, ...environment });
  const backup = createBackup({ release: '9.9.9', database, secrets, clock: systemClock });
  return {
    ...backup,
    write: (path: string, passphrase?: string) =>
      backup.create(createWriteStream(path), { passphrase, onTable: quiet }, operator),
    check: (path: string, passphrase = 'none') =>
      backup.verify(createReadStream(path), { passphrase: async () => passphrase, onTable: quiet }),
    bringBack: (path: string, more: Partial<Restoring> = {}) =>
      backup.restore(
        createReadStream(path),
        {
          replace: false,
          keepSessions: false,
          passphrase: async () => 'none',
          confirm: async () => true,
          onTable: quiet,
          ...more,
        },
        operator,
      ),
  };
}

/** Every table of the database with its count and hash. */
export async function sumsOf(url: string): Promise<Record<string, TableSum>> {
  const connection = await openCopyConnection({ url, applicationName: 'gatehouse test' });
  try {
    const sums: Record<string, TableSum> = {};
    for (const { name, columns } of await listTables(connection)) {
      const sum = createSum();
      const select = `select ${columns.map(quoted).join(', ')} from ${quoted(name)}`;
      for await (const rows of connection.readRows(select)) sum.add(rows);
      sums[name] = sum.end();
    }
    return sums;
  } finally {
    await connection.close();
  }
}

export function byName(tables: readonly ({ name: string } & TableSum)[]): Record<string, TableSum> {
  return Object.fromEntries(tables.map(({ name, rows, sha256 }) => [name, { rows, sha256 }]));
}

/** What the database holds at all, beside system tables. */
export async function relationsOf(url: string): Promise<string[]> {
  const connection = await openCopyConnection({ url, applicationName: 'gatehouse test' });
  try {
    const rows = await connection.query<{ name: string }>(
      `select relnamespace::regnamespace || '.' || relname as name from pg_class
        where relkind in ('r', 'p', 'S', 'v') and relnamespace::regnamespace::text in ('public', 'gatehouse_restore')`,
    );
    return rows.map(({ name }) => name).sort();
  } finally {
    await connection.close();
  }
}
