// The ledger: one row per security-relevant act, partitioned by month so that retention is a cheap detach; the cursors
// of its listeners; and the counts of refusals of callers that proved nothing.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // An explicit sequence: identity columns of partitioned tables behave alike only from PostgreSQL 17 on.
  await knex.raw('create sequence audit_events_sequence');
  await knex.raw(`
    create table audit_events (
      id text not null,
      occurred_at timestamptz not null,
      type text not null,
      outcome text not null check (outcome in ('success', 'failure', 'denied')),
      actor_kind text not null check (actor_kind in ('account', 'client', 'operator', 'system', 'anonymous')),
      actor_id text,
      account_id text,
      client_id text,
      target_kind text,
      target_id text,
      reason text,
      details jsonb,
      address text,
      user_agent text,
      request_id text,
      transaction_id xid8 not null default pg_current_xact_id(),
      sequence bigint not null default nextval('audit_events_sequence'),
      primary key (occurred_at, id)
    ) partition by range (occurred_at)`);
  await knex.raw('alter sequence audit_events_sequence owned by audit_events.sequence');
  // Listeners read in this order.
  await knex.raw('create index audit_events_order on audit_events (transaction_id, sequence)');
  // One index per filter of the list, ending in its order. Partial, because every token pays for each of them: an act of
  // a person on themselves, or of a client for itself, is found by account_id or client_id already; and the types that
  // make up most of the table are found fast in the order of time.
  await knex.raw(`
    create index audit_events_account on audit_events (account_id, occurred_at) where account_id is not null`);
  await knex.raw(`
    create index audit_events_client on audit_events (client_id, occurred_at) where client_id is not null`);
  await knex.raw(`
    create index audit_events_actor on audit_events (actor_id, occurred_at)
    where actor_id is not null and actor_id is distinct from account_id and actor_id is distinct from client_id`);
  await knex.raw(`
    create index audit_events_target on audit_events (target_id, occurred_at) where target_id is not null`);
  await knex.raw(`
    create index audit_events_type on audit_events (type, occurred_at)
    where type not in ('token.issued', 'token.refreshed', 'token.introspected')`);
  await createPartitions(knex);

  await knex.raw(`
    create table audit_listeners (
      name text primary key,
      transaction_id xid8 not null,
      sequence bigint not null,
      floor_sequence bigint not null default 0,
      failures integer not null default 0,
      leased_by text,
      leased_until timestamptz not null default '-infinity',
      retry_at timestamptz not null default '-infinity'
    )`);
  await knex.raw(`
    create table audit_refusals (
      minute timestamptz not null,
      kind text not null,
      reason text not null,
      network text not null,
      count bigint not null,
      primary key (minute, kind, reason, network)
    )`);
}

// This month and the next three; the job 'audit-partitions' goes on from there. The default partition only ever holds
// rows when the job did not run for months or a clock is wrong.
async function createPartitions(knex: Knex): Promise<void> {
  await knex.raw('create table audit_events_default partition of audit_events default');
  const now = new Date();
  for (let ahead = 0; ahead <= 3; ahead += 1) {
    const from = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1)).toISOString();
    const to = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead + 1, 1)).toISOString();
    const name = `audit_events_${from.slice(0, 4)}_${from.slice(5, 7)}`;
    await knex.raw(`create table ${name} partition of audit_events for values from ('${from}') to ('${to}')`);
  }
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table audit_refusals');
  await knex.raw('drop table audit_listeners');
  await knex.raw('drop table audit_events');
}
