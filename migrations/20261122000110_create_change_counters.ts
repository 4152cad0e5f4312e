// One counter per kind of cached thing: raised in the transaction of a change, polled by every node to drop its cache.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('change_counters', (table) => {
    table.text('topic').primary();
    table.bigInteger('revision').notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('change_counters');
}
