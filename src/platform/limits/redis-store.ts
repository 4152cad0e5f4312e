// Counters in Redis: one script, the clock of Redis, and keys that end by themselves.
import type { Redis } from '../redis/redis.ts';
import { createScript } from '../redis/script.ts';
import type { LimitStore } from './store.ts';

/** KEYS: the counter. ARGV: wanted permits, step, burst. Replies with the granted permits and how far it is ahead. */
const TAKE = createScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wanted, step, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = now + burst * step
local empty_at = math.min(math.max(tonumber(redis.call('GET', KEYS[1]) or now), now), full)
local granted = math.min(wanted, math.floor((full - empty_at) / step))
if granted > 0 then
  empty_at = empty_at + granted * step
  redis.call('SET', KEYS[1], string.format('%.0f', empty_at), 'PX', math.ceil((empty_at - now) / 1000))
end
return { granted, empty_at - now }`);

export function createRedisStore(redis: Pick<Redis, 'use' | 'prefix'>): LimitStore {
  return {
    async take(key, wanted, { step, burst }) {
      const keys = [`${redis.prefix}limit:${key}`];
      const reply = await redis.use((client) => TAKE.run(client, keys, [wanted, step, burst]));
      if (reply === undefined) return undefined;
      // `as`: what the script above returns.
      const [granted, ahead] = reply.value as [number, number];
      return { granted, ahead };
    },
  };
}
