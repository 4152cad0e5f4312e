// The contract of engine state once more, with Redis beside PostgreSQL; and what a lost Redis may take with it: nothing that
// somebody was told, no use a second time, and nothing old that comes to life.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Adapter } from 'oidc-provider';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStateStore, type StateStore } from '../../src/oidc/adapter/adapter.ts';
import { type ModelName, models } from '../../src/oidc/adapter/models.ts';
import { createSealing } from '../../src/oidc/adapter/sealing.ts';
import type { EndedParticipant } from '../../src/oidc/adapter/session-clients.ts';
import { noClientAdapter } from '../../src/oidc/client-source.ts';
import { createEngineState } from '../../src/oidc/engine-state.ts';
import { type Changes, createChanges } from '../../src/platform/changes.ts';
import type { Redis, RedisClient } from '../../src/platform/redis/redis.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';
import { useRedis } from '../support/redis.ts';
import { needs } from '../support/tools.ts';
import { adapterContract } from './adapter.contract.ts';
import { HOUR, type StoreUnderTest, thing } from './store-under-test.ts';

const skipped = needs('redis-server');
const served = (Object.keys(models) as ModelName[]).filter((model) => models[model].redis);
const sha256 = (text: string) => createHash('sha256').update(text).digest();
const LONGEST_SECONDS = 2 * HOUR;

