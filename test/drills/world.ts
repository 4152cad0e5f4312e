// What a drill happens in: PostgreSQL and Redis of its own, two nodes with two workers each, nginx in front of them.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { migrate } from '../../src/platform/database/migrations.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { freePort, type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { type PostgresServer, postgresServer } from '../support/postgres-server.ts';
import { type RedisProcess, freePort as redisPort, spawnRedis } from '../support/redis.ts';
import { type PostgresFolder, postgresFolder } from './postgres-folder.ts';
import { startProxy } from './proxy.ts';

export interface Node {
  readonly origin: string;
  /** `environment` over that of the other node. */
  start(environment?: Record<string, string>): Promise<void>;
  /** With its workers: SIGKILL for all of them at once, as when a machine is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
  process(): ServerProcess;
  workers(): number[];
}

export interface DrillRedis {
  readonly url: string;
  kill(): Promise<void>;
  /** Empty, or with what was last saved. */
  start(what: 'empty' | 'saved'): Promise<void>;
  pause(): void;
  resume(): void;
}

export interface World {
  readonly issuer: string;
  readonly nodes: readonly [Node, Node];
  readonly postgres: PostgresServer;
  readonly disk: PostgresFolder;
  readonly redis: DrillRedis;
  readonly folder: string;
  /** What a process needs to belong to the nodes. */
  environment(): Record<string, string>;
  /** Nothing is left: no process, no mount, no folder. */
  end(keepLogsIn?: string): Promise<void>;
}

const WIDE = '10000000';

export async function startWorld(options: { smallDisk: boolean }): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-drills-'));
  chmodSync(folder, 0o755);
  const disk = postgresFolder(folder, options.smallDisk);
  // fsync and synchronous_commit stay on: what was acknowledged must survive a kill.
  const postgres = postgresServer(() => disk.path, { max_connections: '200', max_wal_size: '128MB' });
  const kept: { folder?: string | undefined } = {};
  const ends: (() => unknown)[] = [
    () => rmSync(folder, { recursive: true, force: true }),
    () => kept.folder !== undefined && keepLogs(folder, kept.folder),
    disk.remove,
    postgres.end,
  ];
  const end = async (keepLogsIn?: string) => {
    kept.folder ??= keepLogsIn;
    while (ends.length > 0) await Promise.resolve(ends.pop()?.()).catch(() => {});
  };
  try {
    await postgres.start();
    await migrate({ url: postgres.url(), log: silentLog });
    const redis = await startRedis(folder);
    ends.push(redis.end);
    const ports = {
      tls: await freePort(),
      plain: await freePort(),
      nodes: [await freePort(), await freePort()],
    };
    const issuer = `https://localhost:${ports.tls}`;
    const environment = () =>
      environmentOf({ issuer, folder, redisUrl: redis.url, databaseUrl: postgres.url() });
    const [first, second] = ports.nodes.map((port) => createNode(port, folder, environment));
    if (!first || !second) throw new Error('there are two nodes');
    ends.push(() => Promise.all([first.kill(), second.kill()]));
    await first.start();
    await second.start();
    const proxy = await startProxy(folder, ports);
    ends.push(proxy.end);
    return { issuer, nodes: [first, second], postgres, disk, redis, folder, environment, end };
  } catch (error) {
    await end();
    throw error;
  }
}

function keepLogs(folder: string, to: string): void {
  const names = [
    ...readdirSync(folder).filter((name) => name.endsWith('.log')),
    'nginx/error.log',
    'nginx/gatehouse.log',
  ];
  for (const name of names) copyFileSync(join(folder, name), join(to, name.replace('/', '-')));
}

function environmentOf(of: { issuer: string; folder: string; redisUrl: string; databaseUrl: string }) {
  return {
    ISSUER: of.issuer,
    DATABASE_URL: of.databaseUrl,
    DATABASE_POOL_MAX: '8',
    REDIS_URL: of.redisUrl,
    KEYS_DIRECTORY: join(of.folder, 'keys'),
    TRUSTED_PROXIES: '127.0.0.1',
    WORKERS: '2',
    LOG_FORMAT: 'json',
    LOG_REQUESTS: 'errors',
    SHUTDOWN_GRACE_SECONDS: '5',
    // Codes that were used before a fault are sent again after it: they must be refused because they were used.
    CODE_SECONDS: '600',
    ACCESS_TOKEN_SECONDS: '3600',
    SIGNING_KEY_PUBLISH_DELAY_SECONDS: '2',
    // As shipped; the other tests hash cheaply.
    ARGON2_MEMORY_KIB: '19456',
    ARGON2_ITERATIONS: '2',
    // All of the load comes from one address.
    LIMIT_ADMIN_READ_PER_MINUTE: WIDE,
    LIMIT_ADMIN_WRITE_PER_MINUTE: WIDE,
    LIMIT_API_CREDENTIAL_PER_MINUTE: WIDE,
  };
}

function createNode(port: number, folder: string, environment: () => Record<string, string>): Node {
  const running: { server?: ServerProcess } = {};
  const server = () => {
    if (!running.server) throw new Error('the node does not run');
    return running.server;
  };
  const log = join(folder, `node-${port}.log`);
  const node: Node = {
    origin: `http://localhost:${port}`,
    async start(more = {}) {
      running.server = await spawnServer({ ...environment(), PORT: String(port), ...more });
    },
    async kill() {
      const { child } = server();
      const all = [child.pid ?? 0, ...node.workers()];
      for (const pid of all) signal(pid, 'SIGKILL');
      while (all.slice(1).some((pid) => signal(pid, 0))) await delay(20);
      await server().end('SIGKILL');
      writeFileSync(log, server().output(), { flag: 'a' });
    },
    async stop() {
      await server().end('SIGTERM');
      writeFileSync(log, server().output(), { flag: 'a' });
    },
    process: server,
    workers: () => childrenOf(server().child.pid ?? 0),
  };
  return node;
}

function childrenOf(pid: number): number[] {
  try {
    const text = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
    return text.trim().split(/\s+/).map(Number);
  } catch {
    return [];
  }
}

export function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return pid > 0 && process.kill(pid, name);
  } catch {
    return false;
  }
}

async function startRedis(parent: string): Promise<DrillRedis & { end(): Promise<void> }> {
  const folder = join(parent, 'redis');
  mkdirSync(folder);
  const port = redisPort();
  const running: { redis?: RedisProcess } = {};
  const start = async (name: string) => {
    running.redis = await spawnRedis(['--dir', folder, '--dbfilename', name], port);
  };
  const kill = async () => running.redis?.end();
  await start('dump.rdb');
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    start: (what) => start(what === 'saved' ? 'dump.rdb' : 'none.rdb'),
    pause: () => void running.redis?.child.kill('SIGSTOP'),
    resume: () => void running.redis?.child.kill('SIGCONT'),
    end: kill,
  };
}
