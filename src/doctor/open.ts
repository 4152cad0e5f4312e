// Opens what the doctor examines, part by part: a database or Redis that is away is a finding and not the end.
import type { Config } from '../platform/config/schema.ts';
import { migrationStatus } from '../platform/database/migrations.ts';
import { createPostgres, type Db } from '../platform/database/postgres.ts';
import { hasEmbeddedPostgres, openEmbeddedPostgres } from '../platform/embedded-postgres.ts';
import { isProblem, measured, type Problem } from '../platform/inspect/problem.ts';
import { createRedis, type Redis } from '../platform/redis/redis.ts';
import { openVaultToRead } from '../platform/secrets/open-vault.ts';
import { readServerSecrets } from '../platform/secrets/server-secrets.ts';
import { silentLog } from '../platform/telemetry/log.ts';
import type { Opened } from './gather.ts';

const STATEMENT_TIMEOUT_SECONDS = 5;

export interface OpenedParts {
  readonly parts: Opened;
  close(): Promise<void>;
}

export async function openParts(config: Config): Promise<OpenedParts> {
  const database = await measured(() => openDatabase(config));
  const redis = openRedis(config);
  const close = async () => {
    if (redis !== null) await redis.close();
    if (!isProblem(database)) await database.close();
  };
  if (isProblem(database)) {
    return { parts: { db: database, redis, probeKey: database, pendingMigrations: database }, close };
  }
  const { db, url } = database;
  const pendingMigrations = await measured(async () => (await migrationStatus({ url })).pending);
  const probeKey = await readProbeKey(db, config, pendingMigrations);
  return { parts: { db, redis, probeKey, pendingMigrations }, close };
}

async function openDatabase({ database: { url, dataDirectory } }: Config) {
  if (url === undefined && !(await hasEmbeddedPostgres(dataDirectory))) {
    throw new Error(`there is none in ${dataDirectory} yet, and DATABASE_URL is not set`);
  }
  const embedded =
    url === undefined
      ? await openEmbeddedPostgres({ dataDirectory, role: 'command', log: silentLog })
      : undefined;
  const reached = embedded?.url ?? url ?? '';
  const postgres = createPostgres({
    url: reached,
    poolMax: 2,
    statementTimeoutSeconds: STATEMENT_TIMEOUT_SECONDS,
    applicationName: 'gatehouse-doctor',
    log: silentLog,
  });
  const close = async () => {
    await postgres.close();
    await embedded?.release();
  };
  try {
    await postgres.db.raw('select 1');
    return { db: postgres.db, url: reached, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** With migrations to come the table of secrets may be missing; they are not made here, for a doctor changes nothing. */
async function readProbeKey(
  db: Db,
  config: Config,
  pending: readonly string[] | Problem,
): Promise<Buffer | Problem> {
  if (isProblem(pending)) return pending;
  if (pending.length > 0) return { problem: 'the schema is older than this release' };
  return measured(async () =>
    (await readServerSecrets(db, openVaultToRead(config.secrets))).get('reflection'),
  );
}

function openRedis({ redis }: Config): Redis | null {
  const { url } = redis;
  return url === undefined ? null : createRedis({ ...redis, url }, { log: silentLog });
}
