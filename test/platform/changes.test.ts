// Changes reach every node: only committed ones, each at least once, also after a listener failed.
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it, test } from 'vitest';
import { type Changes, createChanges } from '../../src/platform/changes.ts';
import { createPostgres } from '../../src/platform/database/postgres.ts';
import type { Redis } from '../../src/platform/redis/redis.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';
import { usePostgresServer } from '../support/postgres-server.ts';
import { untilUp, useRedis } from '../support/redis.ts';
import { needs } from '../support/tools.ts';

const { postgres, db } = useDatabase();

function node() {
  const changes = createChanges({ db, log: silentLog });
  const heard: string[] = [];
  changes.on('clients', () => void heard.push('clients'));
  changes.on('apis', () => void heard.push('apis'));
  return { changes, heard };
}

test('tells another node of a change, and only of that topic', async () => {
  const [here, there] = [node(), node()];
  await there.changes.poll();
  there.heard.length = 0;
  await here.changes.bump(db, 'clients');
  await there.changes.poll();
  expect(there.heard).toEqual(['clients']);
  await there.changes.poll();
  expect(there.heard).toEqual(['clients']);
});

test('tells its own node too', async () => {
  const { changes, heard } = node();
  await changes.poll();
  heard.length = 0;
  await changes.bump(db, 'apis');
  await changes.poll();
  expect(heard).toEqual(['apis']);
});

test('hears of the other topics while one cannot be loaded, and of that one when it can', async () => {
  const changes = createChanges({ db, log: silentLog });
  const heard: string[] = [];
  let broken = true;
  for (const topic of ['apis', 'clients', 'signing-keys'] as const) {
    changes.on(topic, () => {
      if (topic === 'apis' && broken) throw new Error('it cannot be loaded');
      heard.push(topic);
    });
    await changes.bump(db, topic);
  }
  await expect(changes.poll()).rejects.toThrow('it cannot be loaded');
  expect(heard.toSorted()).toEqual(['clients', 'signing-keys']);
  broken = false;
  await changes.poll();
  expect(heard.toSorted()).toEqual(['apis', 'clients', 'signing-keys']);
});

test('says nothing of a change that was undone', async () => {
  const { changes, heard } = node();
  await changes.poll();
  heard.length = 0;
  await postgres
    .transaction(async (trx) => {
      await changes.bump(trx, 'apis');
      throw new Error('undone');
    })
    .catch(() => {});
  await changes.poll();
  expect(heard).toEqual([]);
});

test('is heard within two seconds without being asked', async () => {
  const [here, there] = [node(), node()];
  await there.changes.start();
  there.heard.length = 0;
  await here.changes.bump(db, 'clients');
  await expect.poll(() => there.heard, { timeout: 2_000 }).toEqual(['clients']);
  await there.changes.stop();
});

test('calls a listener again that failed', async () => {
  const changes = createChanges({ db, log: silentLog });
  let calls = 0;
  changes.on('signing-keys', () => {
    calls += 1;
    if (calls === 1) throw new Error('not this time');
  });
  await changes.bump(db, 'signing-keys');
  await expect(changes.poll()).rejects.toThrow('not this time');
  await changes.poll();
  await changes.poll();
  expect(calls).toBe(2);
});

test('loses no count when many change at once', async () => {
  const { changes } = node();
  const before = await revision();
  await Promise.all(
    Array.from({ length: 20 }, () => postgres.transaction((trx) => changes.bump(trx, 'clients'))),
  );
  expect((await revision()) - before).toBe(20);
});

describe('what changed', () => {
  function listening() {
    const { changes } = node();
    const told: (readonly string[] | undefined)[] = [];
    changes.on('clients', (keys) => void told.push(keys));
    return { changes, told };
  }

  test('is named to those who saw everything before it, and to nobody else', async () => {
    const { changes, told } = listening();
    await changes.bump(db, 'clients', 'a');
    await changes.poll();
    await changes.bump(db, 'clients', 'b');
    await Promise.all(
      ['c', 'd', 'b'].map((key) => postgres.transaction((trx) => changes.bump(trx, 'clients', key))),
    );
    await changes.poll();
    expect(told.map((keys) => keys?.toSorted())).toEqual([undefined, ['b', 'c', 'd']]);
  });

  test('may be anything when one change of several named nothing, as the release before does', async () => {
    const { changes, told } = listening();
    await changes.bump(db, 'clients', 'a');
    await changes.poll();
    await changes.bump(db, 'clients', 'b');
    await db('change_counters').where({ topic: 'clients' }).increment('revision', 1);
    await changes.poll();
    expect(told).toEqual([undefined, undefined]);
  });

  test('may be anything when the counter went back, and after a thousand changes that were missed', async () => {
    const { changes, told } = listening();
    await changes.bump(db, 'clients', 'a');
    await changes.poll();
    await db('change_counters').where({ topic: 'clients' }).decrement('revision', 1);
    await changes.poll();
    for (let count = 0; count < 1_002; count += 1) await changes.bump(db, 'clients', 'b');
    await changes.poll();
    expect(told).toEqual([undefined, undefined, undefined]);
    const [kept] = await db('changed_keys').where({ topic: 'clients' }).count();
    expect(Number(kept?.count)).toBeLessThanOrEqual(1_000);
  });

  test('is named again to a listener that failed', async () => {
    const { changes } = node();
    const told: (readonly string[] | undefined)[] = [];
    await changes.bump(db, 'clients', 'a');
    await changes.poll();
    changes.on('clients', (keys) => {
      told.push(keys);
      if (told.length === 1) throw new Error('not this time');
    });
    await changes.bump(db, 'clients', 'b');
    await expect(changes.poll()).rejects.toThrow('not this time');
    expect(changes.silence()).toBeGreaterThan(0);
    await changes.poll();
    expect(told).toEqual([['b'], ['b']]);
  });

  test('is heard or not: the time since the last look that told everything', async () => {
    const { changes } = node();
    expect(changes.silence()).toBe(Number.POSITIVE_INFINITY);
    await changes.poll();
    await delay(20);
    expect(changes.silence()).toBeGreaterThanOrEqual(19);
  });
});