describe.skipIf(skipped)('with Redis', () => {
  const { db } = useDatabase();
  const server = useRedis();
  const sealing = createSealing(randomBytes(32));
  const ended = new Set<string | null>();
  const nodes: { store: StateStore; changes: Changes }[] = [];

  /** As another process would have it: with its own client of Redis, hearing of changes by itself. */
  function node(redis: Redis) {
    const changes = createChanges({ db, log: silentLog });
    const store = createStateStore(
      {
        db,
        sealing,
        refreshGraceSeconds: 10,
        sessionAbsoluteSeconds: 7 * 86_400,
        isCutOff: ({ accountId }) => ended.has(accountId),
        fast: { redis, changes, longestSeconds: LONGEST_SECONDS },
      },
      noClientAdapter,
    );
    nodes.push({ store, changes });
  }
  const adapterOf = ({ store }: { store: StateStore }, model: ModelName) =>
    (store.factory as (name: string) => Adapter)(model);

  /** With Redis first, whatever happened before. */
  async function begin(): Promise<void> {
    await db('oidc_transients').delete();
    await db('oidc_transients_home').delete();
    nodes.length = 0;
    for (const redis of clients()) {
      await untilItAnswers(redis);
      node(redis);
    }
    for (const { store } of nodes) await store.start();
  }
  // Patient ones: on a busy machine a slow answer is no loss that a test meant.
  const made: Redis[] = [];
  function clients(): readonly Redis[] {
    while (made.length < 2) made.push(server.newClient({ commandTimeoutMilliseconds: 700 }));
    return made;
  }
  /** One that was slow a moment ago is not used for a while, though nobody calls it down yet. */
  async function untilItAnswers(redis: Redis): Promise<void> {
    for (let attempt = 0; attempt < 500; attempt += 1) {
      if (await redis.use((client) => client.ping())) return;
      await delay(20);
    }
    throw new Error('Redis does not answer');
  }
  const untilAllAnswer = async () => {
    for (const redis of clients()) await untilItAnswers(redis);
  };
  const client = async <T>(run: (client: RedisClient) => Promise<T>): Promise<T> => {
    const answer = await clients()[0]?.use(run);
    if (!answer) throw new Error('Redis did not answer');
    return answer.value;
  };
  async function keysOf(model: ModelName, id: string): Promise<string[]> {
    const kind = model === 'ReplayDetection' ? 'replay' : model;
    return client((redis) => redis.keys(`gatehouse:state:*:${kind}:${sha256(id).toString('base64url')}`));
  }
  const row = (model: ModelName, id: string) => (model === 'Grant' ? { id } : { id_hash: sha256(id) });
  const rows = (model: ModelName, id: string) => db(models[model].table).where(row(model, id));
  const first = () => {
    const [one] = nodes;
    if (!one) throw new Error('no node');
    return one;
  };

  beforeAll(begin);
  afterAll(() => Promise.all(nodes.map(({ changes }) => changes.stop())));

  const told: EndedParticipant[] = [];
  const subject: StoreUnderTest = {
    db,
    get store() {
      return first().store;
    },
    state: createEngineState({
      db,
      sealing,
      cutoffs: {
        raise: async (_trx, scope) => {
          if (scope !== 'everyone' && 'accountId' in scope) ended.add(scope.accountId);
        },
      },
      now: () => new Date(),
      tellEnded: async (_trx, participants) => {
        told.push(...participants);
      },
      forgetClient: async () => {},
    }),
    told,
    goByThemselves: served,
    async expire(model, id) {
      for (const key of await keysOf(model, id)) await client((redis) => redis.del(key));
      await rows(model, id).update({ expires_at: db.raw(`now() - interval '1 second'`) });
    },
    async damage(model, id) {
      const last = 'octet_length(payload) - 1';
      await rows(model, id).update({
        payload: db.raw(`set_byte(payload, ${last}, get_byte(payload, ${last}) # 1)`),
      });
      for (const key of await keysOf(model, id)) {
        const payload = Buffer.from((await client((redis) => redis.hget(key, 'payload'))) ?? '', 'base64');
        payload[payload.length - 1] = (payload.at(-1) ?? 0) ^ 1;
        await client((redis) => redis.hset(key, 'payload', payload.toString('base64')));
      }
    },
    async copy(model, from, to) {
      await rows(model, to).update({ payload: rows(model, from).select('payload') });
      const [[source], [target]] = [await keysOf(model, from), await keysOf(model, to)];
      if (!source || !target) return;
      const payload = (await client((redis) => redis.hget(source, 'payload'))) ?? '';
      await client((redis) => redis.hset(target, 'payload', payload));
    },
    isStored: async (model, id) =>
      (await rows(model, id).select(db.raw('1'))).length === 1 || (await keysOf(model, id)).length === 1,
    eventTypes: () => db('audit_events').orderBy('sequence').pluck('type'),
    async withoutLedger(run) {
      await db.raw('alter table audit_events add constraint closed check (false) not valid');
      try {
        await run();
      } finally {
        await db.raw('alter table audit_events drop constraint closed');
      }
    },
  };

  adapterContract('Redis and PostgreSQL', () => subject);

  describe('what rests in Redis', () => {
    it('is nothing of what makes a sign-in or a token: no id, code, account or client in clear', async () => {
      const userCode = 'WDJB-MJHT';
      const secrets = ['acc_canary', 'client_canary', 'grant_canary', 'login_canary', userCode];
      const marked = {
        accountId: 'acc_canary',
        clientId: 'client_canary',
        grantId: 'grant_canary',
        userCode,
      };
      for (const model of served.filter((name) => name !== 'ReplayDetection')) {
        const [id, payload] = thing(model, { ...marked, result: { login: { accountId: 'login_canary' } } });
        secrets.push(id);
        await adapterOf(first(), model).upsert(id, { ...payload, userCode: `${userCode}${model}` }, HOUR);
      }
      const dump = await client(async (redis) => {
        const parts = [];
        for (const key of await redis.keys('*'))
          parts.push(key, (await redis.dumpBuffer(key))?.toString('latin1'));
        return parts.join('\n');
      });

      expect(dump).toContain('state:');
      for (const secret of secrets) expect(dump).not.toContain(secret);
    });

    it('goes at its end, and so do the ways to it', async () => {
      const [id, payload] = thing('DeviceCode', { accountId: undefined, userCode: randomUUID() });
      await adapterOf(first(), 'DeviceCode').upsert(id, payload, 600);
      const lives = await client(async (redis) =>
        Promise.all((await redis.keys('gatehouse:state:*')).map((key) => redis.pttl(key))),
      );

      expect(lives.length).toBeGreaterThan(2);
      for (const life of lives) expect(life).toBeGreaterThan(0);
    });
  });

  describe('two nodes', () => {
    it.each(['AuthorizationCode', 'DeviceCode', 'PushedAuthorizationRequest'] as const)(
      'let one of fifty parallel uses of one %s win',
      async (model) => {
        const [id, payload] = thing(model);
        await adapterOf(first(), model).upsert(id, payload, HOUR);
        const uses = await Promise.allSettled(
          Array.from({ length: 50 }, (_, turn) => adapterOf(nodes[turn % 2] ?? first(), model).consume(id)),
        );

        expect(uses.filter(({ status }) => status === 'fulfilled').length).toBe(1);
      },
    );

    it('let one of fifty parallel proofs be the first', async () => {
      const id = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, turn) => (nodes[turn % 2] ?? first()).store.unseen(id, 60)),
      );

      expect(answers.filter(Boolean).length).toBe(1);
    });
  });

  it('a node that starts while PostgreSQL holds some of it tells the others where the newer copy is', async () => {
    await begin();
    const [redis] = clients();
    const [id, payload] = thing('Interaction');
    await adapterOf(first(), 'Interaction').upsert(id, payload, HOUR);
    const [allowed, device] = thing('DeviceCode');
    await adapterOf(first(), 'DeviceCode').upsert(allowed, device, HOUR);
    await first().changes.poll();
    if (redis) node(redis);
    const late = nodes.at(-1) ?? first();
    await late.store.start();
    await first().changes.poll();
    const answer = { ...payload, result: { login: { accountId: 'acc_1' } } };
    await adapterOf(late, 'Interaction').upsert(id, answer, HOUR);

    expect(await adapterOf(first(), 'Interaction').find(id)).toEqual(answer);
  });

  describe('when Redis is lost', () => {
    const stored = async (model: ModelName, more: Record<string, unknown> = {}) => {
      const [id, payload] = thing(model, more);
      await adapterOf(first(), model).upsert(id, payload, HOUR);
      return { id, payload };
    };
    const restarted = async (before: () => Promise<void> = async () => {}) => {
      await server.stop();
      await before();
      await server.start();
      await untilAllAnswer();
    };

    it('and restarted empty: what was used stays used, and what was under way begins anew', async () => {
      await begin();
      const [code, interaction] = [await stored('AuthorizationCode'), await stored('Interaction')];
      await adapterOf(first(), 'AuthorizationCode').consume(code.id);
      await restarted();

      await expect(adapterOf(first(), 'AuthorizationCode').consume(code.id)).rejects.toThrow();
      expect(await adapterOf(first(), 'Interaction').find(interaction.id)).toBeUndefined();
    });

    it('and restarted with an older dump: nothing that was used or removed since comes to life', async () => {
      await begin();
      const [code, interaction] = [await stored('AuthorizationCode'), await stored('Interaction')];
      const dump = await client(async (redis) => {
        const saved: [string, Buffer, number][] = [];
        for (const key of await redis.keys('gatehouse:state:*')) {
          saved.push([key, (await redis.dumpBuffer(key)) ?? Buffer.alloc(0), await redis.pttl(key)]);
        }
        return saved;
      });
      await adapterOf(first(), 'AuthorizationCode').consume(code.id);
      await adapterOf(first(), 'Interaction').destroy(interaction.id);
      await restarted();
      for (const [key, value, life] of dump) await client((redis) => redis.restore(key, life, value));
      expect(await keysOf('AuthorizationCode', code.id)).toHaveLength(1);

      for (const each of nodes) {
        await expect(adapterOf(each, 'AuthorizationCode').consume(code.id)).rejects.toThrow();
        expect(await adapterOf(each, 'Interaction').find(interaction.id)).toBeUndefined();
      }
    });

    it('a used thing is seen as used even if the whole key came back, so that its reuse can be told', async () => {
      await begin();
      const code = await stored('AuthorizationCode');
      const [key = ''] = await keysOf('AuthorizationCode', code.id);
      await adapterOf(first(), 'AuthorizationCode').consume(code.id);
      expect((await adapterOf(first(), 'AuthorizationCode').find(code.id))?.consumed).toEqual(
        expect.any(Number),
      );
      await client((redis) => redis.hdel(key, 'consumed'));

      await expect(adapterOf(first(), 'AuthorizationCode').consume(code.id)).rejects.toThrow();
    });

    it('a person goes on: what is new is kept in PostgreSQL, on both nodes, and the newer copy wins afterwards', async () => {
      await begin();
      const [first_, second] = nodes;
      if (!first_ || !second) throw new Error('two nodes');
      const interaction = await stored('Interaction');
      server.pause();
      const answer = { ...interaction.payload, result: { login: { accountId: 'acc_1' } } };
      const begun = performance.now();
      await adapterOf(first_, 'Interaction').upsert(interaction.id, answer, HOUR);
      const fresh = thing('AuthorizationCode');
      await adapterOf(first_, 'AuthorizationCode').upsert(fresh[0], fresh[1], HOUR);
      expect(performance.now() - begun).toBeLessThan(2_500);
      await second.changes.poll();
      expect(await adapterOf(second, 'AuthorizationCode').find(fresh[0])).toEqual(fresh[1]);
      server.resume();
      await untilAllAnswer();

      for (const each of [first_, second]) {
        expect(await adapterOf(each, 'Interaction').find(interaction.id)).toEqual(answer);
        expect(await adapterOf(each, 'AuthorizationCode').find(fresh[0])).toEqual(fresh[1]);
      }
    });

    it('what was under way before a pause is still there after it', async () => {
      await begin();
      const interaction = await stored('Interaction');
      server.pause();
      await stored('AuthorizationCode');
      server.resume();
      await untilAllAnswer();

      expect(await adapterOf(first(), 'Interaction').find(interaction.id)).toEqual(interaction.payload);
    });

    it('what ends while Redis is silent does not come to life when it answers again', async () => {
      await begin();
      const [interaction, code] = [await stored('Interaction'), await stored('AuthorizationCode')];
      const kept = await Promise.all(
        [await keysOf('Interaction', interaction.id), await keysOf('AuthorizationCode', code.id)]
          .flat()
          .map((key) => client(async (redis) => [key, await redis.hgetall(key)] as const)),
      );
      server.pause();
      await adapterOf(first(), 'Interaction').destroy(interaction.id);
      await expect(adapterOf(first(), 'AuthorizationCode').consume(code.id)).rejects.toThrow();
      server.resume();
      await untilAllAnswer();
      // Even if the removal was lost on its way.
      for (const [key, value] of kept) await client((redis) => redis.hset(key, value));
      await Promise.all(nodes.map(({ changes }) => changes.poll()));

      for (const each of nodes)
        expect(await adapterOf(each, 'Interaction').find(interaction.id)).toBeUndefined();
      const uses = await Promise.allSettled(
        nodes.map((each) => adapterOf(each, 'AuthorizationCode').consume(code.id)),
      );
      expect(uses.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    });

    it('a device that was allowed is allowed, whatever happened to Redis then or before', async () => {
      await begin();
      const [before, during] = [
        await stored('DeviceCode', { accountId: undefined }),
        await stored('DeviceCode', { accountId: undefined }),
      ];
      const allow = ({ id, payload }: typeof before) =>
        adapterOf(first(), 'DeviceCode').upsert(id, { ...payload, accountId: 'acc_1' }, HOUR);
      await allow(before);
      await restarted(() => allow(during));

      for (const each of nodes) {
        await each.changes.poll();
        for (const { id } of [before, during]) {
          expect((await adapterOf(each, 'DeviceCode').find(id))?.accountId).toBe('acc_1');
        }
      }
    });
  });

  it('C17 removes the marks of what is used up when it would have ended', async () => {
    await begin();
    const [id, payload] = thing('AuthorizationCode');
    await adapterOf(first(), 'AuthorizationCode').upsert(id, payload, HOUR);
    await adapterOf(first(), 'AuthorizationCode').consume(id);
    const marks = () => db('oidc_spent').where({ id_hash: sha256(id) });
    await first().store.removeExpired(100);
    expect(await marks()).toHaveLength(1);
    await marks().update({ expires_at: db.raw(`now() - interval '1 second'`) });
    await first().store.removeExpired(100);

    expect(await marks()).toHaveLength(0);
  });
});
