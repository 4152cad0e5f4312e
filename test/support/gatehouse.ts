// The server under test, whole and over real HTTP: in this process (fast, with its services at hand) or as a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, inject } from 'vitest';
import { createApp } from '../../src/app.ts';
import { openRedis } from '../../src/open-services.ts';
import { type Config, loadConfig } from '../../src/platform/config/load.ts';
import { type Listener, listen } from '../../src/platform/http/server.ts';
import { type Log, silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { childEnvironment } from './child.ts';
import { type TestDatabase, useDatabase } from './database.ts';

export interface TestServer {
  readonly issuer: string;
  readonly services: Services;
  readonly database: TestDatabase;
}

/** Cheap hashing and wide limits, so that a suite does not wait; tests of limits and hashing set their own. */
const quick = {
  ARGON2_MEMORY_KIB: '64',
  ARGON2_ITERATIONS: '1',
  LIMIT_PAGE_PER_MINUTE: '1000000',
  LIMIT_SIGN_IN_PER_MINUTE: '1000000',
  LIMIT_TOKEN_PER_MINUTE: '1000000',
  LIMIT_INTROSPECTION_PER_MINUTE: '1000000',
  LIMIT_DEVICE_PER_MINUTE: '1000000',
  LIMIT_API_CREDENTIAL_PER_MINUTE: '1000000',
  LIMIT_VERIFY_PER_MINUTE: '10000000',
  LIMIT_SETUP_PER_MINUTE: '1000000',
  LIMIT_REGISTRATION_PER_MINUTE: '1000000',
};

export function testConfig(environment: Record<string, string>): Config {
  return loadConfig({ environment: { ...quick, ...environment }, directory: undefined });
}

/** Call it at the top of a file or `describe`. The fields are there when tests run. `settings`: environment names. */
export function useGatehouse(options: { settings?: Record<string, string>; log?: Log } = {}): TestServer {
  const settings = options.settings ?? {};
  // Keys of its own, or of another kind, are made as at any first start.
  const ownKeys = Object.keys(settings).some((name) => /^(?:MASTER_KEY|KEYS_|SIGNING_)/.test(name));
  const database = useDatabase(ownKeys ? 'migrated' : 'started');
  const running: { server?: { services: Services; issuer: string; stop(): Promise<void> } } = {};

  beforeAll(async () => {
    const keys = ownKeys ? undefined : inject('started').keys;
    running.server = await startInProcess(database, settings, options.log ?? silentLog, keys);
  });
  afterAll(async () => running.server?.stop());

  const server = () => {
    if (!running.server) throw new Error('the server runs only while tests run');
    return running.server;
  };
  return {
    database,
    get issuer() {
      return server().issuer;
    },
    get services() {
      return server().services;
    },
  };
}

/** `madeKeys`: a folder of keys to copy. */
async function startInProcess(
  database: TestDatabase,
  settings: Record<string, string>,
  log: Log,
  madeKeys?: string,
) {
  const port = settings.PORT ? Number(settings.PORT) : await freePort();
  const keys = await mkdtemp(join(tmpdir(), 'gatehouse-keys-'));
  if (madeKeys !== undefined) await cp(madeKeys, join(keys, 'keys'), { recursive: true });
  const config = testConfig({
    PORT: String(port),
    KEYS_DIRECTORY: join(keys, 'keys'),
    DATA_DIRECTORY: join(keys, 'data'),
    ...settings,
  });
  const services = await createServices(config, {
    postgres: database.postgres,
    redis: openRedis(config, log),
    log,
  });
  const app = createApp(services);
  await services.changes.start();
  services.audit.start();
  services.sessions.start();
  services.messages.start();
  services.usage.start();
  const listener: Listener = await listen(app.callback, { host: '127.0.0.1', port, log });
  return {
    services,
    issuer: config.issuer,
    async stop() {
      await listener.stop(1);
      await services.sessions.stop();
      await services.messages.stop();
      await services.usage.stop();
      await services.apiKeys.stop();
      await services.audit.stop();
      await services.changes.stop();
      await services.redis?.close();
      await rm(keys, { recursive: true, force: true });
    },
  };
}

export interface ServerProcess {
  readonly issuer: string;
  readonly port: number;
  readonly child: ChildProcess;
  output(): string;
  /** Sends the signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

/** `gatehouse serve` as users start it: a process of its own. */
export async function spawnServer(environment: Record<string, string>): Promise<ServerProcess> {
  const port = environment.PORT ? Number(environment.PORT) : await freePort();
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: { ...childEnvironment, ...quick, PORT: String(port), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: string[] = [];
  child.stdout.on('data', (chunk) => chunks.push(String(chunk)));
  child.stderr.on('data', (chunk) => chunks.push(String(chunk)));
  const output = () => chunks.join('');
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const origin = `http://localhost:${port}`;
  await answers(`${origin}/readyz`, child, output);
  return {
    issuer: environment.ISSUER ?? origin,
    port,
    child,
    output,
    async end(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
    },
  };
}

async function answers(url: string, child: ChildProcess, output: () => string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`the server ended at its start:\n${output()}`);
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await delay(100);
  }
  throw new Error(`the server did not answer:\n${output()}`);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}
