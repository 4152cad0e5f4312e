// Several processes at one port: the primary here looks after its workers and their database, and serves nothing itself.
import type { Config } from './platform/config/load.ts';
import { openEmbeddedPostgres } from './platform/embedded-postgres.ts';
import { aggregatedMetrics } from './platform/telemetry/aggregate.ts';
import { createLog, type Log } from './platform/telemetry/log.ts';
import { type MetricsListener, metricsListener } from './platform/telemetry/metrics.ts';
import { createWorkerPool, type WorkerPool } from './platform/workers/pool.ts';

// Beside its pool, each process listens for changes, may ask whether PostgreSQL answers, and migrates at its start.
const FURTHER_CONNECTIONS = 4;
const COMMAND_CONNECTIONS = 20;

/** Until the signal; SIGHUP meanwhile replaces the workers one by one. */
export async function runWorkers(config: Config, file: string, signal: AbortSignal): Promise<void> {
  const log = createLog(config.log);
  const database = await openDatabase(config, log);
  try {
    signal.throwIfAborted();
    const pool = createWorkerPool({
      count: config.http.workers,
      file,
      environment: database.environment,
      graceSeconds: config.http.shutdownGraceSeconds,
      log,
    });
    await look(pool, config, log, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await database.release();
  }
}

async function look(pool: WorkerPool, config: Config, log: Log, signal: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(pool.stop()), { once: true });
  });
  const { host } = config.metrics;
  let metrics: MetricsListener | undefined;
  const started = pool.start();
  // Listened for from the start, for without a listener it ends the process; one that comes early is not forgotten.
  process.on('SIGHUP', () => void started.then(pool.roll, () => {}));
  try {
    const port = await started;
    if (config.metrics.port !== null) {
      metrics = await metricsListener({
        metrics: aggregatedMetrics(pool),
        host,
        port: config.metrics.port,
      });
    }
    const { issuer } = config;
    if (!signal.aborted) log.info('Gatehouse is ready', { issuer, port, workers: config.http.workers });
    await stopped;
  } finally {
    await pool.stop();
    await metrics?.stop();
  }
}

/** The server's own database belongs to the primary; workers meet it as any other, by its address. */
async function openDatabase(config: Config, log: Log) {
  const { url, dataDirectory, poolMax } = config.database;
  if (url !== undefined) return { environment: {}, release: async () => {} };
  const connections = config.http.workers * (poolMax + FURTHER_CONNECTIONS) + COMMAND_CONNECTIONS;
  const embedded = await openEmbeddedPostgres({
    dataDirectory,
    role: 'serve',
    log,
    serverSettings: { max_connections: String(Math.max(100, connections)) },
  });
  return { environment: { DATABASE_URL: embedded.url }, release: embedded.release };
}
