// What time does to keys: notices that one is about to expire, the note that it has, and the removal of what ended long ago.
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import type { ApiKeyId } from '../lib/ids.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { inBatches } from '../platform/jobs/batches.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { KeySettings } from './manage/bounds.ts';

const HOUR_SECONDS = 3600;
const DAY_MILLISECONDS = 86_400_000;
/** So many days ahead an event says that a key ends. */
const NOTICE_DAYS = [30, 7, 1] as const;
const system: Actor = { kind: 'system', id: null };

interface JobDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump'>;
  clock: Clock;
  settings: KeySettings;
}

export function keyJobs(deps: JobDeps): Job[] {
  const { db } = deps.postgres;
  const cutoff = () => new Date(deps.clock.now().getTime() - deps.settings.retentionDays * DAY_MILLISECONDS);
  return [
    {
      name: 'api-keys-expiry',
      everySeconds: 300,
      async run(signal) {
        await inBatches((limit) => noteExpired(deps, limit), signal);
        for (const days of NOTICE_DAYS.toReversed()) {
          await inBatches((limit) => noteExpiring(deps, days, limit), signal);
        }
      },
    },
    {
      name: 'api-keys-retention',
      everySeconds: HOUR_SECONDS,
      async run(signal) {
        await inBatches((limit) => deleteEnded(db, cutoff(), limit), signal);
        await inBatches((limit) => deleteRetired(db, cutoff(), limit), signal);
      },
    },
  ];
}

interface Row {
  id: ApiKeyId;
  account_id: string | null;
  client_id: string | null;
  expires_at: Date;
}

/** One conditional update: of two nodes that look at once, one writes the event. */
function noteExpired({ postgres, audit, clock }: JobDeps, limit: number): Promise<number> {
  return postgres.transaction(async (trx) => {
    const rows = await changedRows(
      trx,
      `update api_keys set ended_at = expires_at, expiry_noticed_days = 0 where id in (
         select id from api_keys
         where expires_at <= ? and revoked_at is null and ended_at is null
         order by expires_at limit ? for update skip locked
       )`,
      [clock.now(), limit],
    );
    for (const row of rows) {
      await audit.record(trx, {
        type: 'api-key.expired',
        ...aboutKey(row),
        details: { expiredAt: row.expires_at },
      });
    }
    return rows.length;
  });
}

/** The nearest first: a key that is made with a day to live is told of once, and not as one with a month. */
function noteExpiring({ postgres, audit, clock }: JobDeps, days: number, limit: number): Promise<number> {
  const now = clock.now();
  return postgres.transaction(async (trx) => {
    const rows = await changedRows(
      trx,
      `update api_keys set expiry_noticed_days = ? where id in (
         select id from api_keys
         where expires_at > ? and expires_at <= ? and revoked_at is null
           and (expiry_noticed_days is null or expiry_noticed_days > ?)
         order by expires_at limit ? for update skip locked
       )`,
      [days, now, new Date(now.getTime() + days * DAY_MILLISECONDS), days, limit],
    );
    for (const row of rows) {
      const details = { days, expiresAt: row.expires_at };
      await audit.record(trx, { type: 'api-key.expiring', ...aboutKey(row), details });
    }
    return rows.length;
  });
}

async function changedRows(trx: Db, sql: string, values: readonly unknown[]): Promise<Row[]> {
  const returning = `${sql} returning id, account_id, client_id, expires_at`;
  const { rows } = await trx.raw<{ rows: Row[] }>(returning, values as unknown[] as string[]); // dates are bound as dates
  return rows;
}

function aboutKey({ id, account_id: accountId, client_id: clientId }: Row) {
  const target = { kind: 'api-key', id };
  return { actor: system, outcome: 'success', accountId, clientId, target } as const;
}

/** With the keys below them, which had no life of their own. */
async function deleteEnded(db: Db, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `delete from api_keys where id in (
       select id from api_keys where ended_at < ? order by ended_at limit ? for update skip locked
     )`,
    [before, limit],
  );
  return rowCount;
}

async function deleteRetired(db: Db, before: Date, limit: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `delete from api_key_secrets where id in (
       select id from api_key_secrets where retires_at < ? order by retires_at limit ? for update skip locked
     )`,
    [before, limit],
  );
  return rowCount;
}
