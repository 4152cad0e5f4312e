// One counter per limit and caller, for installations without Redis. Unlogged: after a crash they begin anew, and no write
// waits for the disk. `granted`, `step` and `burst` are the last answer and its question. Half of each page stays free, so
// that an update finds its place beside the old row.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create unlogged table limit_counters (
      key text primary key,
      empty_at bigint not null,
      granted bigint not null,
      step bigint not null,
      burst bigint not null,
      expires_at timestamptz not null
    ) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.5)`);
  await knex.raw('create index limit_counters_expiry on limit_counters (expires_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table limit_counters');
}
