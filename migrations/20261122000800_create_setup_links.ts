// The link under which the first administrator is made: at most one, stored as a hash, gone when it is used.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table setup_links (
      only_one boolean primary key default true check (only_one),
      token_hash bytea not null,
      created_at timestamptz not null default now()
    )
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table setup_links');
}
