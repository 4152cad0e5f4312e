// All administrators are listed, suspended ones with them.
import type { Knex } from 'knex';

// Built beside the traffic, which only works outside a transaction.
export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await knex.raw('set lock_timeout = 0');
  await knex.raw('create index concurrently if not exists accounts_admins on accounts (id) where admin');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index accounts_admins');
}
