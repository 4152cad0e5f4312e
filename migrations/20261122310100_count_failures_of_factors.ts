// How often a factor failed in a row: after a hundred times it is disabled.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table factors add column consecutive_failures integer not null default 0');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table factors drop column consecutive_failures');
}
