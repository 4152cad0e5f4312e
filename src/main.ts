// Start: load the configuration, build everything, listen, and stop gracefully. Nothing runs on import.
import { setTimeout as delay } from 'node:timers/promises';
import { createApp } from './app.ts';
import { sayError } from './platform/command-line/report.ts';
import { type Config, ConfigMistakes, loadConfig } from './platform/config/load.ts';
import { isDatabaseUnavailable } from './platform/database/postgres.ts';
import { AppError, failure } from './platform/errors.ts';
import type { Health } from './platform/http/health.ts';
import { type Listener, listen } from './platform/http/server.ts';
import { type MetricsListener, metricsListener } from './platform/telemetry/metrics.ts';
import { openServices, type Services } from './services.ts';

export interface RunningServer {
  readonly port: number;
  /** Finishes what is running, flushes the ledger, and stops the database last. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Runs before anything is served: the demo puts its sample data there. */
  readonly prepare?: (services: Services) => Promise<void>;
  /** Ends the start: what is up by then is stopped again, and the promise rejects with the reason. */
  readonly signal?: AbortSignal;
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
  const { services, close } = await open(config, options.signal);
  const parts: Parts = { services, close };
  try {
    const { port } = await bringUp(parts, options);
    return { port, stop: () => stopAll(parts) };
  } catch (error) {
    await stopAll(parts);
    throw error;
  }
}

async function open(config: Config, signal: AbortSignal | undefined) {
  const { url } = config.database;
  try {
    return await openServices(config, { role: 'serve', ...(signal && { signal }) });
  } catch (error) {
    // The embedded database says itself why it does not start.
    if (url === undefined || !isDatabaseUnavailable(error)) throw error;
    throw failure('database_unavailable', whereOf(url, error), error);
  }
}

/** Which database was meant, without user and password, and in which way it is away. */
function whereOf(url: string, error: unknown): Record<string, string> {
  const host = URL.parse(url)?.host;
  const { code } = error as { code?: unknown };
  return { ...(host ? { server: host } : {}), ...(typeof code === 'string' ? { reason: code } : {}) };
}

async function bringUp(parts: Parts, { prepare, signal }: StartOptions): Promise<Listener> {
  const { services } = parts;
  const { config, log } = services;
  signal?.throwIfAborted();
  await prepare?.(services);
  signal?.throwIfAborted();
  const app = createApp(services);
  parts.health = app.health;
  await services.changes.start();
  services.audit.start();
  services.scheduler.start();
  const { host, port } = config.metrics;
  if (port !== null) parts.metrics = await metricsListener({ metrics: services.metrics, host, port });
  signal?.throwIfAborted();
  const listener = await listen(app.callback, { ...config.http, log });
  parts.listener = listener;
  log.info('Gatehouse is ready', { issuer: config.issuer, port: listener.port });
  await printWelcome(services);
  return listener;
}

/** The database last, and whatever else fails. */
async function stopAll({ services, close, health, metrics, listener }: Parts): Promise<void> {
  const { shutdownGraceSeconds } = services.config.http;
  try {
    health?.drain();
    await Promise.all([listener?.stop(shutdownGraceSeconds), stopJobs(services, shutdownGraceSeconds)]);
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

/** `gatehouse serve`: runs until a signal asks it to stop. A second signal ends it at once. */
export async function serve(): Promise<void> {
  const config = loadConfig(undefined, (line) => process.stderr.write(`${line}\n`));
  const signal = stopSignal();
  try {
    const server = await startServer(config, { signal });
    await aborted(signal);
    await server.stop();
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
  endUnlessEnded();
}

/** Listened for from the very start: a database that was just started must not be left behind by a Ctrl-C. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  const stop = () => {
    if (stopping.signal.aborted) process.exit(130);
    stopping.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return stopping.signal;
}

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
 * To standard error and not into the log: what is shipped with the log must not make an administrator. A container's log
 * holds standard error as well, so whoever may read that can use the link until there is an administrator.
 */
async function printWelcome({ config, setup, owner }: Services): Promise<void> {
  const { issuer } = config;
  if (config.authMode === 'single_user') {
    const key = await owner.ensure();
    if (key === undefined) return;
    process.stderr.write(
      `\n  Welcome. This server has one owner, whose key is\n\n    ${key}\n\n  It is shown only now and works at once: curl -H 'X-API-Key: ...' ${issuer}/api/v1/me\n\n`,
    );
    return;
  }
  const token = await setup.newLink();
  if (token === undefined) return;
  process.stderr.write(
    `\n  Welcome. Create the first administrator at\n\n    ${issuer}/setup?token=${token}\n\n  The link works once. Every start makes a new one, until there is an administrator.\n\n`,
  );
}

if (import.meta.main) {
  try {
    await serve();
  } catch (error) {
    const expected = error instanceof AppError || error instanceof ConfigMistakes;
    process.exitCode = sayError(error, { json: false, debug: !expected }, process);
  }
}
