// The way out when a release brings another major version of PostgreSQL: a backup with the old one, a restore with the new one.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { openEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useFolders } from '../support/folder.ts';
import { type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { backupOn, byName, masterKey, sumsOf } from './world.ts';

const execute = promisify(execFile);
const folder = useFolders();
const place = folder();
const old = { DATA_DIRECTORY: join(place, 'data'), MASTER_KEY: masterKey };
const next = { DATA_DIRECTORY: join(place, 'data-next'), MASTER_KEY: masterKey };
const path = join(place, 'before.backup');
const running: ServerProcess[] = [];
afterAll(() => Promise.all(running.map((server) => server.end('SIGKILL'))));

it('a backup is made beside the running server, through a pipe too, and comes back whole in a new directory', async () => {
  const server = await spawnServer(old);
  running.push(server);
  const shell = `${process.execPath} src/cli.ts backup - | tee '${path}' | ${process.execPath} src/cli.ts backup verify - --json`;
  const { stdout } = await execute('sh', ['-c', shell], { env: { PATH: process.env.PATH, ...old } });
  const { tables } = JSON.parse(stdout);
  expect((await fetch(`${server.issuer}/readyz`)).status).toBe(200);
  await server.end();

  await writeFile(join(old.DATA_DIRECTORY, 'postgres', 'PG_VERSION'), '17\n');
  await expect(backupOn(old).write(join(place, 'none.backup'))).rejects.toThrow(
    /made by PostgreSQL 17.*`gatehouse backup`.*new directory.*`gatehouse restore`/,
  );

  await backupOn(next).bringBack(path, { keepSessions: true });
  const postgres = await openEmbeddedPostgres({
    dataDirectory: next.DATA_DIRECTORY,
    role: 'command',
    log: silentLog,
  });
  const { audit_events: _, ...restored } = await sumsOf(postgres.url);
  await postgres.release();
  const { audit_events: __, ...backedUp } = byName(tables);
  expect(restored).toMatchObject(backedUp);
  expect(backedUp.signing_keys?.rows).toBeGreaterThan(0);

  const again = await spawnServer(next);
  running.push(again);
  expect((await fetch(`${again.issuer}/.well-known/openid-configuration`)).status).toBe(200);
  await again.end();
}, 120_000);
