// The codes of one sign-in, for the guess that is made there.
import type { Knex } from 'knex';

// Built beside the traffic, which only works outside a transaction.
export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await knex.raw('set lock_timeout = 0');
  await knex.raw(
    'create index concurrently if not exists verifications_binding on verifications (binding, id) where binding is not null',
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index verifications_binding');
}
