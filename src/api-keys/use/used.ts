// When and from where a key was last used: at most one write a minute for a key, all keys of a few seconds in one statement.
import type { Clock } from '../../platform/clock.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { Log } from '../../platform/telemetry/log.ts';

export interface LastUse {
  note(keyId: string, use: { address: string | null; userAgent: string | null }): void;
  /** Writes what was noted. */
  flush(): Promise<void>;
  start(): void;
  /** Flushes a last time. */
  stop(): Promise<void>;
}

interface Use {
  at: Date;
  address: string | null;
  userAgent: string | null;
}

const FLUSH_MILLISECONDS = 5_000;
const MINUTE_MILLISECONDS = 60_000;
const MAXIMUM_USER_AGENT = 512;
const MAXIMUM_NOTED = 200_000;
const BATCH = 1_000;

export function createLastUse(deps: { db: Db; clock: Clock; log: Log }): LastUse {
  const { db, clock, log } = deps;
  /** Of this minute: what was written or is about to be. */
  let noted = new Set<string>();
  let minute = 0;
  let waiting = new Map<string, Use>();
  let timer: NodeJS.Timeout | undefined;
  let last: Promise<void> = Promise.resolve();

  async function write(uses: ReadonlyMap<string, Use>): Promise<void> {
    const all = [...uses];
    for (let from = 0; from < all.length; from += BATCH) await writeUses(db, all.slice(from, from + BATCH));
  }

  /** One after the other. What cannot be written is lost: it is approximate, and requests do not wait for it. */
  function flush(): Promise<void> {
    const uses = waiting;
    waiting = new Map();
    if (uses.size > 0) {
      last = last
        .then(() => write(uses))
        .catch((error: unknown) => log.warn('the last use of API keys could not be written', { error }));
    }
    return last;
  }

  return {
    note(keyId, { address, userAgent }) {
      const at = clock.now();
      const current = Math.floor(at.getTime() / MINUTE_MILLISECONDS);
      if (current !== minute || noted.size >= MAXIMUM_NOTED) [noted, minute] = [new Set(), current];
      if (noted.has(keyId)) return;
      noted.add(keyId);
      waiting.set(keyId, { at, address, userAgent: userAgent?.slice(0, MAXIMUM_USER_AGENT) ?? null });
    },
    flush,
    start() {
      timer = setInterval(() => void flush(), FLUSH_MILLISECONDS);
      timer.unref();
    },
    async stop() {
      clearInterval(timer);
      await flush();
    },
  };
}

/** Another node may have written this minute's. Rows are taken in the order of ids, so that two nodes never wait for each other. */
async function writeUses(db: Db, uses: readonly (readonly [string, Use])[]): Promise<void> {
  await db.raw(
    `with used as (
       select k.id, u.at, u.address, u.user_agent
       from unnest(?::text[], ?::timestamptz[], ?::text[], ?::text[]) as u (id, at, address, user_agent)
       join api_keys k on k.id = u.id collate "C"
       where k.last_used_at is null or k.last_used_at < date_trunc('minute', u.at)
       order by k.id for update of k
     )
     update api_keys k set last_used_at = used.at, last_used_address = used.address, last_used_user_agent = used.user_agent
     from used where k.id = used.id`,
    [
      uses.map(([id]) => id),
      uses.map(([, { at }]) => at),
      // `as`: knex names no type for an array with nulls, which PostgreSQL takes.
      uses.map(([, { address }]) => address) as string[],
      uses.map(([, { userAgent }]) => userAgent) as string[],
    ],
  );
}
