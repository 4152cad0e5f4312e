// Copies of everything: a backup to a file while the server runs, its check, its return, and the move to another database.
import type { Readable, Writable } from 'node:stream';
import { type Actor, createAudit, type NewEvent } from '../audit/audit.ts';
import type { Clock } from '../platform/clock.ts';
import type { Config } from '../platform/config/schema.ts';
import { type CopyConnection, openCopyConnection } from '../platform/database/copy.ts';
import { migrate, migrationNames } from '../platform/database/migrations.ts';
import { finishMove, forgetMove, noteMove, readMove } from '../platform/database/moved.ts';
import { checkVersion, createPostgres, type Postgres } from '../platform/database/postgres.ts';
import { openEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { failure } from '../platform/errors.ts';
import { openVault } from '../platform/secrets/open-vault.ts';
import { loadServerSecrets } from '../platform/secrets/server-secrets.ts';
import { silentLog } from '../platform/telemetry/log.ts';
import { readBackup, writeBackup } from './file.ts';
import { requireMasterKeys } from './master-keys.ts';
import { checkPlace, refuseInUse } from './place.ts';
import type { CopiedTable, CopySource, Header, OnTable } from './schema.ts';
import { openSnapshot } from './snapshot.ts';
import { type Filled, fillDatabase } from './staging.ts';
import { PASSING, SIGNED_IN } from './tables.ts';

export type { CopiedTable, Header, OnTable } from './schema.ts';

export interface Backup {
  /** One instant of everything that lasts, while servers go on. The target is ended; the ledger knows before it is. */
  create(target: Writable, input: NewBackup, by: Actor): Promise<BackupView>;
  /** Reads it through. Throws backup_broken, backup_passphrase_wrong or backup_newer. */
  verify(bytes: Readable, input: Reading): Promise<BackupView>;
  /** All or nothing, into a database that is empty unless `replace` is given. Undefined when `confirm` says no. */
  restore(bytes: Readable, input: Restoring, by: Actor): Promise<RestoreView | undefined>;
  /** From the database of this machine to the one at `to`, which is empty; then leaves a note that it is not here any more. */
  move(input: { to: string; onTable: OnTable }, by: Actor): Promise<MoveView>;
  /** Takes the note back. False when there is none. */
  undoMove(by: Actor): Promise<boolean>;
}

export interface NewBackup {
  readonly passphrase: string | undefined;
  readonly onTable: OnTable;
}

export interface Reading {
  /** Asked for only when the backup is encrypted. */
  readonly passphrase: () => Promise<string>;
  /** Takes no backup that is not: whoever could swap the file for one of their own could do that without the passphrase. */
  readonly mustBeEncrypted?: boolean;
  readonly onTable: OnTable;
}

export interface Restoring extends Reading {
  readonly replace: boolean;
  /** Keeps people signed in and refresh tokens alive, also those that were revoked after the backup. */
  readonly keepSessions: boolean;
  readonly confirm: (header: Header) => Promise<boolean>;
}

export interface BackupView {
  readonly header: Header;
  readonly encrypted: boolean;
  readonly tables: CopiedTable[];
}

export interface RestoreView extends Filled {
  readonly header: Header;
}

export interface MoveView extends Filled {
  /** Host and database, without user and password. */
  readonly movedTo: string;
}

interface Deps {
  readonly release: string;
  readonly database: Config['database'];
  readonly secrets: Config['secrets'];
  readonly clock: Clock;
}

const APPLICATION = 'gatehouse backup';

export function createBackup(deps: Deps): Backup {
  const { clock, release } = deps;

  /** Opens every one of them, so a key that only looks right is found out before anything is replaced. */
  const openSecrets = async ({ db }: Postgres) => {
    await loadServerSecrets(db, await openVault(db, deps.secrets));
  };

  async function restore(bytes: Readable, input: Restoring, by: Actor): Promise<RestoreView | undefined> {
    const source = await readBackup(bytes, input);
    const { header } = source;
    await refuseNewer(header);
    requireMasterKeys(deps.secrets, header.masterKeys);
    return withDatabase(deps.database, 'serve', async (url) => {
      await withConnection(url, (connection) => checkPlace(connection, input.replace));
      if (!(await input.confirm(header))) return undefined;
      const finish = async (staged: Postgres) => {
        await openSecrets(staged);
        if (!input.keepSessions) await endSignIns(staged, clock.now());
        await record(staged, clock, {
          type: 'backup.restored',
          actor: by,
          outcome: 'success',
          details: { createdAt: header.createdAt, release: header.release, sessionsKept: input.keepSessions },
        });
      };
      const { replace, onTable } = input;
      return { header, ...(await fillDatabase({ url, source, replace, onTable, finish })) };
    });
  }

  async function move(input: { to: string; onTable: OnTable }, by: Actor): Promise<MoveView> {
    const movedTo = placeOf(input.to);
    return withDatabase(deps.database, 'serve', async (url) => {
      await migrate({ url, log: silentLog });
      return withPostgres(url, async (postgres) => {
        const before = await readMove(postgres.db);
        if (before?.finishedAt) throw failure('data_moved', { to: before.movedTo });
        await withConnection(url, refuseInUse);
        await withConnection(input.to, (connection) => checkPlace(connection, false));
        // Before the copy: what a server writes here from now on would be lost.
        await noteMove(postgres.db, movedTo, clock.now());
        try {
          const filled = await copyAcross(url, input, { movedTo, by });
          await finishMove(postgres.db, clock.now());
          return { movedTo, ...filled };
        } catch (error) {
          await forgetMove(postgres.db);
          throw error;
        }
      });
    });
  }

  async function copyAcross(
    url: string,
    { to, onTable }: { to: string; onTable: OnTable },
    { movedTo, by }: { movedTo: string; by: Actor },
  ): Promise<Filled> {
    return withConnection(url, async (connection) => {
      await refuseInUse(connection);
      const source = await openSnapshot(connection, { release, createdAt: clock.now(), leaveOut: [] });
      requireMasterKeys(deps.secrets, source.header.masterKeys);
      const finish = async (staged: Postgres) => {
        await openSecrets(staged);
        await record(staged, clock, {
          type: 'data.moved',
          actor: by,
          outcome: 'success',
          details: { to: movedTo },
        });
      };
      return fillDatabase({ url: to, source, replace: false, onTable, finish });
    });
  }

  return {
    create: (target, input, by) =>
      withDatabase(deps.database, 'command', async (url) => {
        const tables: CopiedTable[] = [];
        const header = await withConnection(url, async (connection) => {
          const about = { release, createdAt: clock.now(), leaveOut: PASSING };
          const source = await openSnapshot(connection, about);
          const recorded = endedBy(source, () => recordBackup(url, clock, by));
          await writeBackup(recorded, target, { ...input, onTable: telling(tables, input.onTable) });
          return source.header;
        });
        return { header, encrypted: input.passphrase !== undefined, tables };
      }),

    async verify(bytes, input) {
      const source = await readBackup(bytes, input);
      const tables: CopiedTable[] = [];
      const tell = telling(tables, input.onTable);
      for await (const table of source.tables()) {
        for await (const _ of table.rows);
        tell({ name: table.name, ...table.sum() });
      }
      await source.ending();
      return { header: source.header, encrypted: source.encrypted, tables };
    },

    restore,
    move,

    undoMove: (by) =>
      withDatabase(deps.database, 'serve', (url) =>
        withPostgres(url, async (postgres) => {
          await migrate({ url, log: silentLog });
          const noted = await readMove(postgres.db);
          if (noted === undefined) return false;
          await postgres.transaction(async (trx) => {
            await forgetMove(trx);
          });
          await record(postgres, clock, {
            type: 'data.move-undone',
            actor: by,
            outcome: 'success',
            details: { to: noted.movedTo },
          });
          return true;
        }),
      ),
  };
}

async function refuseNewer(header: Header): Promise<void> {
  const known = await migrationNames();
  const newer = header.migrations.filter((name) => !known.includes(name));
  if (newer.length > 0) throw failure('backup_newer', { release: header.release, migration: newer.at(-1) });
}

/** The backup may hold what was revoked or changed after it was made; nobody stays signed in by it. */
async function endSignIns({ db }: Postgres, at: Date): Promise<void> {
  await db.raw(`truncate ${SIGNED_IN.join(', ')} cascade`);
  // Tokens that are verified by their signature have no row: those of before count no more.
  await db('cutoffs')
    .insert({ kind: 'everyone', subject: '', not_before: at })
    .onConflict(['kind', 'subject'])
    .merge();
}

function telling(tables: CopiedTable[], onTable: OnTable): OnTable {
  return (table) => {
    tables.push(table);
    onTable(table);
  };
}

/** The same source, whose last word is given only when `before` is done. */
function endedBy(source: CopySource, before: () => Promise<void>): CopySource {
  return {
    ...source,
    async ending() {
      await before();
      return source.ending();
    },
  };
}

/** Whoever holds a backup holds everybody's addresses, so the ledger knows of each. */
function recordBackup(url: string, clock: Clock, by: Actor): Promise<void> {
  const event: NewEvent = { type: 'backup.created', actor: by, outcome: 'success' };
  return withPostgres(url, (postgres) => record(postgres, clock, event));
}

async function record(postgres: Postgres, clock: Clock, event: NewEvent): Promise<void> {
  const audit = createAudit({ postgres, log: silentLog, clock });
  await postgres.transaction((trx) => audit.record(trx, event));
  await audit.stop();
}

/** `serve` claims the embedded data: no server runs beside, or starts meanwhile. */
async function withDatabase<T>(
  database: Config['database'],
  role: 'serve' | 'command',
  run: (url: string) => Promise<T>,
): Promise<T> {
  if (database.url !== undefined) return run(database.url);
  const { dataDirectory } = database;
  const embedded = await openEmbeddedPostgres({ dataDirectory, role, log: silentLog });
  try {
    return await run(embedded.url);
  } finally {
    await embedded.release();
  }
}

async function withConnection<T>(url: string, run: (connection: CopyConnection) => Promise<T>): Promise<T> {
  const connection = await openCopyConnection({ url, applicationName: APPLICATION });
  try {
    return await run(connection);
  } finally {
    await connection.close();
  }
}

async function withPostgres<T>(url: string, run: (postgres: Postgres) => Promise<T>): Promise<T> {
  const postgres = createPostgres({
    url,
    poolMax: 2,
    statementTimeoutSeconds: 0,
    applicationName: APPLICATION,
  });
  try {
    await checkVersion(postgres.db);
    return await run(postgres);
  } finally {
    await postgres.close();
  }
}

function placeOf(url: string): string {
  const { host, pathname, searchParams } = new URL(url);
  return `${searchParams.get('host') ?? host}${pathname}`;
}
