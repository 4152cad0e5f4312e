// A remembered browser: the state of password, factors and addresses under which it was remembered.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table account_devices add column remembered_state bytea');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table account_devices drop column remembered_state');
}
