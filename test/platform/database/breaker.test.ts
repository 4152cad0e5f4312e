// PostgreSQL killed, paused or slow: nobody waits long for it, nothing uncertain counts as done, and it is taken up again.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createPostgres,
  isDatabaseUnavailable,
  type Postgres,
} from '../../../src/platform/database/postgres.ts';
import type { Log } from '../../../src/platform/telemetry/log.ts';
import { usePostgresServer } from '../../support/postgres-server.ts';

const server = usePostgresServer();
const opened: Postgres[] = [];
afterAll(() => Promise.all(opened.map((postgres) => postgres.close())));

function open(more: { poolMax?: number; statementTimeoutSeconds?: number } = {}) {
  const lines: string[] = [];
  const note = (message: string) => void lines.push(message);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const postgres = createPostgres({
    url: server.url(),
    poolMax: more.poolMax ?? 5,
    statementTimeoutSeconds: more.statementTimeoutSeconds ?? 10,
    applicationName: 'gatehouse test',
    log,
  });
  opened.push(postgres);
  return { postgres, db: postgres.db, lines };
}

/** How the promise ended, and after how many milliseconds. */
async function timed(promise: PromiseLike<unknown>) {
  const begun = performance.now();
  const error = await Promise.resolve(promise).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, milliseconds: performance.now() - begun };
}

const back = (postgres: Postgres) =>
  expect.poll(() => postgres.health(), { timeout: 5_000, interval: 20 }).toBe(true);
const AWAY = /PostgreSQL is away/;
const BACK = /PostgreSQL is back/;

describe('a PostgreSQL that is paused', () => {
  it('makes nobody wait longer than about a second, and nobody at all afterwards', async () => {
    const { postgres, db, lines } = open();
    await Promise.all(Array.from({ length: 5 }, () => db.raw('select 1')));
    await server.pause();
    // More than the pool has connections: some wait for an answer, some for a connection.
    const first = await Promise.all(Array.from({ length: 20 }, () => timed(db.raw('select 1'))));
    for (const { error, milliseconds } of first) {
      expect(isDatabaseUnavailable(error)).toBe(true);
      expect(milliseconds).toBeLessThan(1_500);
    }
    const next = await timed(db.raw('select 1'));
    expect(isDatabaseUnavailable(next.error)).toBe(true);
    expect(next.milliseconds).toBeLessThan(50);
    expect(await postgres.health()).toBe(false);

    await server.resume();
    const begun = performance.now();
    await back(postgres);
    expect(performance.now() - begun).toBeLessThan(2_000);
    await Promise.all(Array.from({ length: 20 }, () => db.raw('select 1')));
    expect(lines).toEqual([expect.stringMatching(AWAY), expect.stringMatching(BACK)]);
  });

  it('never lets a commit that was cut off count as done', async () => {
    const { postgres, db } = open();
    await db.raw('create table if not exists cut_off (id int)');
    const transaction = postgres.transaction(async (trx) => {
      await trx.raw('insert into cut_off values (1)');
      await server.pause();
    });
    const { error, milliseconds } = await timed(transaction);
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect(milliseconds).toBeLessThan(2_000);
    await server.resume();
    await back(postgres);
  });
});

describe('a PostgreSQL that is killed', () => {
  it('is refused for at once and taken up again when it is back, without a broken connection in the pool', async () => {
    const { postgres, db, lines } = open();
    await Promise.all(Array.from({ length: 5 }, () => db.raw('select 1')));
    const running = timed(db.raw('select pg_sleep(5)'));
    const held = timed(
      postgres.transaction(async (trx) => {
        await trx.raw('select 1');
        await delay(300);
        await trx.raw('select 2');
      }),
    );
    await delay(50);
    await server.kill();
    expect(isDatabaseUnavailable((await running).error)).toBe(true);
    expect(isDatabaseUnavailable((await held).error)).toBe(true);
    await expect.poll(() => lines.length).toBe(1);
    expect((await timed(db.raw('select 1'))).milliseconds).toBeLessThan(50);

    await server.start();
    const begun = performance.now();
    await back(postgres);
    expect(performance.now() - begun).toBeLessThan(2_000);
    await Promise.all(Array.from({ length: 20 }, () => db.raw('select 1')));
    expect(lines).toEqual([expect.stringMatching(AWAY), expect.stringMatching(BACK)]);
  });
});

describe('a PostgreSQL that is only slow', () => {
  it('is left to finish a long statement', async () => {
    const { db, lines } = open();
    expect((await timed(db.raw('select pg_sleep(2)'))).error).toBeUndefined();
    expect(lines).toEqual([]);
  });

  it('is not taken for one that is away because the pool is used up', async () => {
    const { db, lines } = open({ poolMax: 1 });
    const holding = timed(db.raw('select pg_sleep(6)'));
    expect((await timed(db.raw('select 1'))).milliseconds).toBeGreaterThan(4_500);
    expect((await holding).error).toBeUndefined();
    expect(lines).toEqual([]);
  });

  it('loses one connection without anybody else noticing', async () => {
    const { db, lines } = open();
    const sleeping = timed(db.raw('select pg_sleep(5) as ended_by_somebody'));
    await delay(200);
    await db.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where query like '%ended_by_somebody' and pid <> pg_backend_pid()`,
    );
    expect(isDatabaseUnavailable((await sleeping).error)).toBe(true);
    await delay(500);
    expect((await timed(db.raw('select 1'))).error).toBeUndefined();
    expect(lines).toEqual([]);
  });
});

describe('a PostgreSQL that is out of disk', () => {
  it('is a refusal for now and no mistake of ours; reads go on, and the log says it once', async () => {
    const { postgres, db, lines } = open();
    const write = () =>
      timed(db.raw(`do $$ begin raise exception 'no space left' using errcode = '53100'; end $$`));
    for (const { error } of await Promise.all([write(), write(), write()])) {
      expect(isDatabaseUnavailable(error)).toBe(true);
    }
    expect((await timed(db.raw('select 1'))).error).toBe(undefined);
    expect(await postgres.health()).toBe(true);
    expect(lines.filter((line) => /out of disk/.test(line))).toHaveLength(1);
    expect(lines.filter((line) => AWAY.test(line))).toEqual([]);
  });
});
