// The PostgreSQL we bring along: made, adopted, shared and stopped, whatever happens to the processes around it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';

let parent: string;
let data: string;
let opened: EmbeddedPostgres[];
let children: ChildProcess[];

// Making a database is most of the work of starting one: those that are not about that take a copy.
const made = mkdtempSync(join(tmpdir(), 'gatehouse-made-'));
const takeMade = () => promisify(execFile)('cp', ['-a', join(made, 'data'), data]);

beforeAll(async () => {
  await chmod(made, 0o755);
  const settings = { dataDirectory: join(made, 'data'), role: 'command', log: silentLog } as const;
  await (await openEmbeddedPostgres(settings)).release();
}, 60_000);
afterAll(() => rm(made, { recursive: true, force: true }));

beforeEach(async () => {
  // Private to whoever runs the tests; under root the database's user cannot enter it. The space is on purpose.
  parent = await mkdtemp(join(tmpdir(), 'gatehouse test '));
  data = join(parent, 'data');
  [opened, children] = [[], []];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const postgres of opened) await postgres.release().catch(() => {});
  const left = await postmaster().catch(() => undefined);
  if (left !== undefined && isAlive(left)) process.kill(left, 'SIGKILL');
  await rm(parent, { recursive: true, force: true, maxRetries: 5 });
});

test('serves a durable database through a private socket and stops it at release', async () => {
  const serve = await open('serve');
  expect(
    await one(serve.url, `select current_setting('fsync') || current_setting('synchronous_commit') as v`),
  ).toBe('onon');
  expect(await one(serve.url, `select current_setting('listen_addresses') as v`)).toBe('');
  expect(await one(serve.url, 'select current_user as v')).toBe('gatehouse');
  expect(await one(serve.url, 'select usesuper::text as v from pg_user where usename = current_user')).toBe(
    'false',
  );
  expect((await stat(join(data, 'postgres'))).mode & 0o077).toBe(0);
  const pid = await postmaster();
  await serve.release();
  // It ended before release() answered; this process may take a moment to notice that its child is gone.
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
});

test('keeps what was written over a stop and a start', async () => {
  await takeMade();
  const first = await open('serve');
  await one(first.url, `create table kept as select 'still here' as v`);
  await first.release();
  const second = await open('serve');
  expect(await one(second.url, 'select v from kept')).toBe('still here');
});

test('runs the database in a session of its own, which Ctrl-C does not reach', async () => {
  await takeMade();
  await open('serve');
  const group = async (pid: number) =>
    (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[2];
  expect(await group(await postmaster())).not.toBe(await group(process.pid));
});

test('refuses a second serve on the same data, and says where', async () => {
  await takeMade();
  const serve = await open('serve');
  await expect(open('serve')).rejects.toMatchObject({
    code: 'data_in_use',
    details: { directory: expect.stringContaining('data/postgres') },
  });
  expect(await one(serve.url, 'select 1 as v')).toBe(1);
});

test('adopts the database of a serve that was killed', async () => {
  await takeMade();
  const { child, url } = await openInProcess('serve');
  await one(url, `create table kept as select 'still here' as v`);
  const pid = await postmaster();
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(pid)).toBe(true);
  const next = await open('serve');
  expect(await postmaster()).toBe(pid);
  expect(await one(next.url, 'select v from kept')).toBe('still here');
  await next.release();
  expect(isAlive(pid)).toBe(false);
});

test('lets a command join the database of a running serve and leaves it running', async () => {
  await takeMade();
  const serve = await open('serve');
  const pid = await postmaster();
  const command = await open('command');
  expect(await one(command.url, 'select 1 as v')).toBe(1);
  await command.release();
  expect(await postmaster()).toBe(pid);
  expect(await one(serve.url, 'select 1 as v')).toBe(1);
});

test('starts the database for a command and stops it when the command ends', async () => {
  await takeMade();
  const command = await open('command');
  const pid = await postmaster();
  await command.release();
  await vi.waitFor(() => expect(isAlive(pid)).toBe(false));
});

test('leaves the database to a serve that came up while the command ran', async () => {
  await takeMade();
  const command = await open('command');
  const serve = await open('serve');
  await command.release();
  expect(await one(serve.url, 'select 1 as v')).toBe(1);
});

test('leaves the database to a client that is connected to it directly', async () => {
  await takeMade();
  const command = await open('command');
  const client = new Client({ connectionString: command.url });
  await client.connect();
  await command.release();
  expect((await client.query('select 1 as v')).rows).toEqual([{ v: 1 }]);
  await client.end();
});

test('makes one database when several processes begin at once', async () => {
  const started = await Promise.all([
    openInProcess('command'),
    openInProcess('command'),
    openInProcess('serve'),
  ]);
  const pid = await postmaster();
  for (const { url } of started) expect(await one(url, 'select 1 as v')).toBe(1);
  for (const { child } of started) {
    child.stdin?.write('release\n');
    expect((await once(child, 'exit'))[0]).toBe(0);
  }
  expect(isAlive(pid)).toBe(false);
}, 90_000);

