// The one way to PostgreSQL: a knex pool, transactions, health, and what counts as "the database is away".
import { setTimeout as delay } from 'node:timers/promises';
import knex, { type Knex } from 'knex';
import { type Log, silentLog } from '../telemetry/log.ts';
import { createBreaker, type PgConnection } from './breaker.ts';
import { type Listener, startListener } from './listener.ts';
import { timeStatements, timeWaitForConnection } from './timed-connection.ts';

export { isDatabaseUnavailable } from './unavailable.ts';

/** A pool handle or an open transaction; store functions take either as their first argument. */
export type Db = Knex;

export interface Postgres {
  readonly db: Db;
  transaction<T>(run: (trx: Db) => Promise<T>): Promise<T>;
  /** True when the database answers; never throws. */
  health(): Promise<boolean>;
  /** The pool by state, for the metrics; `pending`: wanted and not there yet. */
  connections(): { used: number; free: number; pending: number };
  /** Hears what is notified on the channel, on a connection of its own; once more after each return of the connection. */
  listen(channel: string, heard: () => void): Listener;
  close(): Promise<void>;
}

export interface PostgresSettings {
  url: string;
  poolMax: number;
  /** 0 switches the limit off (migrations). */
  statementTimeoutSeconds: number;
  /** How long a statement waits for a lock; without it as long as it may run. */
  lockTimeoutSeconds?: number;
  applicationName: string;
  /** Told when PostgreSQL goes away and when it is back. */
  log?: Log;
}

/** `on conflict`, partitioning and `nulls not distinct` as our migrations use them. */
const OLDEST_SERVER = 150_000;
const CONNECT_TIMEOUT_MILLISECONDS = 4_000;
// A request that gets no connection in this time gets a 503: waiting longer only piles up more requests.
const ACQUIRE_TIMEOUT_MILLISECONDS = 5_000;
// The pool waits for each connection to be given back; a stop waits for none that is not.
const CLOSE_MILLISECONDS = 5_000;
// No transaction of ours waits for anything but the database, so an idle one is a lost one holding locks.
const IDLE_IN_TRANSACTION_MILLISECONDS = 15_000;

export function createPostgres(settings: PostgresSettings): Postgres {
  const { url, applicationName } = settings;
  const breaker = createBreaker({ url, applicationName, log: settings.log ?? silentLog });
  const afterCreate: AfterCreate = (connection, done) => {
    timeStatements(connection);
    breaker.watch(connection);
    done(null, connection);
  };
  const db = knex({
    client: 'pg',
    // Saves knex a `select version()` per connection; the real version is checked by checkVersion.
    version: '15',
    connection: { ...connectionSettings(settings), stream: breaker.socket },
    pool: { min: 0, max: settings.poolMax, afterCreate },
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MILLISECONDS,
    // Otherwise knex writes the bound values, secrets among them, into the message of every error.
    compileSqlOnError: false,
    // Every such error also reaches the caller, who logs it once; knex would print it past our log.
    log: { warn: () => {}, error: () => {} },
  });
  breaker.attach(db);
  timeWaitForConnection(db);
  return {
    db,
    transaction: (run) => db.transaction((trx) => run(trx)),
    health: () => answers(db),
    connections: () => connectionsOf(db),
    listen: (channel, heard) => startListener({ url, applicationName }, channel, heard),
    async close() {
      breaker.stop();
      const { pool } = db.client as { pool?: Pool }; // none after a first close
      const closed = db.destroy().then(() => true);
      if (await Promise.race([closed, delay(CLOSE_MILLISECONDS, false, { ref: false })])) return;
      settings.log?.warn('Connections were still in use when the database was closed', {
        used: pool?.numUsed(),
      });
    },
  };
}

interface Pool {
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
}

function connectionsOf(db: Knex) {
  const { pool } = db.client as { pool: Pool }; // the pool of tarn; knex types its client as any
  return { used: pool.numUsed(), free: pool.numFree(), pending: pool.numPendingAcquires() };
}

type AfterCreate = (
  connection: PgConnection,
  done: (error: Error | null, made: PgConnection) => void,
) => void;

/** Throws a plain sentence for the operator when the server is older than PostgreSQL 15. */
export async function checkVersion(db: Db): Promise<void> {
  const { rows } = await db.raw<{ rows: { number: string; name: string }[] }>(
    `select current_setting('server_version_num') as number, current_setting('server_version') as name`,
  );
  const version = rows[0];
  if (version === undefined || Number(version.number) < OLDEST_SERVER) {
    const name = version?.name ?? 'unknown';
    throw new Error(
      `The PostgreSQL server has version ${name}; Gatehouse needs 15 or later. Upgrade it or set DATABASE_URL to another.`,
    );
  }
}

function connectionSettings(
  settings: PostgresSettings,
): Knex.PgConnectionConfig & { query_timeout?: number; lock_timeout?: number } {
  const statementTimeout = settings.statementTimeoutSeconds * 1000;
  return {
    connectionString: settings.url,
    application_name: settings.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MILLISECONDS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...(settings.lockTimeoutSeconds !== undefined && { lock_timeout: settings.lockTimeoutSeconds * 1000 }),
    ...(statementTimeout > 0 && {
      statement_timeout: statementTimeout,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MILLISECONDS,
      // The server's limit cannot reach us through a dead network; ours, a little later, does.
      query_timeout: statementTimeout + 2_000,
    }),
  };
}

async function answers(db: Db): Promise<boolean> {
  try {
    await db.raw('select 1');
    return true;
  } catch {
    return false;
  }
}
