// The ledger: what is written, when it is durable, what strangers can put into it, and how it is searched.
import { beforeEach, describe, expect, test } from 'vitest';
import { type Actor, type Audit, createAudit, eventValues, type NewEvent } from '../../src/audit/audit.ts';
import { createPostgres } from '../../src/platform/database/postgres.ts';
import { withOrigin } from '../../src/platform/origin.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';

const { postgres, db, databaseUrl } = useDatabase();
let time = Date.UTC(2026, 10, 22, 12);
const clock = { now: () => new Date(time) };
const admin: Actor = { kind: 'account', id: 'acc_admin' };
const system: Actor = { kind: 'system', id: null };
const page = { limit: 100, cursor: null };
const cursorAt = (time: string) => Buffer.from(JSON.stringify([time, 'evt_1'])).toString('base64url');
const suspended: NewEvent = {
  type: 'account.suspended',
  actor: admin,
  outcome: 'success',
  accountId: 'acc_1',
};

let audit: Audit;
beforeEach(async () => {
  await db('audit_events').delete();
  audit = createAudit({ postgres, log: silentLog, clock });
});

async function types(filter: Parameters<Audit['list']>[0] = {}): Promise<string[]> {
  return (await audit.list(filter, page)).items.map(({ type }) => type);
}

describe('a recorded event', () => {
  test('is committed with its change', async () => {
    await postgres.transaction((trx) => audit.record(trx, suspended));
    expect(await types()).toEqual(['account.suspended']);
  });

  test('is gone when its change is rolled back', async () => {
    const change = postgres.transaction(async (trx) => {
      await audit.record(trx, suspended);
      throw new Error('the change failed');
    });
    await expect(change).rejects.toThrow('the change failed');
    expect(await types()).toEqual([]);
  });

  test('takes the change with it when it cannot be written', async () => {
    await db.raw('create table things (id integer)');
    const change = postgres.transaction(async (trx) => {
      await trx('things').insert({ id: 1 });
      await audit.record(trx, { ...suspended, outcome: 'unheard-of' as 'success' });
    });
    await expect(change).rejects.toMatchObject({ code: '23514' });
    expect(await db('things').select('id')).toEqual([]);
  });

  test('carries everything that is known about the act', async () => {
    await withOrigin({ requestId: 'req_1', address: '192.0.2.7', userAgent: 'curl/8' }, () =>
      audit.record(db, {
        type: 'client.changed',
        actor: admin,
        outcome: 'success',
        clientId: 'app',
        target: { kind: 'client', id: 'app' },
        reason: 'asked for',
        details: { fields: ['name'] },
      }),
    );
    const { items } = await audit.list({}, page);
    expect(items[0]).toEqual({
      id: expect.stringMatching(/^evt_/),
      occurredAt: new Date(time),
      type: 'client.changed',
      outcome: 'success',
      actor: admin,
      accountId: 'acc_admin',
      clientId: 'app',
      target: { kind: 'client', id: 'app' },
      reason: 'asked for',
      details: { fields: ['name'] },
      address: '192.0.2.7',
      userAgent: 'curl/8',
      requestId: 'req_1',
    });
  });

  test('fits into the one statement of a caller', async () => {
    const { columns, placeholders, bindings } = eventValues({ ...suspended, details: { a: 1 } }, clock.now());
    const insert = `insert into audit_events (${columns}) select ${placeholders} from changed`;
    await db.raw(`with changed as (select 1 where false), event as (${insert}) select 1`, bindings);
    expect(await types()).toEqual([]);
    await db.raw(`with changed as (select 1), event as (${insert}) select 1`, bindings);
    expect((await audit.list({}, page)).items).toMatchObject([
      { type: 'account.suspended', details: { a: 1 } },
    ]);
  });
});

