// Which things a revision of a change counter was about, so that a node drops these and keeps the rest of what it knows.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('changed_keys', (table) => {
    table.text('topic').notNullable();
    table.bigInteger('revision').notNullable();
    table.text('key').notNullable();
    table.primary(['topic', 'revision', 'key']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('changed_keys');
}
