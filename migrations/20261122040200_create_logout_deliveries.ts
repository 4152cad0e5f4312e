// What clients are still to be told about ended sessions (OpenID Connect Back-Channel Logout): written with the end of the
// session, in the same commit, and kept until it is delivered or given up.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table logout_deliveries (
      id text collate "C" primary key,
      client_id text collate "C" not null,
      account_id text collate "C" not null,
      sid text collate "C",
      state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
      attempts integer not null default 0,
      last_error text,
      created_at timestamptz not null default now(),
      next_attempt_at timestamptz not null default now(),
      give_up_at timestamptz not null,
      finished_at timestamptz
    )`);
  // A million notices to one client must not be read through to find those of another.
  await knex.raw(`
    create index logout_deliveries_waiting on logout_deliveries (client_id, next_attempt_at)
      where state = 'waiting'`);
  await knex.raw('create index logout_deliveries_client on logout_deliveries (client_id, id)');
  await knex.raw('create index logout_deliveries_finished_at on logout_deliveries (finished_at)');
  await knex.raw(`create index logout_deliveries_failed on logout_deliveries (id) where state = 'failed'`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table logout_deliveries');
}
