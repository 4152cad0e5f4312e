// How a change made on one node reaches the others: a counter per topic, raised in the change's own transaction. Messages
// of PostgreSQL and Redis say "look now"; a look every second makes a lost one harmless.
import type { Knex } from 'knex';
import type { Listener } from './database/listener.ts';
import type { Db, Postgres } from './database/postgres.ts';
import type { Redis } from './redis/redis.ts';
import type { Log } from './telemetry/log.ts';

export type ChangeTopic = 'clients' | 'apis' | 'signing-keys' | 'cutoffs' | 'transients' | 'master-key';

export interface Changes {
  /** Call it inside the transaction of the change, so that nobody hears of a change that is not there. */
  bump(db: Db, topic: ChangeTopic): Promise<void>;
  /** The listener drops or reloads what it has cached; when it throws, it is called again at the next look. */
  on(topic: ChangeTopic, listener: () => Promise<void> | void): void;
  /** Looks now, and resolves when the listeners have run. */
  poll(): Promise<void>;
  /** Looks once, and then at each message and every second. Topics that ever changed are told at the first look. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface ChangesDeps {
  db: Db;
  log: Log;
  /** Where messages come by; without them the look of every second is all there is. */
  listen?: Postgres['listen'];
  redis?: Pick<Redis, 'publish' | 'subscribe'> | undefined;
}

const POLL_MILLISECONDS = 1_000;
const CHANNEL = 'gatehouse_changes';

export function createChanges(deps: ChangesDeps): Changes {
  const { db, log, redis } = deps;
  const listeners = new Map<string, (() => Promise<void> | void)[]>();
  const seen = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let bus: Listener | undefined;
  let running = false;
  let queued = false;
  let failing = false;
  let last: Promise<void> = Promise.resolve();

  const look = async () => {
    for (const { topic, revision } of await revisions(db)) {
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

  const pollOrSay = async () => {
    try {
      await poll();
      if (failing) log.info('changes of other nodes are seen again');
      failing = false;
    } catch (error) {
      if (!failing) log.warn('changes of other nodes cannot be seen', { error });
      failing = true;
    }
  };

  const schedule = () => {
    if (!running) return;
    timer = setTimeout(() => void pollOrSay().then(schedule), POLL_MILLISECONDS);
    timer.unref();
  };

  /** Any number of messages before a look begins are one look. */
  const soon = () => {
    if (!running || queued) return;
    queued = true;
    const begun = () => {
      queued = false;
    };
    last.then(begun, begun);
    void pollOrSay();
  };

  return {
    bump: async (trx, topic) => {
      await raise(trx, topic);
      afterCommit(trx, () => {
        soon();
        void redis?.publish(CHANNEL, topic).catch(() => {});
      });
    },
    on: (topic, listener) => {
      listeners.set(topic, [...(listeners.get(topic) ?? []), listener]);
    },
    poll,
    start: async () => {
      await poll();
      running = true;
      bus = deps.listen?.(CHANNEL, soon);
      redis?.subscribe(CHANNEL, soon);
      schedule();
    },
    stop: async () => {
      running = false;
      clearTimeout(timer);
      await bus?.stop();
      await last.catch(() => {});
    },
  };
}

/** PostgreSQL itself sends the message when the transaction commits, and never when it does not. */
async function raise(db: Db, topic: ChangeTopic): Promise<void> {
  await db.raw(
    `with raised as (
       insert into change_counters as c (topic, revision) values (?, 1)
       on conflict (topic) do update set revision = c.revision + 1
       returning topic
     )
     select pg_notify(?, topic) from raised`,
    [topic, CHANNEL],
  );
}

/** At once when it is no transaction; never after a rollback. */
function afterCommit(db: Db, run: () => void): void {
  // `as`: knex hands out its transactions as plain handles; these two fields tell them apart.
  let handle = db as Partial<Pick<Knex.Transaction, 'executionPromise' | 'parentTransaction'>>;
  while (handle.parentTransaction) handle = handle.parentTransaction;
  if (handle.executionPromise === undefined) run();
  else handle.executionPromise.then(run, () => {});
}

async function revisions(db: Db): Promise<{ topic: string; revision: string }[]> {
  return db('change_counters').select('topic', 'revision');
}
