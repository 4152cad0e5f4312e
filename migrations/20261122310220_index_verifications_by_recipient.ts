// How many codes and links a recipient got in the last hour.
import type { Knex } from 'knex';

// Built beside the traffic, which only works outside a transaction.
export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await knex.raw('set lock_timeout = 0');
  await knex.raw(
    'create index concurrently if not exists verifications_recipient on verifications (lower(recipient), created_at)',
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index verifications_recipient');
}
