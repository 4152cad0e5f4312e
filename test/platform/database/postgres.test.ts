// The pool: transactions, health, and telling an absent database from a mistake.
import { expect, test } from 'vitest';
import {
  checkVersion,
  createPostgres,
  isDatabaseUnavailable,
} from '../../../src/platform/database/postgres.ts';
import { useDatabase } from '../../support/database.ts';

const { postgres, db, databaseUrl } = useDatabase();

test('undoes a transaction that throws', async () => {
  const failing = postgres.transaction(async (trx) => {
    await trx('change_counters').insert({ topic: 'clients', revision: 1 });
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await db('change_counters').where({ topic: 'clients' }).select('topic')).toEqual([]);
});

test('answers the result of a transaction', async () => {
  expect(await postgres.transaction(async (trx) => (await trx.raw('select 7 as n')).rows[0].n)).toBe(7);
});

test('accepts the version of the server', async () => {
  await expect(checkVersion(db)).resolves.toBeUndefined();
});

test('refuses a server before version 15 with a sentence', async () => {
  const old = { raw: async () => ({ rows: [{ number: '140011', name: '14.11' }] }) };
  await expect(checkVersion(old as never)).rejects.toThrow(/14\.11.*15 or later/);
});

test('is healthy while the database answers', async () => {
  expect(await postgres.health()).toBe(true);
});

test('is not healthy, fast and without throwing, when nothing listens', async () => {
  const away = open('postgresql://gatehouse@127.0.0.1:1/gatehouse');
  const begun = Date.now();
  expect(await away.health()).toBe(false);
  expect(Date.now() - begun).toBeLessThan(6_000);
  await away.close();
});

test('recognises a refused connection as an absent database', async () => {
  const away = open('postgresql://gatehouse@127.0.0.1:1/gatehouse');
  expect(isDatabaseUnavailable(await caught(away.db.raw('select 1')))).toBe(true);
  await away.close();
});

test('recognises a connection that is ended in the middle of a query', async () => {
  const own = open(databaseUrl());
  const pid = (await own.db.raw('select pg_backend_pid() as pid')).rows[0].pid;
  const waiting = caught(own.db.raw('select pg_sleep(10)'));
  await expect.poll(() => activeQuery(pid)).toContain('pg_sleep');
  await db.raw('select pg_terminate_backend(?)', [pid]);
  expect(isDatabaseUnavailable(await waiting)).toBe(true);
  await expect.poll(() => own.health()).toBe(true);
  await own.close();
});

test('recognises a pool that has no connection to give', async () => {
  const own = open(databaseUrl(), 1);
  // Knex starts a query when somebody waits for it.
  const holding = caught(own.db.raw('select pg_sleep(7)'));
  expect(isDatabaseUnavailable(await caught(own.db.raw('select 1')))).toBe(true);
  await holding;
  await own.close();
});

test('does not take mistakes for an absent database', async () => {
  expect(isDatabaseUnavailable(await caught(db.raw('select nonsense')))).toBe(false);
  expect(
    isDatabaseUnavailable(Object.assign(new Error('no file'), { code: 'ENOENT', syscall: 'open' })),
  ).toBe(false);
  expect(isDatabaseUnavailable('text')).toBe(false);
});

test('keeps bound values out of error messages', async () => {
  const error = await caught(
    db('change_counters').insert({ topic: 'canary-value', revision: 'canary-value' }),
  );
  expect(String((error as Error).message)).not.toContain(
    'insert into "change_counters" ("revision", "topic") values (\'',
  );
});

test('ends a statement that runs too long', async () => {
  const own = createPostgres({
    url: databaseUrl(),
    poolMax: 1,
    statementTimeoutSeconds: 1,
    applicationName: 'gatehouse test',
  });
  expect(await caught(own.db.raw('select pg_sleep(10)'))).toMatchObject({ code: '57014' });
  await own.close();
});

function open(url: string, poolMax = 2) {
  return createPostgres({ url, poolMax, statementTimeoutSeconds: 20, applicationName: 'gatehouse test' });
}

async function activeQuery(pid: number): Promise<string> {
  const { rows } = await db.raw('select query from pg_stat_activity where pid = ?', [pid]);
  return rows[0]?.query ?? '';
}

function caught(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then(
    () => undefined,
    (error: unknown) => error,
  );
}
