// A restore that is killed in the middle leaves the database as it was, and the next one finishes the work.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { childEnvironment } from '../support/child.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { backupOn, masterKey, relationsOf, sumsOf } from './world.ts';

const source = useDatabase();
const target = useDatabase('empty');
const folder = useFolders();
const ROWS = 100_000;
// Node with everything loaded takes 120, the rows 140 once: whoever gathers them in memory does not stay under it.
const MOST_MEGABYTES = 280;

it(`takes ${ROWS} rows through bounded memory, survives kill -9, and comes back whole`, async () => {
  await source.db.raw(
    `insert into audit_events (id, occurred_at, type, outcome, actor_kind, details)
     select 'evt_' || i, now() - i * interval '1 second', 'token.issued', 'success', 'client',
            jsonb_build_object('text', repeat(md5(i::text), 20))
       from generate_series(1, ?::int) i`,
    [ROWS],
  );
  const place = folder();
  const path = join(place, 'large.backup');
  const stopped = gatehouse(source.databaseUrl(), ['backup', path]);
  await until(async () => (await readdir(place)).length > 0, 'no file was begun');
  stopped.child.kill('SIGINT');
  expect(await stopped.ended, stopped.said()).toBe(130);
  expect(await readdir(place)).toEqual([]);

  const made = gatehouse(source.databaseUrl(), ['backup', path]);
  expect(await made.ended, made.said()).toBe(0);
  expect(made.megabytes()).toBeLessThan(MOST_MEGABYTES);

  const killed = gatehouse(target.databaseUrl(), ['restore', path]);
  await rowsArrive();
  killed.child.kill('SIGKILL');
  await killed.ended;
  const left = await relationsOf(target.databaseUrl());
  expect(left.filter((name) => name.startsWith('public.'))).toEqual([]);

  const again = gatehouse(target.databaseUrl(), ['restore', path]);
  expect(await again.ended, again.said()).toBe(0);
  expect(again.megabytes()).toBeLessThan(MOST_MEGABYTES);
  const sums = await sumsOf(target.databaseUrl());
  expect(sums.accounts).toEqual((await sumsOf(source.databaseUrl())).accounts);
  // The events of the backup and of the restore came after it.
  expect(sums.audit_events?.rows).toBe(ROWS + 1);
  expect((await relationsOf(target.databaseUrl())).filter((name) => !name.startsWith('public.'))).toEqual([]);
  await expect(backupOn({ DATABASE_URL: target.databaseUrl() }).bringBack(path)).rejects.toMatchObject({
    code: 'database_not_empty',
  });
}, 180_000);

const rowsArrive = () =>
  until(async () => {
    const { rows } = await target.db.raw(
      'select 1 from pg_stat_progress_copy where tuples_processed > 20000',
    );
    return rows.length > 0;
  }, 'no rows came');

async function until(seen: () => Promise<boolean>, otherwise: string): Promise<void> {
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    if (await seen()) return;
    await delay(20);
  }
  throw new Error(otherwise);
}

function gatehouse(databaseUrl: string, words: string[]) {
  const env = { ...childEnvironment, DATABASE_URL: databaseUrl, MASTER_KEY: masterKey };
  const child: ChildProcess = spawn(process.execPath, ['src/cli.ts', ...words], { env });
  const chunks: string[] = [];
  let most = 0;
  child.stdout?.on('data', (chunk) => chunks.push(String(chunk)));
  child.stderr?.on('data', (chunk) => chunks.push(String(chunk)));
  const watch = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }, 50);
  const ended = once(child, 'exit').then(([code]) => {
    clearInterval(watch);
    return code as number | null;
  });
  return { child, ended, said: () => chunks.join(''), megabytes: () => most };
}
