// gatehouse move: from the embedded database (or any) to one's own PostgreSQL, and nobody writes to the wrong one afterwards.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { openEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { childEnvironment } from '../support/child.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { byName, masterKey, sumsOf } from './world.ts';

const execute = promisify(execFile);
const folder = useFolders();
const target = useDatabase('empty');
const data = join(folder(), 'data');
const embedded = { DATA_DIRECTORY: data, MASTER_KEY: masterKey };
const own = () => ({ DATABASE_URL: target.databaseUrl(), MASTER_KEY: masterKey });
const running: ServerProcess[] = [];
afterAll(() => Promise.all(running.map((server) => server.end('SIGKILL'))));

it('refuses while the server serves the embedded data', async () => {
  const server = await spawnServer(embedded);
  running.push(server);
  const moved = await gatehouse(embedded, 'move', '--to', target.databaseUrl());
  expect(moved).toMatchObject({ code: 4, error: { code: 'data_in_use' } });
  await server.end();
}, 60_000);

it('moves everything, says what to set, and the old data is not served any more', async () => {
  await gatehouse(embedded, 'user', 'create', '--email', 'ann@example.com', '--password-stdin');
  const before = await sumsInside();
  const moved = await gatehouse(embedded, 'move', '--to', target.databaseUrl());
  expect(moved.code, moved.err).toBe(0);
  const tables = byName(moved.json.tables);

  // The note itself stays behind; everything else was there before, byte for byte.
  const { data_moves: _, ...expected } = before;
  expect(tables).toEqual(expected);
  expect(moved.json.movedTo).toMatch(/gatehouse_test_/);
  expect(JSON.stringify(moved.json)).not.toContain('postgresql:');

  const serve = await gatehouse(embedded, 'serve');
  expect(serve.code).not.toBe(0);
  expect(serve.err).toMatch(/moved to another database.*move --undo/);
  const command = await gatehouse(embedded, 'user', 'list');
  expect(command).toMatchObject({ code: 4, error: { code: 'data_moved' } });
  const twice = await gatehouse(embedded, 'move', '--to', target.databaseUrl());
  expect(twice).toMatchObject({ code: 4, error: { code: 'data_moved' } });

  const server = await spawnServer(own());
  running.push(server);
  const { json } = await gatehouse(own(), 'user', 'list');
  expect(JSON.stringify(json)).toContain('ann@example.com');
  const [event] = await target.db('audit_events').where({ type: 'data.moved' }).select('actor_kind');
  expect(event).toEqual({ actor_kind: 'operator' });
  await server.end();
}, 120_000);

it('can be taken back, and then the old data is served again', async () => {
  expect((await gatehouse(embedded, 'move', '--undo')).json).toEqual({ undone: true });
  expect((await gatehouse(embedded, 'user', 'list')).code).toBe(0);
  expect((await gatehouse(embedded, 'move', '--undo')).json).toEqual({ undone: false });
}, 60_000);

it('refuses a target that holds data, and leaves no note', async () => {
  const refused = await gatehouse(embedded, 'move', '--to', target.databaseUrl());
  expect(refused).toMatchObject({ code: 4, error: { code: 'database_not_empty' } });
  expect((await gatehouse(embedded, 'user', 'list')).code).toBe(0);
}, 60_000);

async function sumsInside() {
  const postgres = await openEmbeddedPostgres({ dataDirectory: data, role: 'command', log: silentLog });
  try {
    return await sumsOf(postgres.url);
  } finally {
    await postgres.release();
  }
}

async function gatehouse(environment: Record<string, string>, ...words: string[]) {
  const env = { ...childEnvironment, ...environment };
  const child = execute(process.execPath, ['src/cli.ts', ...words, '--json'], { env });
  child.child.stdin?.end('seven lanterns over a wide meadow\n');
  const { stdout, stderr, code } = await child.then(
    (done) => ({ ...done, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
  const said = (text: string) => (text.trim().startsWith('{') ? JSON.parse(text) : {});
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return { code, err: stderr, json: said(stdout), error: said(last).error };
}
