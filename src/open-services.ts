// Opens what lies outside (the database, its schema, Redis, tracing) and builds the services on it; closes it all again.
import type { Config } from './platform/config/load.ts';
import { migrate } from './platform/database/migrations.ts';
import { refuseMoved } from './platform/database/moved.ts';
import { checkVersion, createPostgres } from './platform/database/postgres.ts';
import { startErrorOf } from './platform/database/start-error.ts';
import { openEmbeddedPostgres } from './platform/embedded-postgres.ts';
import { createRedis, type Redis } from './platform/redis/redis.ts';
import { createLog, type Log, silentLog } from './platform/telemetry/log.ts';
import { startTracing } from './platform/telemetry/start-tracing.ts';
import { createServices, type Services } from './services.ts';

export type Role = 'serve' | 'command';

/** Opens the database (its own, when none is given), brings the schema up to date and builds everything on it. */
export async function openServices(
  config: Config,
  options: { role: Role; log?: Log; signal?: AbortSignal },
): Promise<{ services: Services; close(): Promise<void> }> {
  const log = options.log ?? (options.role === 'serve' ? createLog(config.log) : silentLog);
  const database = await openDatabase(config, options.role, log);
  const postgres = createPostgres({
    url: database.url,
    poolMax: options.role === 'serve' ? config.database.poolMax : 4,
    statementTimeoutSeconds: config.database.statementTimeoutSeconds,
    applicationName: `gatehouse-${options.role}`,
    log,
  });
  const redis = openRedis(config, log);
  try {
    options.signal?.throwIfAborted();
    await checkVersion(postgres.db);
    await migrate({ url: database.url, log });
    await refuseMoved(postgres.db);
    options.signal?.throwIfAborted();
    const tracing = options.role === 'serve' ? await startTracing(config, log) : undefined;
    const services = await createServices(config, { postgres, redis, log, tracing });
    const close = async () => {
      await services.masterKey.stop();
      await services.sessions.stop();
      await services.messages.stop();
      await services.usage.stop();
      await services.apiKeys.stop();
      await services.audit.stop();
      await services.changes.stop();
      await tracing?.stop();
      await redis?.close();
      await postgres.close();
      await database.release();
    };
    return { services, close };
  } catch (error) {
    await redis?.close();
    await postgres.close();
    await database.release();
    // The embedded database says itself why it does not start.
    throw config.database.url === undefined ? error : startErrorOf(error, config.database.url);
  }
}

export function openRedis(config: Config, log: Log): Redis | undefined {
  const { url, ...settings } = config.redis;
  return url === undefined ? undefined : createRedis({ ...settings, url }, { log });
}

async function openDatabase(config: Config, role: Role, log: Log) {
  const { url, dataDirectory } = config.database;
  if (url !== undefined) return { url, release: async () => {} };
  return openEmbeddedPostgres({ dataDirectory, role, log });
}
