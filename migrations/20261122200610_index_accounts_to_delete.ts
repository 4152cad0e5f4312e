// The accounts whose owners asked for their end.
import type { Knex } from 'knex';

// Built beside the traffic, which only works outside a transaction.
export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await knex.raw('set lock_timeout = 0');
  await knex.raw(
    'create index concurrently if not exists accounts_delete_at on accounts (delete_at) where delete_at is not null',
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index accounts_delete_at');
}