describe('text of strangers in an event', () => {
  const hostile = `a\u0000b\u001b[2Jc\r\nd\u202ee\ud800f'; drop table audit_events; --`;

  test('loses control characters, null bytes and half characters, and breaks nothing', async () => {
    await withOrigin({ requestId: hostile, address: hostile, userAgent: hostile }, () =>
      audit.append({
        ...suspended,
        accountId: hostile,
        target: { kind: hostile, id: hostile },
        reason: hostile,
        details: { [hostile]: [{ deep: hostile }], quote: '"\\' },
      }),
    );
    const { items } = await audit.list({}, page);
    const text = JSON.stringify(items);
    expect(items).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(text).not.toMatch(/\\u00|\\r|\\n|\u202e|\\ud800|[\u0000-\u001f]/);
    expect(items[0]?.reason).toBe(`a b [2Jc  d e\ufffdf'; drop table audit_events; --`);
    expect(items[0]?.details.quote).toBe('"\\');
  });

  test('is cut to a bounded length', async () => {
    const long = 'x'.repeat(100_000);
    await withOrigin({ requestId: null, address: null, userAgent: long }, () =>
      audit.append({ ...suspended, reason: long, details: { long } }),
    );
    const event = (await audit.list({}, page)).items[0];
    expect(event?.userAgent).toHaveLength(256);
    expect(event?.reason).toHaveLength(512);
    expect(event?.details).toEqual({ truncated: true, length: 100_011 });
  });
});

describe('group commit', () => {
  test('makes every event durable before its caller goes on', async () => {
    await Promise.all(
      Array.from({ length: 200 }, async (_, number) => {
        await audit.append({ ...suspended, accountId: `acc_${number}` });
        expect(
          await db('audit_events')
            .where({ account_id: `acc_${number}` })
            .count('id as n'),
        ).toEqual([{ n: '1' }]);
      }),
    );
  });

  test('needs at most one statement for ten events at 32 callers', async () => {
    let statements = 0;
    const count = () => {
      statements += 1;
    };
    db.on('query', count);
    const caller = async () => {
      for (let turn = 0; turn < 20; turn += 1) await audit.append(suspended);
    };
    await Promise.all(Array.from({ length: 32 }, caller));
    db.removeListener('query', count);
    expect((await db('audit_events').count('id as n'))[0]?.n).toBe('640');
    expect(statements / 640).toBeLessThanOrEqual(0.1);
  });

  test('rejects the event that PostgreSQL refuses, and only that one', async () => {
    const good = audit.append(suspended);
    const bad = audit.append({ ...suspended, outcome: 'unheard-of' as 'success' });
    const alsoGood = audit.append(suspended);
    await expect(bad).rejects.toMatchObject({ code: '23514' });
    await Promise.all([good, alsoGood]);
    expect(await types()).toHaveLength(2);
  });

  test('rejects when the database is away, so that the act fails too', async () => {
    const settings = { url: databaseUrl(), poolMax: 2, statementTimeoutSeconds: 5, applicationName: 'gone' };
    const gone = createPostgres({ ...settings, url: 'postgres://nobody@127.0.0.1:1/none' });
    const lost = createAudit({ postgres: gone, log: silentLog, clock });
    await expect(lost.append(suspended)).rejects.toThrow();
    await gone.close();
  });

  test('answers "busy" rather than piling up without end', async () => {
    const events = Array.from({ length: 10_050 }, () => audit.append(suspended));
    const results = await Promise.allSettled(events);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(50);
    expect(refused[0]?.reason).toMatchObject({ code: 'server_busy' });
  });

  test('writes what was accepted before the ledger stops', async () => {
    void audit.append(suspended);
    await audit.stop();
    expect(await types()).toHaveLength(1);
  });
});

