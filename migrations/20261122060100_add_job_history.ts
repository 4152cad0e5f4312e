// What operators ask about scheduled work: when it last went well, and how often it has failed since.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('jobs', (table) => {
    table.timestamp('last_succeeded_at', { useTz: true });
    table.integer('failures').notNullable().defaultTo(0).comment('In a row, up to now.');
    table.bigInteger('failures_total').notNullable().defaultTo(0);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('jobs', (table) => {
    table.dropColumns('last_succeeded_at', 'failures', 'failures_total');
  });
}
