// Start and stop of the whole server: signals at any moment, a job that hangs, a database that is away or taken.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { startErrorOf } from '../src/platform/database/start-error.ts';
import { startServer } from '../src/start.ts';
import { childEnvironment } from './support/child.ts';
import { useDatabase } from './support/database.ts';
import { useFolders } from './support/folder.ts';
import { freePort, testConfig } from './support/gatehouse.ts';

const folder = useFolders();
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function serve(environment: Record<string, string>) {
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: { ...childEnvironment, PORT: String(await freePort()), LOG_LEVEL: 'info', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const said = { text: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said.text += String(chunk);
    });
  }
  return { child, said, ended: once(child, 'close').then(([code]) => code as number | null) };
}

function dataFolder() {
  const directory = folder();
  return {
    environment: { DATA_DIRECTORY: join(directory, 'data'), KEYS_DIRECTORY: join(directory, 'keys') },
    postmaster: join(directory, 'data', 'postgres', 'postmaster.pid'),
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a signal during the start', () => {
  it('stops the database that was started already, and nothing is served', { timeout: 60_000 }, async () => {
    const { environment, postmaster } = dataFolder();
    const { child, said, ended } = await serve(environment);
    await expect.poll(() => existsSync(postmaster), { timeout: 30_000, interval: 5 }).toBe(true);
    const pid = Number(readFileSync(postmaster, 'utf8').split('\n')[0]);
    child.kill('SIGTERM');

    expect(await ended).toBe(0);
    expect(said.text).not.toContain('Gatehouse is ready');
    expect(existsSync(postmaster)).toBe(false);
    // What is left of it is the system's to clear away, a moment later.
    await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false);
  });
});

describe('a start that cannot be', () => {
  it('says in one sentence that the database is away, without a stack or the password', async () => {
    const port = await freePort();
    const { said, ended } = await serve({
      DATABASE_URL: `postgres://me:hush-hush@127.0.0.1:${port}/gatehouse`,
    });

    expect(await ended).toBe(75);
    expect(said.text.trim().split('\n')).toEqual([
      `error: Nothing that answers as PostgreSQL is at the address in DATABASE_URL. Check that it runs and that host and port are right. server: 127.0.0.1:${port} database: gatehouse reason: ECONNREFUSED (database_unreachable)`,
    ]);
  });

  it.each([
    [
      'the user is refused',
      (url: URL) => Object.assign(url, { username: 'nobody_here' }),
      4,
      'database_login_refused',
    ],
    [
      'there is no such database',
      (url: URL) => Object.assign(url, { pathname: '/not_there' }),
      3,
      'database_missing',
    ],
  ])('says in one sentence that %s, and what to do', async (_what, change, code, problem) => {
    const url = change(new URL(inject('ownerUrl')));
    const { said, ended } = await serve({ DATABASE_URL: url.href, KEYS_DIRECTORY: join(folder(), 'keys') });

    expect(await ended).toBe(code);
    expect(said.text).toMatch(new RegExp(`^error: PostgreSQL [^\\n]+\\(${problem}\\)\\n$`));
  });

  it('says that the password is wrong, without showing it', () => {
    const refused = Object.assign(new Error('password authentication failed for user "me"'), {
      code: '28P01',
    });
    const said = startErrorOf(refused, 'postgres://me:hush-hush@db.example.com/gatehouse');
    expect(said).toMatchObject({ code: 'database_login_refused', details: { server: 'db.example.com' } });
    expect(JSON.stringify(said)).not.toContain('hush-hush');
  });

  it('says that the port is taken', async () => {
    const { environment } = dataFolder();
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const { said, ended } = await serve({ ...environment, PORT: String(port) });
    expect(await ended).toBe(4);
    expect(said.text).toMatch(/error: Another program already listens[^\n]+\(port_in_use\)\n$/);
    holder.close();
  });

  it('says that another server already runs on the data', { timeout: 60_000 }, async () => {
    const { environment } = dataFolder();
    const first = await serve(environment);
    await expect.poll(() => first.said.text, { timeout: 30_000 }).toContain('Gatehouse is ready');
    const second = await serve(environment);

    expect(await second.ended).toBe(4);
    expect(second.said.text).toMatch(
      /^error: Another Gatehouse server already runs on this data\..*\(data_in_use\)\n$/,
    );
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
  });
});

describe('a stop', () => {
  const database = useDatabase();

  it('does not wait for a job longer than the grace period', async () => {
    const config = testConfig({
      PORT: String(await freePort()),
      DATABASE_URL: database.databaseUrl(),
      KEYS_DIRECTORY: join(folder(), 'keys'),
      SHUTDOWN_GRACE_SECONDS: '1',
      LOG_LEVEL: 'silent',
    });
    const hanging = Promise.withResolvers<void>();
    const server = await startServer(config, {
      prepare: async ({ jobs }) => {
        const run = () => {
          hanging.resolve();
          return new Promise<void>(() => {});
        };
        jobs.push({ name: 'hangs', everySeconds: 1, run });
      },
    });
    await hanging.promise;
    const begun = Date.now();
    await server.stop();

    expect(Date.now() - begun).toBeLessThan(4_000);
  });
});
