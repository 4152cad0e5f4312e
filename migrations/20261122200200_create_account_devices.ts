// Browsers in which somebody signed in before: what is new there is told, and a second factor may be remembered.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table account_devices (
      id text collate "C" primary key,
      account_id text collate "C" not null references accounts (id) on delete cascade,
      secret_hash bytea not null,
      address text,
      user_agent text,
      created_at timestamptz not null,
      seen_at timestamptz not null,
      remembered_until timestamptz,
      expires_at timestamptz not null,
      unique (account_id, secret_hash)
    )`);
  await knex.raw('create index account_devices_expiry on account_devices (expires_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table account_devices');
}
