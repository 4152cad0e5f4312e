// What a Redis is like: its version, and what it does when it is full.
import type { Redis } from '../redis/redis.ts';
import type { Problem } from './problem.ts';

export interface RedisFacts {
  readonly version: string;
  /** 'noeviction' keeps what was written until its time is over; null when it must not be asked. */
  readonly evictionPolicy: string | null;
}

export async function inspectRedis(redis: Redis): Promise<RedisFacts | Problem> {
  const info = await redis.use((client) => client.info('server'));
  if (info === undefined) return { problem: 'it does not answer' };
  const version = /^redis_version:(\S+)/m.exec(info.value)?.[1] ?? 'unknown';
  // Many hosted ones refuse CONFIG; then nothing is known, which is no failure.
  const memory = await redis.use((client) => client.info('memory'));
  const evictionPolicy = /^maxmemory_policy:(\S+)/m.exec(memory?.value ?? '')?.[1] ?? null;
  return { version, evictionPolicy };
}
