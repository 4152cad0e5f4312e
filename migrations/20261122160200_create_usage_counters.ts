// How much was used, by hour, subject, kind and meter.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table usage_counters (
      hour timestamptz not null,
      subject_kind text collate "C" not null,
      subject_id text collate "C" not null,
      organization_id text collate "C" not null default '',
      kind text collate "C" not null,
      meter text collate "C" not null,
      amount bigint not null,
      primary key (subject_id, hour, subject_kind, organization_id, kind, meter)
    )`);
  await knex.raw('create index usage_counters_hour on usage_counters (hour)');
  await knex.raw(
    `create index usage_counters_organization on usage_counters (organization_id, hour) where organization_id <> ''`,
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table usage_counters');
}
