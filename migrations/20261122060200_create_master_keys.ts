// Which master key wraps new values, which ones did before, and which keys each running node holds. Never a key itself.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table master_keys (
      id text primary key,
      state text not null check (state in ('next', 'current', 'previous', 'retired')),
      created_at timestamptz not null,
      activated_at timestamptz,
      retired_at timestamptz
    )`);
  await knex.raw(
    `create unique index master_keys_one_current on master_keys (state) where state = 'current'`,
  );
  await knex.raw(`create unique index master_keys_one_next on master_keys (state) where state = 'next'`);
  await knex.raw(`
    create table master_key_nodes (
      node text primary key,
      host text not null,
      held text[] not null,
      uses text not null,
      seen_at timestamptz not null
    )`);
  await knex.raw('create index master_key_nodes_seen_at_idx on master_key_nodes (seen_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table master_key_nodes');
  await knex.raw('drop table master_keys');
}
