// API keys: the string is shown once, here lies its keyed hash. And the fixed owner of a server for one person.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table api_keys (
      id text collate "C" primary key,
      account_id text collate "C" not null references accounts (id) on delete cascade,
      name text not null,
      hash bytea not null,
      created_at timestamptz not null,
      revoked_at timestamptz
    )`);
  await knex.raw('create index api_keys_account on api_keys (account_id, id)');
  await knex.raw(`
    create table single_user_owner (
      only_one boolean primary key default true check (only_one),
      account_id text collate "C" not null references accounts (id) on delete cascade,
      created_at timestamptz not null default now()
    )`);
  await knex.raw('create index single_user_owner_account on single_user_owner (account_id)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table single_user_owner');
  await knex.raw('drop table api_keys');
}
