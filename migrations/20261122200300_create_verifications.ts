// One-time codes and links sent by mail or SMS, each for one purpose and one attempt.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table verifications (
      id text collate "C" primary key,
      purpose text not null,
      channel text not null check (channel in ('mail', 'sms')),
      account_id text collate "C" references accounts (id) on delete cascade,
      recipient text not null,
      binding bytea,
      code_hash bytea,
      link_hash bytea unique,
      attempts_left integer not null,
      details jsonb not null default '{}',
      created_at timestamptz not null,
      expires_at timestamptz not null,
      used_at timestamptz
    )`);
  await knex.raw('create index verifications_account on verifications (account_id, purpose)');
  await knex.raw('create index verifications_expiry on verifications (expires_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table verifications');
}