describe('the list', () => {
  beforeEach(async () => {
    const events: NewEvent[] = [
      {
        type: 'sign-in.failed',
        actor: { kind: 'anonymous', id: null },
        outcome: 'failure',
        accountId: 'acc_1',
      },
      {
        type: 'sign-in.succeeded',
        actor: { kind: 'account', id: 'acc_1' },
        outcome: 'success',
        clientId: 'app',
      },
      { type: 'token.issued', actor: { kind: 'client', id: 'app' }, outcome: 'success' },
      { type: 'token.revoked', actor: { kind: 'client', id: 'app' }, outcome: 'success', accountId: 'acc_1' },
      {
        type: 'client.changed',
        actor: admin,
        outcome: 'success',
        clientId: 'app',
        target: { kind: 'client', id: 'app' },
      },
      { ...suspended, target: { kind: 'account', id: 'acc_1' } },
      {
        type: 'signing-key.created',
        actor: system,
        outcome: 'success',
        target: { kind: 'signing_key', id: 'k1' },
      },
      { type: 'request.refused', actor: admin, outcome: 'denied', accountId: null },
    ];
    for (const event of events) {
      time += 1000;
      await audit.record(db, event);
    }
  });

  test.each<[string, Parameters<Audit['list']>[0], string[]]>([
    ['type', { type: 'token.issued' }, ['token.issued']],
    ['a prefix of types', { type: 'sign-in.*' }, ['sign-in.succeeded', 'sign-in.failed']],
    ['a type that does not exist', { type: 'nothing.*' }, []],
    [
      'account',
      { accountId: 'acc_1' },
      ['account.suspended', 'token.revoked', 'sign-in.succeeded', 'sign-in.failed'],
    ],
    ['client', { clientId: 'app' }, ['client.changed', 'token.revoked', 'token.issued', 'sign-in.succeeded']],
    [
      'an actor who acts on others',
      { actorId: 'acc_admin' },
      ['request.refused', 'account.suspended', 'client.changed'],
    ],
    ['an actor who acts on themselves', { actorId: 'acc_1' }, ['sign-in.succeeded']],
    ['a client as actor', { actorId: 'app' }, ['token.revoked', 'token.issued']],
    ['target', { targetKind: 'client', targetId: 'app' }, ['client.changed']],
    ['kind of target', { targetKind: 'signing_key' }, ['signing-key.created']],
    ['outcome', { outcome: 'denied' }, ['request.refused']],
    ['several at once', { accountId: 'acc_1', outcome: 'failure' }, ['sign-in.failed']],
    ['SQL in a filter', { accountId: `' or true --` }, []],
    ['a null byte', { targetId: 'acc_1\u0000' }, []],
  ])('filters by %s', async (_name, filter, expected) => {
    expect(await types(filter)).toEqual(expected);
  });

  test('filters by time, from inclusive, to exclusive', async () => {
    const from = new Date(time - 2000);
    expect(await types({ from, to: new Date(time) })).toEqual(['signing-key.created', 'account.suspended']);
  });

  test('comes in pages without gaps and doubles, also when events share an instant', async () => {
    for (let number = 0; number < 5; number += 1) await audit.record(db, suspended);
    for (const filter of [{}, { actorId: 'acc_admin' }]) {
      const ids: string[] = [];
      let cursor: string | null = null;
      do {
        const part: Awaited<ReturnType<Audit['list']>> = await audit.list(filter, { limit: 3, cursor });
        ids.push(...part.items.map(({ id }) => id));
        cursor = part.nextCursor;
      } while (cursor !== null);
      const all = (await audit.list(filter, page)).items.map(({ id }) => id);
      expect(ids).toEqual(all);
      expect(new Set(ids).size).toBe(all.length);
    }
  });

  // Those of the second line are times for JavaScript and none for PostgreSQL.
  const foreign = [
    ...['', 'x', 'WyIxIl0', ...['yesterday', '2026-01-01T00:00:00.000Z\0'].map(cursorAt)],
    ...['1', 'Jan 1', '2026-01-01 (noon)', '+012026-01-01T00:00:00.000Z', '0000-01-01T00:00:00.000Z'].map(
      cursorAt,
    ),
  ];
  test.each(foreign)('refuses a cursor that is not its own: %j', async (cursor) => {
    await expect(audit.list({}, { limit: 3, cursor })).rejects.toMatchObject({ code: 'request_invalid' });
  });

  test('streams everything that matches, the oldest first', async () => {
    const streamed: string[] = [];
    for await (const event of audit.stream({ accountId: 'acc_1' })) streamed.push(event.type);
    expect(streamed).toEqual(['sign-in.failed', 'sign-in.succeeded', 'token.revoked', 'account.suspended']);
  });

  test.each<[string, string]>([
    ['account_id = $1', 'account'],
    ['client_id = $1', 'client'],
    ['target_id = $1', 'target'],
    ['type = $1', 'type'],
    [
      'actor_id = $1 and actor_id is distinct from account_id and actor_id is distinct from client_id',
      'actor',
    ],
  ])('has an index for %s', async (condition, index) => {
    const where = condition.replaceAll('$1', `'x'`);
    const plan = await db.transaction(async (trx) => {
      await trx.raw('set local enable_seqscan = off');
      await trx.raw('set local enable_sort = off');
      const { rows } = await trx.raw(
        `explain select id from audit_events_default where ${where} order by occurred_at desc limit 5`,
      );
      return JSON.stringify(rows);
    });
    expect(plan).toContain(`audit_events_default_${index}${index === 'type' ? '' : '_id'}_occurred_at_idx`);
  });
});