async function revision(): Promise<number> {
  const row = await db('change_counters').where({ topic: 'clients' }).first('revision');
  return Number(row?.revision ?? 0);
}

/** Nodes that run; a look of every second would find a change after half a second on average. */
const BY_MESSAGE = 400;
const started: Changes[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((changes) => changes.stop()));
});

async function startNode(deps: { listen?: typeof postgres.listen; redis?: Redis }) {
  const changes = createChanges({ db, log: silentLog, ...deps });
  const heard: number[] = [];
  changes.on('clients', () => void heard.push(performance.now()));
  await changes.start();
  started.push(changes);
  return { changes, heard };
}

/** Milliseconds from the end of the change on one node until the other has heard of it, the worst of several. */
async function worstOf(
  rounds: number,
  here: Awaited<ReturnType<typeof startNode>>,
  there: Awaited<ReturnType<typeof startNode>>,
): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await delay(137);
    there.heard.length = 0;
    await postgres.transaction((trx) => here.changes.bump(trx, 'clients'));
    const done = performance.now();
    await expect.poll(() => there.heard.length, { timeout: 5_000, interval: 5 }).toBeGreaterThan(0);
    times.push((there.heard[0] ?? Number.NaN) - done);
  }
  return Math.max(...times);
}

describe('messages of PostgreSQL', () => {
  const { listen } = postgres;

  it('bring a change at once', async () => {
    const [here, there] = [await startNode({ listen }), await startNode({ listen })];
    await listeners(2);
    expect(await worstOf(8, here, there)).toBeLessThan(BY_MESSAGE);
  });

  it('come again after the listening connection was cut', async () => {
    const [here, there] = [await startNode({ listen }), await startNode({ listen })];
    await listeners(2);
    await db.raw(`select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen %'`);
    await listeners(2);
    expect(await worstOf(4, here, there)).toBeLessThan(BY_MESSAGE);
  });

  it('say nothing of a change that was undone, and are one look for many changes', async () => {
    const there = await startNode({ listen });
    await listeners(1);
    await delay(50);
    there.heard.length = 0;
    await postgres
      .transaction(async (trx) => {
        await there.changes.bump(trx, 'clients');
        throw new Error('undone');
      })
      .catch(() => {});
    await delay(100);
    expect(there.heard).toEqual([]);
    await Promise.all(Array.from({ length: 30 }, () => there.changes.bump(db, 'clients')));
    await delay(BY_MESSAGE);
    expect(there.heard.length).toBeGreaterThan(0);
    expect(there.heard.length).toBeLessThan(15);
  });

  async function listeners(count: number) {
    const listening = async () => {
      const { rows } = await db.raw<{ rows: unknown[] }>(
        `select 1 from pg_stat_activity where datname = current_database() and query like 'listen %' and state = 'idle'`,
      );
      return rows.length;
    };
    await expect.poll(listening, { timeout: 5_000 }).toBe(count);
  }
});

describe.skipIf(needs('redis-server'))('messages of Redis', () => {
  const server = useRedis();

  it('bring a change at once where PostgreSQL sends none', async () => {
    const [one, two] = [server.newClient(), server.newClient()];
    await Promise.all([untilUp(one), untilUp(two)]);
    const [here, there] = [await startNode({ redis: one }), await startNode({ redis: two })];
    await delay(200);
    expect(await worstOf(8, here, there)).toBeLessThan(BY_MESSAGE);
  });

  it('a change is seen within five seconds when every message is lost', async () => {
    const [one, two] = [server.newClient(), server.newClient()];
    await Promise.all([untilUp(one), untilUp(two)]);
    const deaf = () => ({ stop: async () => {} });
    const here = await startNode({ redis: one, listen: deaf });
    const there = await startNode({ redis: two, listen: deaf });
    server.pause();
    try {
      expect(await worstOf(3, here, there)).toBeLessThan(5_000);
    } finally {
      server.resume();
    }
  });
});

describe('an outage of PostgreSQL', () => {
  const server = usePostgresServer();

  it('ends the looks with one line, and they go on afterwards by themselves', {
    timeout: 30_000,
  }, async () => {
    const own = createPostgres({
      url: server.url(),
      poolMax: 3,
      statementTimeoutSeconds: 10,
      applicationName: 'gatehouse test',
    });
    const lines: string[] = [];
    const note = (message: string) => void lines.push(message);
    const log = { debug: note, info: note, warn: note, error: note };
    await own.db.raw('create table change_counters (topic text primary key, revision bigint not null)');
    await own.db.raw('create table changed_keys (topic text, revision bigint, key text)');
    const changes = createChanges({ db: own.db, log, listen: own.listen });
    let heard = 0;
    changes.on('apis', () => {
      heard += 1;
    });
    await changes.start();
    await server.pause();
    await delay(3_000);
    await server.resume();
    await expect
      .poll(
        () =>
          changes.bump(own.db, 'apis').then(
            () => true,
            () => false,
          ),
        { timeout: 5_000 },
      )
      .toBe(true);
    await expect.poll(() => heard, { timeout: 5_000 }).toBeGreaterThan(0);
    expect(lines).toEqual(['changes of other nodes cannot be seen', 'changes of other nodes are seen again']);
    await changes.stop();
    await own.close();
  });
});
