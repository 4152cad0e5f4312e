// Where short-lived state is looked for first. Redis, until something was written to PostgreSQL because Redis was away:
// from then on, on every node, PostgreSQL, for as long as an older copy in Redis can live.
import type { Changes } from '../../platform/changes.ts';
import type { Db } from '../../platform/database/postgres.ts';

export interface TransientsHome {
  /** Learns what is known of it; to be awaited before the first request. */
  start(): Promise<void>;
  /** Reads ask PostgreSQL before Redis, and writes go there. Also while nothing is known yet. */
  postgresFirst(): boolean;
  /** Whether PostgreSQL may still hold some of what was written there. */
  postgresMayHold(): boolean;
  /** Redis did not confirm a change: durable, and known to all nodes within a second, when this resolves. */
  fallBack(): Promise<void>;
}

/** So often at most the time is pushed on while Redis stays away. */
const RENEW_MILLISECONDS = 30_000;

export function createTransientsHome(deps: {
  db: Db;
  changes: Pick<Changes, 'bump' | 'on'>;
  /** What lives the longest of all that Redis holds. */
  longestSeconds: number;
}): TransientsHome {
  const { db, changes } = deps;
  const longest = deps.longestSeconds * 1000;
  let until: number | undefined;
  let falling: Promise<void> | undefined;

  const learn = (seconds: number) => {
    until = Math.max(until ?? 0, Date.now() + seconds * 1000);
  };

  async function load(): Promise<void> {
    const { rows } = await db.raw<{ rows: { seconds: number }[] }>(SECONDS_LEFT);
    learn(rows[0]?.seconds ?? deps.longestSeconds);
  }

  /**
   * What a server without Redis, or an earlier start, left in PostgreSQL is asked for there until its end. By all nodes: one
   * that went on asking Redis first would not see what this one writes.
   */
  async function begin(): Promise<number> {
    return db.transaction(async (trx) => {
      const { rows } = await trx.raw<{ rows: { seconds: number }[] }>(BEGIN);
      const seconds = rows[0]?.seconds ?? deps.longestSeconds;
      if (seconds > 0) await changes.bump(trx, 'transients');
      return seconds;
    });
  }

  // Unknown: PostgreSQL first is never wrong.
  const known = () => until ?? Number.POSITIVE_INFINITY;

  async function announce(): Promise<void> {
    await db.transaction(async (trx) => {
      await trx.raw(FALL_BACK, [deps.longestSeconds]);
      await changes.bump(trx, 'transients');
    });
    learn(deps.longestSeconds);
  }

  changes.on('transients', load);

  return {
    start: async () => learn(await begin()),
    postgresFirst: () => known() > Date.now(),
    postgresMayHold: () => known() + longest > Date.now(),
    async fallBack() {
      if (until !== undefined && until > Date.now() + longest - RENEW_MILLISECONDS) return;
      falling ??= announce().finally(() => {
        falling = undefined;
      });
      await falling;
    },
  };
}

const SECONDS_LEFT = `select greatest(0, extract(epoch from postgres_until - now()))::float as seconds
  from oidc_transients_home`;

const BEGIN = `insert into oidc_transients_home as home (postgres_until)
    select coalesce(max(expires_at), now()) from oidc_transients
  on conflict (only_one) do update set postgres_until = greatest(home.postgres_until, excluded.postgres_until)
  returning greatest(0, extract(epoch from postgres_until - now()))::float as seconds`;

const FALL_BACK = `insert into oidc_transients_home as home (postgres_until) values (now() + make_interval(secs => ?))
  on conflict (only_one) do update set postgres_until = greatest(home.postgres_until, excluded.postgres_until)`;
