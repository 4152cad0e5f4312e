// What every bench runs on: a database of its own, servers on core 0, everything else on core 1, and all of it ended.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { openEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { silentLog } from '../src/platform/telemetry/log.ts';

export interface Bench {
  readonly directory: string;
  readonly pinned: boolean;
  /** Starts a server on core 0 and waits until it answers; its process id. */
  start(file: string, port: number, more?: string[], environment?: Record<string, string>): Promise<number>;
  ownDatabase(name: string): Promise<string>;
  /** A redis-server on core 1; its address. */
  startRedis(port: number): Promise<string>;
  close(): Promise<void>;
}

export async function openBench(options: { profiles?: string | undefined } = {}): Promise<Bench> {
  const pinned = availableParallelism() > 1 && hasTaskset();
  // This process makes the load and starts the database, so both stay off the servers' core.
  if (pinned) execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)], { stdio: 'ignore' });
  execFileSync(process.execPath, ['scripts/build.ts'], { stdio: 'inherit' });
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
  const database = await openEmbeddedPostgres({ dataDirectory: directory, role: 'serve', log: silentLog });
  const children: ChildProcess[] = [];

  return {
    directory,
    pinned,

    async start(file, port, more = [], environment = {}) {
      const { profiles } = options;
      const own = file.startsWith('dist');
      const profiling = profiles && own ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : [];
      // Gatehouse takes its port from the settings.
      const command = [process.execPath, ...profiling, file, ...(own ? [] : [String(port)]), ...more];
      const [program = '', ...rest] = pinned ? ['taskset', '-c', '0', ...command] : command;
      const child = spawn(program, rest, {
        env: { PATH: process.env.PATH, NODE_ENV: 'production', ...environment },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      children.push(child);
      for (let attempt = 0; attempt < 200; attempt += 1) {
        if (child.exitCode !== null) throw new Error(`${file} ended at its start`);
        if (await fetch(`http://127.0.0.1:${port}/jwks`).catch(() => undefined)) return child.pid ?? 0;
        await delay(100);
      }
      throw new Error(`${file} does not answer on ${port}`);
    },

    async ownDatabase(name) {
      const admin = new URL(database.url);
      const owner = decodeURIComponent(admin.username);
      admin.username = 'postgres';
      admin.pathname = '/postgres';
      const client = new Client({ connectionString: admin.href });
      await client.connect();
      await client.query(`create database ${name} owner "${owner}"`);
      await client.end();
      const url = new URL(database.url);
      url.pathname = `/${name}`;
      return url.href;
    },

    async startRedis(port) {
      const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', directory];
      children.push(spawn('redis-server', options, { stdio: 'ignore' }));
      await delay(500);
      return `redis://127.0.0.1:${port}`;
    },

    async close() {
      for (const child of children) child.kill('SIGTERM');
      await delay(1_000);
      await database.release();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Ledger, limits and PostgreSQL on; only the numbers of the limits are out of reach, as one address makes all the load. */
export function gatehouseEnvironment(
  directory: string,
  port: number,
  more: Record<string, string>,
): Record<string, string> {
  return {
    KEYS_DIRECTORY: join(directory, `keys-${port}`),
    PORT: String(port),
    ISSUER: `http://127.0.0.1:${port}`,
    LOG_LEVEL: 'warn',
    LOG_FORMAT: 'json',
    LIMIT_PAGE_PER_MINUTE: '10000000',
    LIMIT_SIGN_IN_PER_MINUTE: '10000000',
    LIMIT_TOKEN_PER_MINUTE: '10000000',
    LIMIT_INTROSPECTION_PER_MINUTE: '10000000',
    LIMIT_VERIFY_PER_MINUTE: '10000000',
    LIMIT_API_CREDENTIAL_PER_MINUTE: '10000000',
    ...more,
  };
}

export const gatehousePaths = {
  authorize: '/authorize',
  token: '/token',
  introspect: '/introspect',
  jwks: '/jwks',
};

/** What a process has used of its core, so that a ratio can be had on a machine that others use, too (proc(5): 10 ms ticks). */
export function cpuMilliseconds(process: number): number {
  try {
    const fields = readFileSync(`/proc/${process}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-p', String(process.pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
