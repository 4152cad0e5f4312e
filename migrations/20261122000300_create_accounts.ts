// People who can sign in, and the mail addresses and user names by which they do. Identifiers have their own table, so
// that one of them is claimed by one insert, whoever else tries at the same time.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // Ids are ASCII and made to be ordered: compared byte by byte, whatever the collation of the database.
  await knex.raw(`
    create table accounts (
      id text collate "C" primary key,
      status text not null default 'active' check (status in ('active', 'suspended')),
      admin boolean not null default false,
      name text,
      given_name text,
      family_name text,
      picture text,
      locale text,
      zoneinfo text,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`);
  await knex.raw('create index accounts_status on accounts (status, id)');
  // The few who can administer: locked together when one of them is about to stop being one.
  await knex.raw(`create index accounts_active_admins on accounts (id) where admin and status = 'active'`);
  // Search by the beginning of a name.
  await knex.raw(
    'create index accounts_name on accounts (lower(name) text_pattern_ops) where name is not null',
  );

  await knex.raw(`
    create table account_identifiers (
      normalized text collate "C" primary key,
      account_id text collate "C" not null references accounts (id) on delete cascade,
      kind text not null check (kind in ('email', 'username')),
      value text not null,
      verified boolean not null default false,
      created_at timestamptz not null,
      unique (account_id, kind)
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table account_identifiers');
  await knex.raw('drop table accounts');
}
