// One password for each account that has one: its Argon2id hash, and the failures since it was last presented correctly
// (NIST SP 800-63B §3.2.2 bounds them, so they are counted per password and not per identifier).
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table passwords (
      account_id text collate "C" primary key references accounts (id) on delete cascade,
      hash text not null,
      consecutive_failures integer not null default 0,
      set_at timestamptz not null,
      hashed_at timestamptz not null
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table passwords');
}
