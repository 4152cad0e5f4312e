// All SQL of the outbox. Times are the database's own, so that nodes agree on when a message is due.
import type { MessageId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Channel, Message, MessageFilter, MessageState } from './schema.ts';

/** A node that took a message and ended has it for so long; longer than any attempt may last. */
const LEASE_SECONDS = 180;

/** With the pauses of the outbox, about three days; whoever wants more says until when. */
const ATTEMPTS = 40;

export interface NewRow {
  id: MessageId;
  channel: Channel;
  template: string;
  accountId: string | null;
  to: string;
  locale: string;
  payload: Buffer;
  deduplication: string | null;
  expiresAt: Date | null;
}

export interface TakenMessage {
  readonly id: MessageId;
  readonly channel: Channel;
  readonly template: string;
  readonly accountId: string | null;
  readonly to: string;
  readonly locale: string;
  readonly payload: Buffer;
  /** This one counted. */
  readonly attempts: number;
}

/** False when there is one with the same deduplication key. */
export async function insertMessage(trx: Db, row: NewRow): Promise<boolean> {
  const result = await trx.raw(
    `insert into messages (id, channel, template, account_id, recipient, locale, payload, deduplication, state,
       created_at, next_attempt_at, expires_at)
     values (:id, :channel, :template, :accountId, :to, :locale, :payload, :deduplication, 'waiting',
       now(), now(), :expiresAt)
     on conflict (deduplication) do nothing`,
    { ...row },
  );
  return (result.rowCount ?? 0) > 0;
}

/** Each is taken by one node only, and is due again if that node does not say how it went. */
export async function takeMessages(db: Db, channel: Channel, limit: number): Promise<TakenMessage[]> {
  const { rows } = await db
    .raw<{ rows: TakenRow[] }>(TAKE, [channel, limit, LEASE_SECONDS])
    .options({ name: 'messages_take' });
  return rows.map((row) => ({
    id: row.id,
    channel: row.channel,
    template: row.template,
    accountId: row.account_id,
    to: row.recipient,
    locale: row.locale,
    payload: row.payload,
    attempts: row.attempts,
  }));
}

// What is too late is given up here: whoever took it last may be gone.
const TAKE = `with due as (
    select id from messages where next_attempt_at <= now() and state = 'waiting' and channel = ?
    order by next_attempt_at limit ?::int for update skip locked),
  late as (
    update messages set state = 'failed', next_attempt_at = null, finished_at = now(),
      last_error = coalesce(last_error, 'expired')
    where id in (select id from due) and expires_at <= now())
  update messages set attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => ?)
  where id in (select id from due) and (expires_at is null or expires_at > now())
  returning id, channel, template, account_id, recipient, locale, payload, attempts`;

/** What it said, a code or a link, is not kept longer than it is needed. */
export async function markSent(db: Db, id: string, payload: Buffer): Promise<void> {
  await db('messages')
    .where({ id })
    .update({ state: 'sent', payload, finished_at: db.fn.now(), next_attempt_at: null, last_error: null });
}

/**
 * What has become of it: given up when it must be, or when the next attempt would come too late. Undefined when it is not
 * this attempt's any more.
 */
export async function markFailed(
  db: Db,
  taken: Pick<TakenMessage, 'id' | 'attempts'>,
  act: { reason: string; delaySeconds: number; final: boolean },
): Promise<'waiting' | 'failed' | undefined> {
  const { rows } = await db.raw<{ rows: { state: 'waiting' | 'failed' }[] }>(
    `update messages as m set last_error = :reason,
       state = case when over.it then 'failed' else 'waiting' end,
       next_attempt_at = case when over.it then null else now() + make_interval(secs => :delaySeconds) end,
       finished_at = case when over.it then now() end
     from (select id, :final::boolean or attempts >= :most
         or coalesce(now() + make_interval(secs => :delaySeconds) >= expires_at, false) as it
       from messages where id = :id) as over
     where m.id = over.id and m.state = 'waiting' and m.attempts = :attempts returning m.state`,
    { ...act, id: taken.id, attempts: taken.attempts, most: ATTEMPTS },
  );
  return rows[0]?.state;
}

