// Short-lived state in Redis: sealed as in PostgreSQL, under hashes only, gone at its expiry. Each answer says whether Redis
// gave one at all; what was not confirmed may have happened or not.
import type { Redis, RedisClient } from '../../platform/redis/redis.ts';
import { createScript } from '../../platform/redis/script.ts';
import { hashToken } from '../../platform/secrets/tokens.ts';
import type { ModelName } from './models.ts';
import type { NewRow, StoredRow } from './token-rows.ts';

/** undefined: Redis is away, slow, or refuses. */
type Answer<T> = Promise<{ value: T } | undefined>;

export interface RedisRows {
  find(model: ModelName, idHash: Buffer): Answer<StoredRow | undefined>;
  findByUserCode(model: ModelName, userCodeHash: Buffer): Answer<StoredRow | undefined>;
  poll(idHash: Buffer, intervalSeconds: number): Answer<(StoredRow & { tooSoon: boolean }) | undefined>;
  /** False when it was to be there and is not. */
  save(row: NewRow): Answer<boolean>;
  markConsumed(model: ModelName, idHash: Buffer): Answer<void>;
  /** Whether it was there. */
  remove(model: ModelName, idHash: Buffer): Answer<boolean>;
  removeOfGrant(model: ModelName, grantId: string): Answer<void>;
  /** False: surely seen before. True decides nothing. */
  mayBeNew(idHash: Buffer, lifetimeSeconds: number): Answer<boolean>;
}

export function createRedisRows(redis: Redis): RedisRows {
  const runs = createRuns();
  const within = <T>(run: (client: RedisClient, key: (...parts: string[]) => string) => Promise<T>) =>
    redis.use(async (client) => {
      const name = await runs.nameOf(client);
      return run(client, (...parts) => `${redis.prefix}state:${name}:${parts.join(':')}`);
    });

  return {
    find: (model, idHash) => within((client, key) => read(client, key(model, text(idHash)), idHash)),

    findByUserCode: (model, userCodeHash) =>
      within(async (client, key) => {
        const id = await client.get(key('user-code', text(userCodeHash)));
        return id === null ? undefined : read(client, key(model, id), Buffer.from(id, 'base64url'));
      }),

    poll: (idHash, intervalSeconds) =>
      within(async (client, key) => {
        const place = key('DeviceCode', text(idHash));
        const tooSoon = (await POLL.run(client, [place], [intervalSeconds * 1000])) === 1;
        const row = await read(client, place, idHash);
        return row && { ...row, tooSoon };
      }),

    save: (row) =>
      within(async (client, key) => {
        const id = text(row.idHash);
        const life = Math.ceil(row.lifetimeSeconds * 1000);
        // The ways to it before the thing itself, which is worth nothing to anybody before it is there.
        if (row.grantId !== null) {
          const members = key('grant', row.model, text(hashToken(row.grantId)));
          await ADD.run(client, [members], [id, life]);
        }
        if (row.userCodeHash) await client.set(key('user-code', text(row.userCodeHash)), id, 'PX', life);
        const values = [row.payload.toString('base64'), life, row.again ? 1 : 0];
        return (await SAVE.run(client, [key(row.model, id)], values)) === 1;
      }),

    markConsumed: (model, idHash) =>
      within(async (client, key) => void (await MARK.run(client, [key(model, text(idHash))], []))),

    remove: (model, idHash) =>
      within(async (client, key) => (await client.del(key(model, text(idHash)))) === 1),

    removeOfGrant: (model, grantId) =>
      within(async (client, key) => {
        const members = key('grant', model, text(hashToken(grantId)));
        const ids = await client.smembers(members);
        // One by one: in a Cluster each has its own place.
        await Promise.all(ids.map((id) => client.del(key(model, id))));
        await client.del(members);
      }),

    mayBeNew: (idHash, lifetimeSeconds) =>
      within(async (client, key) => {
        const life = Math.ceil(lifetimeSeconds * 1000);
        return (await client.set(key('replay', text(idHash)), '1', 'PX', life, 'NX')) === 'OK';
      }),
  };
}

/**
 * Keys carry the name of the run of Redis that they were written in. One that was restarted, empty or with an older dump,
 * has a new name, so nothing that it brings back is seen: a person starts again, and nothing old comes to life.
 */
function createRuns() {
  const names = new WeakMap<RedisClient, Promise<string>>();
  const watched = new WeakSet<RedisClient>();
  return {
    nameOf(client: RedisClient): Promise<string> {
      const known = names.get(client);
      if (known) return known;
      if (!watched.has(client)) {
        watched.add(client);
        client.on('close', () => names.delete(client));
      }
      const asked = askName(client);
      names.set(client, asked);
      asked.catch(() => names.delete(client));
      return asked;
    },
  };
}

/** A Cluster is many runs: there a lost master is followed by a copy of it, and the durable marks do the rest. */
async function askName(client: RedisClient): Promise<string> {
  if (client.isCluster) return 'cluster';
  try {
    return /run_id:(\w{16})/.exec(await client.info('server'))?.[1] ?? 'any';
  } catch (error) {
    // A user without `+info`: Redis serves all the same, and the durable marks do the rest, as in a Cluster.
    if (error instanceof Error && error.message.startsWith('NOPERM')) return 'any';
    throw error;
  }
}

async function read(client: RedisClient, place: string, idHash: Buffer): Promise<StoredRow | undefined> {
  const [payload, consumed] = await client.hmget(place, 'payload', 'consumed');
  if (!payload) return undefined;
  const consumedAt = consumed ? new Date(Number(consumed)) : null;
  return {
    idHash,
    payload: Buffer.from(payload, 'base64'),
    consumedAt,
    consumedSecondsAgo: consumedAt === null ? null : (Date.now() - consumedAt.getTime()) / 1000,
  };
}

const text = (hash: Buffer): string => hash.toString('base64url');

// What was consumed stays consumed when it is saved again.
const SAVE = createScript(`if ARGV[3] == '1' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  redis.call('HSET', KEYS[1], 'payload', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1`);

const MARK = createScript(`local time = redis.call('TIME')
  if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSETNX', KEYS[1], 'consumed', time[1] .. string.sub('00000' .. time[2], -6, -4))
  end`);

// A set of a grant lives as long as its longest member.
const ADD = createScript(`redis.call('SADD', KEYS[1], ARGV[1])
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end`);

const POLL = createScript(`if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local before = tonumber(redis.call('HGET', KEYS[1], 'polled') or '0')
  redis.call('HSET', KEYS[1], 'polled', string.format('%.0f', now))
  if before > now - tonumber(ARGV[1]) then return 1 end
  return 0`);
