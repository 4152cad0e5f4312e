// One server process: builds everything, listens, and stops gracefully.
import { setTimeout as delay } from 'node:timers/promises';
import { createApp } from './app.ts';
import { openServices } from './open-services.ts';
import type { Config } from './platform/config/load.ts';
import type { Health } from './platform/http/health.ts';
import { type Listener, listen } from './platform/http/server.ts';
import { lowerPoolThreads } from './platform/limits/pool-threads.ts';
import { type Metrics, type MetricsListener, metricsListener } from './platform/telemetry/metrics.ts';
import type { Services } from './services.ts';

export interface RunningServer {
  readonly port: number;
  readonly metrics: Metrics;
  /**
   * Finishes what is running, flushes the ledger, and stops the database last. `unhurried`: somebody else already serves at
   * the same address, so idle connections are kept until their next request.
   */
  stop(how?: { unhurried?: boolean }): Promise<void>;
}

export interface StartOptions {
  /** Runs before anything is served: the demo puts its sample data there. */
  readonly prepare?: (services: Services) => Promise<void>;
  /** Ends the start: what is up by then is stopped again, and the promise rejects with the reason. */
  readonly signal?: AbortSignal;
  /** One of several processes at one address: its primary says when the server is ready, and listens for /metrics. */
  readonly worker?: { readonly first: boolean };
}

/** What has been brought up so far; a start that ends early stops as much as there is. */
interface Parts {
  readonly services: Services;
  readonly close: () => Promise<void>;
  health?: Health;
  metrics?: MetricsListener;
  listener?: Listener;
}

export async function startServer(config: Config, options: StartOptions = {}): Promise<RunningServer> {
  const { signal } = options;
  const { services, close } = await openServices(config, { role: 'serve', ...(signal && { signal }) });
  const parts: Parts = { services, close };
  try {
    const { port } = await bringUp(parts, options);
    return { port, metrics: services.metrics, stop: (how) => stopAll(parts, how) };
  } catch (error) {
    await stopAll(parts);
    throw error;
  }
}

async function bringUp(parts: Parts, { prepare, signal, worker }: StartOptions): Promise<Listener> {
  const { services } = parts;
  const { config, log } = services;
  signal?.throwIfAborted();
  await prepare?.(services);
  signal?.throwIfAborted();
  await lowerPoolThreads();
  const app = createApp(services);
  parts.health = app.health;
  await services.changes.start();
  services.audit.start();
  await services.masterKey.start();
  services.scheduler.start();
  services.sessions.start();
  services.messages.start();
  services.usage.start();
  const { host, port } = config.metrics;
  if (port !== null && worker === undefined)
    parts.metrics = await metricsListener({ metrics: services.metrics, host, port });
  signal?.throwIfAborted();
  const listener = await listen(app.callback, { ...config.http, log });
  parts.listener = listener;
  if (worker === undefined) log.info('Gatehouse is ready', { issuer: config.issuer, port: listener.port });
  if (worker?.first !== false) await printWelcome(services);
  return listener;
}

/** The database last, and whatever else fails. */
async function stopAll(parts: Parts, { unhurried = false } = {}): Promise<void> {
  const { services, close, health, metrics, listener } = parts;
  const { shutdownGraceSeconds } = services.config.http;
  try {
    if (!unhurried) health?.drain();
    await Promise.all([
      listener?.stop(shutdownGraceSeconds, { unhurried }),
      stopJobs(services, shutdownGraceSeconds),
    ]);
    await metrics?.stop();
  } finally {
    await close();
  }
}

/** A job that does not end is left alone: its claim runs out, and another node or the next start does its work again. */
async function stopJobs({ scheduler, log }: Services, graceSeconds: number): Promise<void> {
  const left = Symbol('left');
  const ended = await Promise.race([scheduler.stop(), delay(graceSeconds * 1000, left, { ref: false })]);
  if (ended === left) log.warn('A job was still running when the grace period ended');
}

/** Serves until the signal; a signal during the start ends that as well. */
export async function serveUntil(
  signal: AbortSignal,
  config: Config,
  options: Pick<StartOptions, 'worker'> & { whenReady?(server: RunningServer): void } = {},
): Promise<void> {
  try {
    const server = await startServer(config, { ...options, signal });
    options.whenReady?.(server);
    await aborted(signal);
    await server.stop(signal.reason === ROLLING ? { unhurried: true } : {});
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
  endUnlessEnded();
}

/** The reason of a signal that ends a worker whose place another one has taken already. */
export const ROLLING = Symbol('rolling restart');

async function aborted(signal: AbortSignal): Promise<void> {
  // An abort event does not keep a process alive, but the listening server does.
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

const LEFTOVERS_MILLISECONDS = 1_000;

/** The process ends by itself; only a job that was left alone can still hold it. */
function endUnlessEnded(): void {
  setTimeout(() => process.exit(), LEFTOVERS_MILLISECONDS).unref();
}

/**
 * To standard error and not into the log: what is shipped with the log must not make an administrator. The log of a
 * container or of systemd holds standard error as well: the link ends with the set-up, and the key is to be renewed.
 */
async function printWelcome({ config, setup, owner }: Services): Promise<void> {
  const { issuer } = config;
  if (config.authMode === 'single_user') {
    const key = await owner.ensure();
    if (key === undefined) return;
    process.stderr.write(
      `\n  Welcome. This server has one owner, whose key is\n\n    ${key}\n\n  It is shown only now and works at once: curl -H 'X-API-Key: ...' ${issuer}/api/v1/me\n  Whoever can read this output where it is kept has the key: \`gatehouse owner-key renew\` makes a new one.\n\n`,
    );
    return;
  }
  const token = await setup.newLink();
  if (token === undefined) return;
  process.stderr.write(
    `\n  Welcome. Create the first administrator at\n\n    ${issuer}/setup?token=${token}\n\n  The link works once. Every start makes a new one, until there is an administrator.\n\n`,
  );
}
