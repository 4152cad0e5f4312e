// A real redis-server of its own for each test file, that a test may kill, stop and start again.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { createRedis, type Redis } from '../../src/platform/redis/redis.ts';
import { type Log, silentLog } from '../../src/platform/telemetry/log.ts';
import { find, needs } from './tools.ts';

export interface TestRedis {
  /** Known at once, for the settings of a server. */
  readonly url: string;
  /** A client of it. There while tests run. */
  readonly redis: Redis;
  /** A further client, as another node has; closed after the tests. */
  newClient(settings?: { log?: Log; commandTimeoutMilliseconds?: number; keyPrefix?: string }): Redis;
  /** kill -9: what it held is gone. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** It stays connected and says nothing (SIGSTOP). */
  pause(): void;
  resume(): void;
}

// Below the ports that the system gives to connections.
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;

/** Call it at the top of a file or of a `describe.skipIf(needs('redis-server'))`. */
export function useRedis(options: { arguments?: readonly string[] } = {}): TestRedis {
  const port = freePort();
  const url = `redis://127.0.0.1:${port}`;
  const clients: Redis[] = [];

  const newClient: TestRedis['newClient'] = ({ log = silentLog, ...settings } = {}) => {
    const defaults = { keyPrefix: 'gatehouse:', commandTimeoutMilliseconds: 150 };
    const client = createRedis({ url, ...defaults, ...settings }, { log });
    clients.push(client);
    return client;
  };
  const running: { process?: RedisProcess; redis?: Redis } = {};
  const start = async () => {
    running.process = await spawnRedis(options.arguments, port);
  };
  const stop = async () => running.process?.end();

  beforeAll(async () => {
    if (needs('redis-server')) return;
    await start();
    running.redis = newClient();
    await untilUp(running.redis);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await stop();
  });

  return {
    url,
    get redis() {
      if (!running.redis) throw new Error('redis-server runs only while tests run');
      return running.redis;
    },
    newClient,
    stop,
    start,
    pause: () => void running.process?.child.kill('SIGSTOP'),
    resume: () => void running.process?.child.kill('SIGCONT'),
  };
}

export async function untilUp(redis: Redis): Promise<void> {
  for (let attempt = 0; redis.state() !== 'up'; attempt += 1) {
    if (attempt > 500) throw new Error('Redis did not come up');
    await delay(20);
  }
}

export interface RedisProcess {
  readonly port: number;
  readonly child: ChildProcess;
  /** SIGKILL, and its folder is removed. */
  end(): Promise<void>;
}

/** One process, for tests of Sentinel and Cluster. */
export async function spawnRedis(more: readonly string[] = [], port = freePort()): Promise<RedisProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-redis-'));
  const child = startServer(port, folder, more);
  await answers(port, child);
  const end = async () => {
    await kill(child);
    await rm(folder, { recursive: true, force: true });
  };
  return { port, child, end };
}

export const freePort = (): number => randomInt(FIRST_PORT, LAST_PORT);

function startServer(port: number, folder: string, more: readonly string[]): ChildProcess {
  const program = find('redis-server');
  if (program === undefined) throw new Error('redis-server is not installed');
  const own = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ];
  // A configuration file, which Sentinel needs, comes first.
  const [file, rest] = more[0]?.startsWith('--') === false ? [[more[0]], more.slice(1)] : [[], more];
  const child = spawn(program, [...file, ...own, ...rest], { stdio: 'ignore' });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
  return child;
}

async function kill(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

async function answers(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 250; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`redis-server ended at its start on port ${port}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await delay(20);
  }
  throw new Error(`redis-server did not listen on port ${port}`);
}
