// Secrets that all nodes share (cookie signing, CSRF, hashing of identifiers): made once, kept sealed by the master key.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('server_secrets', (table) => {
    table.text('name').primary();
    table.binary('sealed').notNullable();
    table.timestamp('created_at', { useTz: true }).notNullable().defaultTo(knex.fn.now());
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('server_secrets');
}
