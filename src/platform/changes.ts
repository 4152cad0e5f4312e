// How a change made on one node reaches the others: a counter per topic, raised in the change's own transaction, polled.

import type { Db } from './database/postgres.ts';
import type { Log } from './telemetry/log.ts';

export type ChangeTopic = 'clients' | 'apis' | 'signing-keys';

export interface Changes {
  /** Call it inside the transaction of the change, so that nobody hears of a change that is not there. */
  bump(db: Db, topic: ChangeTopic): Promise<void>;
  /** The listener drops or reloads what it has cached; when it throws, it is called again at the next look. */
  on(topic: ChangeTopic, listener: () => Promise<void> | void): void;
  /** Looks now, and resolves when the listeners have run. */
  poll(): Promise<void>;
  /** Looks once and then every second. Topics that ever changed are told at the first look. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const POLL_MILLISECONDS = 1_000;

export function createChanges(deps: { db: Db; log: Log }): Changes {
  const listeners = new Map<string, (() => Promise<void> | void)[]>();
  const seen = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let failing = false;
  let last: Promise<void> = Promise.resolve();

  const look = async () => {
    for (const { topic, revision } of await revisions(deps.db)) {
      if (seen.get(topic) === revision) continue;
      for (const listener of listeners.get(topic) ?? []) await listener();
      // Only now: a listener that threw is called again.
      seen.set(topic, revision);
    }
  };

  // One look after the other. Never joins one under way, which may have read the counters before the caller's commit.
  const poll = (): Promise<void> => {
    last = last.catch(() => {}).then(look);
    return last;
  };

  const tick = async () => {
    try {
      await poll();
      if (failing) deps.log.info('changes of other nodes are seen again');
      failing = false;
    } catch (error) {
      if (!failing) deps.log.warn('changes of other nodes cannot be seen', { error });
      failing = true;
    }
    schedule();
  };

  const schedule = () => {
    if (stopped) return;
    timer = setTimeout(() => void tick(), POLL_MILLISECONDS);
    timer.unref();
  };

  return {
    bump,
    on: (topic, listener) => {
      listeners.set(topic, [...(listeners.get(topic) ?? []), listener]);
    },
    poll,
    start: async () => {
      await poll();
      schedule();
    },
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await last.catch(() => {});
    },
  };
}

async function bump(db: Db, topic: ChangeTopic): Promise<void> {
  await db('change_counters')
    .insert({ topic, revision: 1 })
    .onConflict('topic')
    .merge({ revision: db.raw('change_counters.revision + 1') });
}

async function revisions(db: Db): Promise<{ topic: string; revision: string }[]> {
  return db('change_counters').select('topic', 'revision');
}
