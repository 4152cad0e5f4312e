// Brings the schema up to date; any number of nodes may try at the same time, also with an older release beside a newer.
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Knex } from 'knex';
import { Client } from 'pg';
import type { Log } from '../telemetry/log.ts';
import { checkVersion, createPostgres, type Db } from './postgres.ts';

export interface MigrationStatus {
  applied: string[];
  pending: string[];
  /** Applied to the database but not known to this release: a newer one has been here. */
  unknown: string[];
}

// Any fixed number: advisory locks of one database share one namespace, and this one is ours.
const LOCK_KEY = 4_718_260_001;
const LOCK_POLL_MILLISECONDS = 200;
/** The longest that requests wait behind a migration. */
const TABLE_LOCK_SECONDS = 2;
const LOCK_NOT_AVAILABLE = '55P03';
const LOCK_ATTEMPTS = 100;
const LOCK_PAUSE_MILLISECONDS = 1_000;
const DIRECTORY = new URL('../../../migrations/', import.meta.url);

/** Runs what is pending, or of that `only` these, and returns the names. Waits while another node migrates. */
export async function migrate(settings: {
  url: string;
  log: Log;
  only?: readonly string[];
}): Promise<string[]> {
  const wanted = (name: string) => settings.only?.includes(name) ?? true;
  return withMigrationDatabase(settings.url, async (db) => {
    await checkVersion(db);
    const { pending } = await statusOf(db);
    if (!pending.some(wanted)) return [];
    return withMigrationLock(settings, async () => {
      // Whoever held knex's own lock is gone, for it was taken under ours: it died in the middle.
      await clearStaleLock(db);
      const chosen = { ...migratorSettings, migrationSource: sourceOf(wanted) };
      const latest = () => db.migrate.latest(chosen) as Promise<[number, string[]]>;
      const [, names] = await untilNotLocked(latest, settings.log);
      for (const name of names) settings.log.info('migration applied', { migration: name });
      return names;
    });
  });
}

/**
 * A change of a table waits for whoever uses it, and everybody who comes later waits behind that change: so it gives up
 * after a moment, lets them pass, and tries again. What was applied before it stays applied.
 */
async function untilNotLocked<T>(run: () => Promise<T>, log: Log): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code !== LOCK_NOT_AVAILABLE || attempt === LOCK_ATTEMPTS) throw error;
      if (attempt === 1) log.warn('a migration waits for a table that is in use; it tries again and again');
      await delay(LOCK_PAUSE_MILLISECONDS);
    }
  }
}

export async function migrationStatus(settings: { url: string }): Promise<MigrationStatus> {
  return withMigrationDatabase(settings.url, statusOf);
}

/** Undoes every migration, the newest first. For development and tests only: all data is lost. */
export async function rollBackEverything(settings: { url: string; log: Log }): Promise<void> {
  await withMigrationDatabase(settings.url, (db) =>
    withMigrationLock(settings, async () => {
      await db.migrate.rollback(migratorSettings, true);
    }),
  );
}

async function statusOf(db: Db): Promise<MigrationStatus> {
  const known = await migrationNames();
  const applied = await appliedNames(db);
  return {
    applied,
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)),
  };
}

async function appliedNames(db: Db): Promise<string[]> {
  if (!(await db.schema.hasTable('knex_migrations'))) return [];
  const rows = await db<{ id: number; name: string }>('knex_migrations').select('name').orderBy('id');
  return rows.map((row) => row.name);
}

async function clearStaleLock(db: Db): Promise<void> {
  if (await db.schema.hasTable('knex_migrations_lock'))
    await db.migrate.forceFreeMigrationsLock(migratorSettings);
}

async function withMigrationDatabase<T>(url: string, run: (db: Db) => Promise<T>): Promise<T> {
  const postgres = createPostgres({
    url,
    poolMax: 2,
    statementTimeoutSeconds: 0,
    lockTimeoutSeconds: TABLE_LOCK_SECONDS,
    applicationName: 'gatehouse migrate',
  });
  try {
    return await run(postgres.db);
  } finally {
    await postgres.close();
  }
}

/** Names carry no extension, so that a compiled release recognises what was applied from source. */
const sourceOf = (wanted: (name: string) => boolean): Knex.MigrationSource<string> => ({
  getMigrations: async () => (await migrationNames()).filter(wanted),
  getMigrationName: (name) => name,
  getMigration: async (name) => {
    const files = await migrationFiles();
    const file = files.find((candidate) => withoutExtension(candidate) === name);
    if (file === undefined) throw new Error(`The migration ${name} is missing in ${DIRECTORY.pathname}.`);
    return import(new URL(file, DIRECTORY).href);
  },
});

const migratorSettings: Knex.MigratorConfig = {
  migrationSource: sourceOf(() => true),
  // The previous release must start on the schema of the next one, whose migrations it does not have.
  disableMigrationsListValidation: true,
};

/** Those of this release, in their order. */
export async function migrationNames(): Promise<string[]> {
  const files = await migrationFiles();
  return files.map(withoutExtension).sort();
}

async function migrationFiles(): Promise<string[]> {
  const files = await readdir(DIRECTORY);
  return files.filter((file) => /^\d{14}_\w+\.(ts|js)$/.test(file));
}

function withoutExtension(file: string): string {
  return file.replace(/\.(ts|js)$/, '');
}

async function withMigrationLock<T>(settings: { url: string; log: Log }, run: () => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: settings.url,
    application_name: 'gatehouse migrate lock',
    keepAlive: true,
  });
  // Losing this connection loses the lock; the migration under way still ends or fails on its own connection.
  client.on('error', (error) => settings.log.warn('migration lock lost', { error }));
  await client.connect();
  try {
    await waitForLock(client, settings.log);
    return await run();
  } finally {
    await client.end();
  }
}

/**
 * Polls instead of waiting inside pg_advisory_lock: a waiting statement holds a snapshot, `create index concurrently`
 * of the lock's holder waits for that snapshot to end, and the two would wait for each other for ever.
 */
async function waitForLock(client: Client, log: Log): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
      LOCK_KEY,
    ]);
    if (rows[0]?.locked === true) return;
    if (attempt === 0) log.info('waiting for another node that migrates the database');
    await delay(LOCK_POLL_MILLISECONDS);
  }
}
