// Mail and SMS on their way: written with what they tell, sent afterwards.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table messages (
      id text collate "C" primary key,
      channel text not null check (channel in ('mail', 'sms')),
      template text not null,
      account_id text collate "C" references accounts (id) on delete set null,
      recipient text not null,
      locale text not null,
      payload bytea not null,
      deduplication text collate "C" unique,
      state text not null check (state in ('waiting', 'sent', 'failed')),
      attempts integer not null default 0,
      last_error text,
      created_at timestamptz not null,
      next_attempt_at timestamptz,
      expires_at timestamptz,
      finished_at timestamptz
    )`);
  await knex.raw('create index messages_due on messages (next_attempt_at) where next_attempt_at is not null');
  await knex.raw('create index messages_finished on messages (finished_at)');
  await knex.raw('create index messages_account on messages (account_id) where account_id is not null');
  await knex.raw('create index messages_state on messages (state, id)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table messages');
}
