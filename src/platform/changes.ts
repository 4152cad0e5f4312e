// How a change made on one node reaches the others: a counter per topic, raised in the change's own transaction, and beside
// it which things changed. Messages of PostgreSQL and Redis say "look now"; a look every second makes a lost one harmless.
import type { Knex } from 'knex';
import type { Listener } from './database/listener.ts';
import type { Db, Postgres } from './database/postgres.ts';
import type { Redis } from './redis/redis.ts';
import type { Log } from './telemetry/log.ts';

export type ChangeTopic =
  | 'clients'
  | 'apis'
  | 'signing-keys'
  | 'cutoffs'
  | 'revoked-tokens'
  | 'transients'
  | 'master-key'
  /** Keys are accounts whose state, memberships or roles changed; without keys: roles themselves. */
  | 'access'
  /** Keys are the ids of API keys. */
  | 'api-keys'
  /** Registered resources; keys are their names, as access/resources.ts writes them. */
  | 'resources'
  /** Keys are the scopes of budgets, as `kind:id`, and `meter:name`. */
  | 'budgets';

/** `keys`: the only things that changed; undefined: anything may have. */
export type ChangeListener = (keys: readonly string[] | undefined) => Promise<void> | void;

export interface Changes {
  /**
   * Call it inside the transaction of the change, so that nobody hears of a change that is not there. With the thing that
   * changed, so that the others need not be looked up again; all changes of a topic name theirs, or none.
   */
  bump(db: Db, topic: ChangeTopic, key?: string): Promise<void>;
  /** The listener drops or reloads what it has cached; when it throws, it is called again at the next look. */
  on(topic: ChangeTopic, listener: ChangeListener): void;
  /** Milliseconds since the last look that told everything; Infinity before the first. */
  silence(): number;
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
/** A node that has missed more of a topic than this looks everything up again. */
const REVISIONS_KEPT = 1_000;
const CHANNEL = 'gatehouse_changes';

export function createChanges(deps: ChangesDeps): Changes {
  const { db, log, redis } = deps;
  const listeners = new Map<string, ChangeListener[]>();
  const seen = new Map<string, string>();
  let timer: NodeJS.Timeout | undefined;
  let bus: Listener | undefined;
  let running = false;
  let queued = false;
  let failing = false;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let last: Promise<void> = Promise.resolve();

  const tell = async (topic: string, revision: string) => {
    const before = seen.get(topic);
    if (before === revision) return;
    const told = listeners.get(topic) ?? [];
    const keys = told.length > 0 ? await keysBetween(db, topic, before, revision) : undefined;
    for (const listener of told) await listener(keys);
    // Only now: a listener that threw is called again.
    seen.set(topic, revision);
  };

  const look = async () => {
    const begun = performance.now();
    const failures: unknown[] = [];
    for (const { topic, revision } of await revisions(db)) {
      // One topic that cannot be loaded keeps the news of no other from being heard.
      await tell(topic, revision).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
    lookedAt = begun;
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
    bump: async (trx, topic, key) => {
      await raise(trx, topic, key);
      afterCommit(trx, () => {
        soon();
        void redis?.publish(CHANNEL, topic).catch(() => {});
      });
    },
    on: (topic, listener) => {
      listeners.set(topic, [...(listeners.get(topic) ?? []), listener]);
    },
    silence: () => performance.now() - lookedAt,
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

/**
 * PostgreSQL itself sends the message when the transaction commits, and never when it does not. The counter's row is locked
 * until then: revisions are committed in their order, and whoever sees one sees the keys of all before it.
 */
async function raise(db: Db, topic: ChangeTopic, key: string | undefined): Promise<void> {
  await db.raw(
    `with raised as (
       insert into change_counters as c (topic, revision) values (:topic, 1)
       on conflict (topic) do update set revision = c.revision + 1
       returning topic, revision
     ), noted as (
       insert into changed_keys (topic, revision, key)
       select topic, revision, :key from raised where cast(:key as text) is not null
     ), forgotten as (
       delete from changed_keys using raised
       where changed_keys.topic = raised.topic and changed_keys.revision <= raised.revision - :kept
     )
     select pg_notify(:channel, topic) from raised`,
    { topic, key: key ?? null, kept: REVISIONS_KEPT, channel: CHANNEL },
  );
}

/** undefined when a revision after `before` named no key, or its key is no longer kept. */
async function keysBetween(
  db: Db,
  topic: string,
  before: string | undefined,
  revision: string,
): Promise<string[] | undefined> {
  const count = before === undefined ? 0 : Number(BigInt(revision) - BigInt(before));
  if (before === undefined || count <= 0 || count > REVISIONS_KEPT) return undefined;
  const rows: { key: string; revision: string }[] = await db('changed_keys')
    .select('key', 'revision')
    .where({ topic })
    .where('revision', '>', before)
    .where('revision', '<=', revision);
  if (new Set(rows.map((row) => row.revision)).size !== count) return undefined;
  return [...new Set(rows.map(({ key }) => key))];
}

/** At once when it is no transaction; never after a rollback. Before whoever waits for the transaction goes on. */
export function afterCommit(db: Db, run: () => void): void {
  // `as`: knex hands out its transactions as plain handles; these two fields tell them apart.
  let handle = db as Partial<Pick<Knex.Transaction, 'executionPromise' | 'parentTransaction'>>;
  while (handle.parentTransaction) handle = handle.parentTransaction;
  if (handle.executionPromise === undefined) run();
  else handle.executionPromise.then(run, () => {});
}

async function revisions(db: Db): Promise<{ topic: string; revision: string }[]> {
  return db('change_counters').select('topic', 'revision');
}
