// All SQL of the queue of logout notices. Times are the database's own, so that nodes agree on when one is due.
import { newId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { DeliveryFilter, LogoutDelivery } from './schema.ts';

/** For about a day a client that does not answer is asked again. */
const GIVE_UP_SECONDS = 24 * 60 * 60;
/** A node that took a notice and ended has it for so long; longer than any attempt lasts. */
const LEASE_SECONDS = 60;

export interface Notice {
  readonly clientId: string;
  readonly accountId: string;
  readonly sid: string | null;
}

export interface TakenNotice extends Notice {
  readonly id: string;
  /** This one counted. */
  readonly attempts: number;
}

export async function insertNotices(trx: Db, notices: readonly Notice[]): Promise<void> {
  const rows = notices.map(({ clientId, accountId, sid }) => ({
    id: newId('lod'),
    client_id: clientId,
    account_id: accountId,
    sid,
  }));
  await trx.raw(
    `insert into logout_deliveries (id, client_id, account_id, sid, give_up_at)
     select given.*, now() + make_interval(secs => ?) from json_to_recordset(?::json)
       as given(id text, client_id text, account_id text, sid text)`,
    [GIVE_UP_SECONDS, JSON.stringify(rows)],
  );
}

export async function deleteNoticesOf(trx: Db, clientId: string): Promise<void> {
  await trx('logout_deliveries').where({ client_id: clientId }).delete();
}

/**
 * Takes notices that are due: some of each client, so that a million for one of them hold up nobody else's. Each is taken
 * by one node only, and is due again if that node does not say how it went.
 */
export async function takeNotices(
  db: Db,
  act: { limit: number; perClient: number; busy: readonly string[]; failing: readonly string[] },
): Promise<TakenNotice[]> {
  const { rows } = await db
    .raw<{ rows: NoticeRow[] }>(TAKE, [
      [...act.busy],
      [...act.failing],
      act.perClient,
      act.limit,
      LEASE_SECONDS,
    ])
    .options({ name: 'logout_deliveries_take' });
  return rows.map((row) => ({
    id: row.id,
    clientId: row.client_id,
    accountId: row.account_id,
    sid: row.sid,
    attempts: row.attempts,
  }));
}

// The clients that wait for anything are found by hopping from one to the next in the index.
const TAKE = `with recursive waiting as (
    (select client_id from logout_deliveries where state = 'waiting' order by client_id limit 1)
    union all
    select (select d.client_id from logout_deliveries d
      where d.state = 'waiting' and d.client_id > waiting.client_id order by d.client_id limit 1)
    from waiting where waiting.client_id is not null),
  turns as (
    select client_id from waiting where client_id <> all(?::text[]) order by random()),
  due as (
    select found.id from turns cross join lateral (
      select d.id from logout_deliveries d
      where d.client_id = turns.client_id and d.state = 'waiting' and d.next_attempt_at <= now()
      order by d.next_attempt_at
      limit case when turns.client_id = any(?::text[]) then 1 else ?::int end
      for update skip locked) as found
    limit ?::int)
  update logout_deliveries set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => ?)
  where id in (select id from due)
  returning id, client_id, account_id, sid, attempts`;

/** False when it is over already: another attempt, or an operator, was faster. */
export async function markDelivered(db: Db, id: string): Promise<boolean> {
  const count = await db('logout_deliveries')
    .where({ id, state: 'waiting' })
    .update({ state: 'delivered', finished_at: db.fn.now(), last_error: null });
  return count > 0;
}

/** What has become of it: given up when the next attempt would come too late; undefined when it is over already. */
export async function markFailed(
  db: Db,
  id: string,
  act: { reason: string; delaySeconds: number },
): Promise<'waiting' | 'failed' | undefined> {
  const { rows } = await db.raw<{ rows: { state: 'waiting' | 'failed' }[] }>(
    `update logout_deliveries set last_error = :reason,
       next_attempt_at = now() + make_interval(secs => :delaySeconds),
       state = case when now() + make_interval(secs => :delaySeconds) > give_up_at then 'failed' else state end,
       finished_at = case when now() + make_interval(secs => :delaySeconds) > give_up_at then now() end
     where id = :id and state = 'waiting' returning state`,
    { id, ...act },
  );
  return rows[0]?.state;
}

export async function deleteNotice(db: Db, id: string): Promise<void> {
  await db('logout_deliveries').where({ id }).delete();
}

/** Due at once, with another day to go; undefined when there is none of this id that is not delivered. */
export async function makeDue(
  db: Db,
  id: string,
): Promise<{ clientId: string; accountId: string } | undefined> {
  const [row] = await db('logout_deliveries')
    .where({ id })
    .whereNot({ state: 'delivered' })
    .update({
      state: 'waiting',
      next_attempt_at: db.fn.now(),
      finished_at: null,
      give_up_at: db.raw('now() + make_interval(secs => ?)', [GIVE_UP_SECONDS]),
    })
    .returning(['client_id', 'account_id']);
  return row && { clientId: row.client_id, accountId: row.account_id };
}

/** The newest first. */
export async function listNotices(
  db: Db,
  filter: DeliveryFilter,
  before: string | null,
  limit: number,
): Promise<LogoutDelivery[]> {
  const query = db('logout_deliveries').select<NoticeRow[]>(columns).orderBy('id', 'desc').limit(limit);
  if (filter.state !== undefined) query.where({ state: filter.state });
  if (filter.clientId !== undefined) query.where({ client_id: filter.clientId });
  if (before !== null) query.where('id', '<', before);
  return (await query).map(deliveryOf);
}

export async function countNotices(db: Db): Promise<{ waiting: number; failed: number }> {
  const { rows } = await db.raw<{ rows: { waiting: number; failed: number }[] }>(
    `select (select count(*)::int from logout_deliveries where state = 'waiting') as waiting,
       (select count(*)::int from logout_deliveries where state = 'failed') as failed`,
  );
  return rows[0] ?? { waiting: 0, failed: 0 };
}

/** Delivered ones and given-up ones, each after its days. */
export async function deleteFinished(
  db: Db,
  days: { delivered: number; failed: number },
  limit: number,
): Promise<number> {
  const result = await db.raw(
    `delete from logout_deliveries where ctid = any(array(
       select ctid from logout_deliveries
       where finished_at < now() - make_interval(days => :delivered)
         and (state = 'delivered' or finished_at < now() - make_interval(days => :failed))
       order by finished_at limit :limit for update skip locked))`,
    { ...days, limit },
  );
  return result.rowCount ?? 0;
}

const columns = [
  'id',
  'client_id',
  'account_id',
  'sid',
  'state',
  'attempts',
  'last_error',
  'created_at',
  'next_attempt_at',
  'finished_at',
] as const;

interface NoticeRow {
  id: string;
  client_id: string;
  account_id: string;
  sid: string | null;
  state: LogoutDelivery['state'];
  attempts: number;
  last_error: string | null;
  created_at: Date;
  next_attempt_at: Date;
  finished_at: Date | null;
}

function deliveryOf(row: NoticeRow): LogoutDelivery {
  return {
    id: row.id,
    clientId: row.client_id,
    accountId: row.account_id,
    sid: row.sid,
    state: row.state,
    attempts: row.attempts,
    lastError: row.last_error,
    createdAt: row.created_at,
    nextAttemptAt: row.state === 'waiting' ? row.next_attempt_at : null,
    finishedAt: row.finished_at,
  };
}
