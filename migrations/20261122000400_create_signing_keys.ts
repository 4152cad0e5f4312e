// The keys that sign tokens, their private parts sealed by the master key; one current and one next key per algorithm.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table signing_keys (
      kid text primary key,
      algorithm text not null check (algorithm in ('ES256', 'RS256')),
      state text not null check (state in ('next', 'current', 'retired')),
      public_jwk jsonb not null,
      private_key bytea not null,
      initial boolean not null,
      created_at timestamptz not null,
      activated_at timestamptz,
      retired_at timestamptz,
      remove_after timestamptz
    )`);
  // The database itself keeps two nodes from promoting two keys.
  await knex.raw(`
    create unique index signing_keys_one_per_state on signing_keys (algorithm, state) where state <> 'retired'`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table signing_keys');
}
