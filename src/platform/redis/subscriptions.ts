// Listening to channels, on a connection of its own that is opened with the first one.
import type { RedisClient } from './connection.ts';

export interface Subscriptions {
  add(channel: string, listener: (text: string) => void): void;
  close(): void;
}

export function createSubscriptions(
  newListener: () => RedisClient,
  onState: (listener: (state: 'up' | 'down') => void) => void,
): Subscriptions {
  const listeners = new Map<string, ((text: string) => void)[]>();
  let client: RedisClient | undefined;

  const subscribeAll = () => {
    // A failure is followed by a lost connection and its return, or by silence, which listeners must bear anyway.
    if (listeners.size > 0) client?.subscribe(...listeners.keys()).catch(() => {});
  };

  const open = (): RedisClient => {
    const opened = newListener();
    // Said once by the breaker of the main connection.
    opened.on('error', () => {});
    opened.on('ready', subscribeAll);
    opened.on('message', (channel: string, text: string) => {
      for (const listener of listeners.get(channel) ?? []) listener(text);
    });
    return opened;
  };

  // A connection that was cut without a word looks as if it were open: after every loss a new one.
  onState((state) => {
    if (state === 'up' && client !== undefined) client.disconnect(true);
  });

  return {
    add: (channel, listener) => {
      listeners.set(channel, [...(listeners.get(channel) ?? []), listener]);
      if (client === undefined) client = open();
      else subscribeAll();
    },
    close: () => client?.disconnect(),
  };
}