test('starts over a pid file that a crash left behind', async () => {
  await takeMade();
  const { child, url } = await openInProcess('command');
  await one(url, `create table kept as select 'still here' as v`);
  const pid = await postmaster();
  child.kill('SIGKILL');
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => isAlive(pid)).toBe(false);
  const serve = await open('serve');
  expect(await postmaster()).not.toBe(pid);
  expect(await one(serve.url, 'select v from kept')).toBe('still here');
});

test('starts over a pid file whose number now belongs to another program', async () => {
  await takeMade();
  const first = await open('serve');
  const file = join(data, 'postgres', 'postmaster.pid');
  const lines = (await readFile(file, 'utf8')).split('\n');
  await first.release();
  const stranger = spawn('sleep', ['60']);
  children.push(stranger);
  await writeFile(file, [stranger.pid, ...lines.slice(1)].join('\n'));
  const serve = await open('serve');
  expect(await one(serve.url, 'select 1 as v')).toBe(1);
  expect(stranger.exitCode).toBe(null);
});

test('brings the database back when it dies under a running serve', async () => {
  await takeMade();
  const serve = await open('serve');
  const pid = await postmaster();
  process.kill(pid, 'SIGKILL');
  const claims = `select count(*)::int as v from pg_locks where locktype = 'advisory' and objid = 2 and granted`;
  await expect.poll(() => one(serve.url, claims).catch(() => 0), { timeout: 20_000 }).toBe(1);
  expect(await postmaster()).not.toBe(pid);
  await expect(open('serve')).rejects.toMatchObject({ code: 'data_in_use' });
  await serve.release();
  expect(isAlive(await postmaster().catch(() => pid))).toBe(false);
});

test('moves the socket when the path of the data is too long for one', async () => {
  data = join(parent, 'a'.repeat(60), 'b'.repeat(60));
  const serve = await open('serve');
  const directory = new URL(serve.url).searchParams.get('host') ?? '';
  expect(directory.length).toBeLessThan(60);
  expect((await stat(directory)).mode & 0o077).toBe(0);
  expect(await one(serve.url, 'select 1 as v')).toBe(1);
  await serve.release();
  await rm(directory, { recursive: true });
});

test('names the directory and the remedy when the data directory cannot be made', async () => {
  await writeFile(join(parent, 'file'), '');
  data = join(parent, 'file', 'data');
  await expect(open('serve')).rejects.toThrow(/file\/data cannot be made.*Set DATA_DIRECTORY/);
});

test('refuses the data of another major version with the way out', async () => {
  await takeMade();
  await (await open('command')).release();
  await writeFile(join(data, 'postgres', 'PG_VERSION'), '15\n');
  await expect(open('serve')).rejects.toThrow(
    /made by PostgreSQL 15, and this release brings \d+.*`gatehouse backup`.*DATA_DIRECTORY.*`gatehouse restore`/,
  );
});

test('writes its log into a file of its own, never through a link that lies there', async () => {
  const elsewhere = join(parent, 'somebody-elses');
  await writeFile(elsewhere, 'theirs');
  await mkdir(data);
  await symlink(elsewhere, join(data, 'postgres.log'));
  const before = await stat(elsewhere);

  await expect(open('serve')).rejects.toThrow(/ELOOP/);
  expect(await readFile(elsewhere, 'utf8')).toBe('theirs');
  expect((await stat(elsewhere)).uid).toBe(before.uid);
});

test('shows the last lines of the log when the database does not start', async () => {
  await takeMade();
  await (await open('command')).release();
  await writeFile(join(data, 'postgres', 'postgresql.conf'), 'nonsense = on\n');
  await expect(open('serve')).rejects.toThrow(/does not start.*nonsense/s);
});

test.runIf(process.getuid?.() === 0)('refuses data that belongs to root and names the remedy', async () => {
  await mkdir(join(data, 'postgres'), { recursive: true });
  await chmod(join(data, 'postgres'), 0o700);
  await expect(open('serve')).rejects.toThrow(/belongs to root.*chown -R \w+ '.*data\/postgres'/);
});

async function open(role: 'serve' | 'command'): Promise<EmbeddedPostgres> {
  const postgres = await openEmbeddedPostgres({ dataDirectory: data, role, log: silentLog });
  opened.push(postgres);
  return postgres;
}

async function openInProcess(role: 'serve' | 'command'): Promise<{ child: ChildProcess; url: string }> {
  const script = new URL('embedded-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, data, role], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  return { child, url: String(line).trim() };
}

async function postmaster(): Promise<number> {
  return Number((await readFile(join(data, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

/** A zombie is dead, as is a number that another program has: the killed parent cannot reap it, and the first process of a container need not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return (
      process.platform !== 'linux' || / \(postgres\) [^Z]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    );
  } catch {
    return false;
  }
}

async function one(url: string, sql: string): Promise<unknown> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(sql)).rows[0]?.v;
  } finally {
    await client.end();
  }
}