/** Due at once, with all attempts to go. `expired`: nobody could use it any more. Undefined: none that is not sent. */
export async function makeDue(
  db: Db,
  id: string,
): Promise<{ kind: 'due' | 'expired'; message: Message } | undefined> {
  const [due] = await db('messages')
    .where({ id })
    .whereNot({ state: 'sent' })
    .where((fresh) => fresh.whereNull('expires_at').orWhere('expires_at', '>', db.fn.now()))
    .update({ state: 'waiting', attempts: 0, next_attempt_at: db.fn.now(), finished_at: null })
    .returning<MessageRow[]>(columns);
  if (due !== undefined) return { kind: 'due', message: messageOf(due) };
  const [late] = await db('messages').select<MessageRow[]>(columns).where({ id }).whereNot({ state: 'sent' });
  return late && { kind: 'expired', message: messageOf(late) };
}

export async function findMessage(db: Db, id: string): Promise<Message | undefined> {
  const [row] = await db('messages').select<MessageRow[]>(columns).where({ id });
  return row && messageOf(row);
}

/** The newest first. */
export async function listMessages(
  db: Db,
  filter: MessageFilter,
  before: string | null,
  limit: number,
): Promise<Message[]> {
  const query = db('messages').select<MessageRow[]>(columns).orderBy('id', 'desc').limit(limit);
  if (filter.state !== undefined) query.where({ state: filter.state });
  if (filter.channel !== undefined) query.where({ channel: filter.channel });
  if (filter.accountId !== undefined) query.where({ account_id: filter.accountId });
  if (before !== null) query.where('id', '<', before);
  return (await query).map(messageOf);
}

export async function countMessages(db: Db): Promise<{ waiting: number; failed: number }> {
  const { rows } = await db.raw<{ rows: { waiting: number; failed: number }[] }>(
    `select (select count(*)::int from messages where state = 'waiting') as waiting,
       (select count(*)::int from messages where state = 'failed') as failed`,
  );
  return rows[0] ?? { waiting: 0, failed: 0 };
}

/** Sent ones and given-up ones, each after its days. */
export async function deleteFinished(
  db: Db,
  days: { sent: number; failed: number },
  limit: number,
): Promise<number> {
  const result = await db.raw(
    `delete from messages where ctid = any(array(
       select ctid from messages
       where finished_at < now() - make_interval(days => :sent)
         and (state = 'sent' or finished_at < now() - make_interval(days => :failed))
       order by finished_at limit :limit for update skip locked))`,
    { ...days, limit },
  );
  return result.rowCount ?? 0;
}

const columns = [
  'id',
  'channel',
  'template',
  'account_id',
  'recipient',
  'locale',
  'state',
  'attempts',
  'last_error',
  'created_at',
  'next_attempt_at',
  'expires_at',
  'finished_at',
] as const;

interface TakenRow {
  id: MessageId;
  channel: Channel;
  template: string;
  account_id: string | null;
  recipient: string;
  locale: string;
  payload: Buffer;
  attempts: number;
}

interface MessageRow extends Omit<TakenRow, 'payload'> {
  state: MessageState;
  last_error: string | null;
  created_at: Date;
  next_attempt_at: Date | null;
  expires_at: Date | null;
  finished_at: Date | null;
}

function messageOf(row: MessageRow): Message {
  return {
    id: row.id,
    channel: row.channel,
    template: row.template,
    accountId: row.account_id,
    to: row.recipient,
    locale: row.locale,
    state: row.state,
    attempts: row.attempts,
    lastError: row.last_error,
    createdAt: row.created_at,
    nextAttemptAt: row.next_attempt_at,
    expiresAt: row.expires_at,
    finishedAt: row.finished_at,
  };
}
