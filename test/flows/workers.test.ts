// `serve --workers`: one port, one welcome, one /metrics; a worker that dies is replaced, and the end leaves nothing behind.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { freePort, type ServerProcess, spawnServer } from '../support/gatehouse.ts';

const folder = useFolders();
const started: ServerProcess[] = [];
afterAll(() => Promise.all(started.map((server) => server.end('SIGKILL'))));

async function start(environment: Record<string, string>): Promise<ServerProcess> {
  const server = await spawnServer({ LOG_FORMAT: 'json', SHUTDOWN_GRACE_SECONDS: '3', ...environment });
  started.push(server);
  return server;
}

/** Of Node, since the embedded PostgreSQL is a child of the primary, too. */
async function workersOf(server: ServerProcess): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-e', '-o', 'ppid=,pid=,args=']);
  const rows = stdout.split('\n').map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []);
  const ours = rows.filter(
    ([, parent, , args]) => Number(parent) === server.child.pid && args?.includes('main.ts'),
  );
  return ours.map(([, , pid]) => Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const count = (text: string, said: string) => text.split(said).length - 1;

describe('two workers with the database of their own primary', () => {
  const environment: Record<string, string> = {};
  const postmaster = () => join(environment.DATA_DIRECTORY ?? '', 'postgres', 'postmaster.pid');

  it('welcome once, are counted together, replace one that was killed, and stop in order', {
    timeout: 90_000,
  }, async () => {
    const own = folder();
    const metricsPort = await freePort();
    Object.assign(environment, {
      PORT: String(await freePort()),
      WORKERS: '2',
      METRICS_PORT: String(metricsPort),
      DATA_DIRECTORY: join(own, 'data'),
      KEYS_DIRECTORY: join(own, 'keys'),
    });
    const server = await start(environment);
    await expect.poll(() => server.output(), { timeout: 20_000 }).toContain('Gatehouse is ready');
    expect(count(server.output(), 'Gatehouse is ready')).toBe(1);
    expect(count(server.output(), '/setup?token=')).toBe(1);

    const before = await workersOf(server);
    expect(before).toHaveLength(2);
    for (let request = 0; request < 20; request += 1) await healthz(server);
    expect(await counted(metricsPort, '/healthz')).toBe(20);

    process.kill(before[0] ?? 0, 'SIGKILL');
    // The other one serves meanwhile.
    for (let request = 0; request < 20; request += 1) await healthz(server);
    await expect.poll(() => workersOf(server), { timeout: 20_000 }).toHaveLength(2);
    expect(await workersOf(server)).not.toContain(before[0]);
    expect(count(server.output(), 'A worker ended; another one takes its place')).toBe(1);
    const numbers = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(numbers).toMatch(/^gatehouse_worker_restarts_total 1$/m);

    const last = await workersOf(server);
    await server.end('SIGTERM');
    expect(server.child.exitCode).toBe(0);
    expect(last.filter(isAlive)).toEqual([]);
    expect(existsSync(postmaster())).toBe(false);
  });

  it('end with a primary that is killed, and its database is taken over by the next', {
    timeout: 90_000,
  }, async () => {
    const killed = await start(environment);
    await expect.poll(() => workersOf(killed), { timeout: 20_000 }).toHaveLength(2);
    const orphans = await workersOf(killed);
    await killed.end('SIGKILL');
    await expect.poll(() => orphans.filter(isAlive), { timeout: 10_000 }).toEqual([]);
    const next = await start(environment);
    await healthz(next);
    await next.end('SIGTERM');
    expect(next.child.exitCode).toBe(0);
    expect(existsSync(postmaster())).toBe(false);
  });
});

describe('a start with workers that cannot be', () => {
  it('says why once, and ends with the exit code of a single process', async () => {
    const port = await freePort();
    const attempt = start({
      WORKERS: '2',
      DATABASE_URL: `postgres://me:hush-hush@127.0.0.1:${port}/gatehouse`,
      KEYS_DIRECTORY: join(folder(), 'keys'),
    });
    const { message } = await attempt.then(
      () => new Error('it started'),
      (error: Error) => error,
    );
    expect(message).toMatch(/^the server ended at its start:\nerror: [^\n]+\(database_unreachable\)\n$/);
  });
});

describe('a start with one worker', () => {
  const database = useDatabase();

  // Generous, so that only a mistake fails it: docs and `npm run bench` tell what is usual.
  it('is one small process that answers soon on data that is there', { timeout: 60_000 }, async () => {
    const environment = { DATABASE_URL: database.databaseUrl(), KEYS_DIRECTORY: join(folder(), 'keys') };
    await (await start(environment)).end();
    const begun = performance.now();
    const server = await start(environment);
    expect(performance.now() - begun).toBeLessThan(10_000);
    await healthz(server);
    expect(await workersOf(server)).toEqual([]);
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(server.child.pid)]);
    expect(Number(stdout) / 1024).toBeLessThan(220);
  });
});

/** A connection of its own each time, so that both workers get some. Never left without an end, and then tried once more. */
async function healthz(server: ServerProcess): Promise<void> {
  const ask = async () => {
    const headers = { connection: 'close' };
    const signal = AbortSignal.timeout(5_000);
    const response = await fetch(`http://localhost:${server.port}/healthz`, { headers, signal });
    await response.arrayBuffer();
    return response.status;
  };
  const again = (error: Error) => (error.name === 'TimeoutError' ? Promise.reject(error) : ask());
  expect(await ask().catch(again)).toBe(200);
}

async function counted(port: number, route: string): Promise<number> {
  // Counted after the answer was sent.
  await delay(200);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text
    .split('\n')
    .find((one) => one.startsWith('gatehouse_http_requests_total') && one.includes(`"${route}"`));
  return Number(line?.split(' ').at(-1));
}
