// The one way to PostgreSQL: a knex pool, transactions, health, and what counts as "the database is away".
import knex, { type Knex } from 'knex';
import { type Connection, timeStatements, timeWaitForConnection } from './timed-connection.ts';

/** A pool handle or an open transaction; store functions take either as their first argument. */
export type Db = Knex;

export interface Postgres {
  readonly db: Db;
  transaction<T>(run: (trx: Db) => Promise<T>): Promise<T>;
  /** True when the database answers; never throws. */
  health(): Promise<boolean>;
  close(): Promise<void>;
}

export interface PostgresSettings {
  url: string;
  poolMax: number;
  /** 0 switches the limit off (migrations). */
  statementTimeoutSeconds: number;
  applicationName: string;
}

/** `on conflict`, partitioning and `nulls not distinct` as our migrations use them. */
const OLDEST_SERVER = 150_000;
const CONNECT_TIMEOUT_MILLISECONDS = 4_000;
// A request that gets no connection in this time gets a 503: waiting longer only piles up more requests.
const ACQUIRE_TIMEOUT_MILLISECONDS = 5_000;
// No transaction of ours waits for anything but the database, so an idle one is a lost one holding locks.
const IDLE_IN_TRANSACTION_MILLISECONDS = 15_000;

export function createPostgres(settings: PostgresSettings): Postgres {
  const db = knex({
    client: 'pg',
    // Saves knex a `select version()` per connection; the real version is checked by checkVersion.
    version: '15',
    connection: connectionSettings(settings),
    pool: { min: 0, max: settings.poolMax, afterCreate },
    acquireConnectionTimeout: ACQUIRE_TIMEOUT_MILLISECONDS,
    // Otherwise knex writes the bound values, secrets among them, into the message of every error.
    compileSqlOnError: false,
    // Every such error also reaches the caller, who logs it once; knex would print it past our log.
    log: { warn: () => {}, error: () => {} },
  });
  timeWaitForConnection(db);
  return {
    db,
    transaction: (run) => db.transaction((trx) => run(trx)),
    health: () => answers(db),
    close: () => db.destroy(),
  };
}

function afterCreate(connection: Connection, done: (error: Error | null, connection: Connection) => void) {
  timeStatements(connection);
  done(null, connection);
}

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

/** True when the error means that the database cannot be reached or is going down: a 503, not a bug. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as Error & { code?: unknown; syscall?: unknown };
  if (typeof code === 'string') {
    if (UNAVAILABLE_SQLSTATES.has(code) || /^08[0-9A-Z]{3}$/.test(code)) return true;
    if (UNREACHABLE_CODES.has(code)) return true;
    // The socket file of a stopped server; any other ENOENT is about a file of ours.
    if (code === 'ENOENT' || code === 'EACCES') return syscall === 'connect';
  }
  return UNAVAILABLE_MESSAGES.some((message) => error.message.includes(message));
}

function connectionSettings(
  settings: PostgresSettings,
): Knex.PgConnectionConfig & { query_timeout?: number } {
  const statementTimeout = settings.statementTimeoutSeconds * 1000;
  return {
    connectionString: settings.url,
    application_name: settings.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MILLISECONDS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
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

const UNAVAILABLE_SQLSTATES: ReadonlySet<string> = new Set([
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '53300', // too_many_connections
  '25006', // read_only_sql_transaction: we reach a standby during a failover
]);

const UNREACHABLE_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

// pg and knex give these no code.
const UNAVAILABLE_MESSAGES: readonly string[] = [
  'Connection terminated',
  'Connection ended unexpectedly',
  'Client has encountered a connection error',
  'Client was closed and is not queryable',
  'timeout expired',
  'timeout exceeded when trying to connect',
  'Timeout acquiring a connection',
  'Query read timeout',
];
