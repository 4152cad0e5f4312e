// The one way to Redis: every use is bounded in time, and a Redis that is away costs nothing until it answers again.
import type { Config } from '../config/load.ts';
import type { Log } from '../telemetry/log.ts';
import { createBreaker, type RedisState } from './breaker.ts';
import { connect, type RedisClient } from './connection.ts';
import { createSubscriptions } from './subscriptions.ts';
import { parseRedisUrl } from './url.ts';

export type { RedisState } from './breaker.ts';
export type { RedisClient } from './connection.ts';

export interface Redis {
  /** Runs commands within the bounded time; undefined when Redis is away, slow or refuses: the caller goes on without. */
  use<T>(run: (client: RedisClient) => Promise<T>): Promise<{ value: T } | undefined>;
  /** Every key starts with it. Keys that meet in one script share a hash tag, `{…}`. */
  readonly prefix: string;
  state(): RedisState;
  onState(listener: (state: RedisState) => void): void;
  /** Best effort: a message may be lost. */
  publish(channel: string, text: string): Promise<void>;
  subscribe(channel: string, listener: (text: string) => void): void;
  close(): Promise<void>;
}

type RedisSettings = Config['redis'] & { url: string };

export function createRedis(settings: RedisSettings, deps: { log: Log }): Redis {
  const parsed = parseRedisUrl(settings.url);
  if ('mistake' in parsed) throw new Error(`REDIS_URL ${parsed.mistake}.`);
  const { client, place, newListener } = connect(parsed.value);
  const prefix = settings.keyPrefix;
  const breaker = createBreaker({
    client,
    place,
    log: deps.log,
    timeoutMilliseconds: settings.commandTimeoutMilliseconds,
    // A write: it also notices a full, a read-only or a still loading Redis.
    probe: () => client.set(`${prefix}probe`, '1', 'PX', 60_000),
  });
  const subscriptions = createSubscriptions(newListener, breaker.onState);
  return {
    use: breaker.use,
    prefix,
    state: breaker.state,
    onState: breaker.onState,
    publish: async (channel, text) => {
      await breaker.use(() => client.publish(prefix + channel, text));
    },
    subscribe: (channel, listener) => subscriptions.add(prefix + channel, listener),
    close: async () => {
      breaker.stop();
      subscriptions.close();
      client.disconnect();
    },
  };
}
