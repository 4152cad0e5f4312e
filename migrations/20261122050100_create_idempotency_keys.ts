// What was answered to a POST with an Idempotency-Key, for a day, so that sending it again does nothing twice.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('idempotency_keys', (table) => {
    table.binary('key_hash').primary().comment('Of the caller, the route and the key.');
    table.binary('request_hash').notNullable().comment('Of the path, query and body that came with it.');
    table.text('request_id').comment('Names the event of the act in the ledger.');
    table.timestamp('claimed_at', { useTz: true }).notNullable();
    table.timestamp('claimed_until', { useTz: true }).notNullable();
    table.binary('answer').comment('Sealed: it may hold a secret that is shown once. Null while under way.');
    table.timestamp('expires_at', { useTz: true }).notNullable().index();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('idempotency_keys');
}
