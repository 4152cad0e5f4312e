// A Lua script that Redis keeps under its hash; one that was restarted empty is given it again.
import { createHash } from 'node:crypto';
import type { RedisClient } from './connection.ts';

export interface RedisScript {
  /** In a Cluster all keys must have the same hash tag. The reply is as the script returns it. */
  run(client: RedisClient, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown>;
}

export function createScript(lua: string): RedisScript {
  const sha = createHash('sha1').update(lua).digest('hex');
  return {
    async run(client, keys, values) {
      try {
        return await client.evalsha(sha, keys.length, ...keys, ...values);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return client.eval(lua, keys.length, ...keys, ...values);
      }
    },
  };
}
