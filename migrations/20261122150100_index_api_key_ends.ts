// Ended keys are looked for by when they ended; those that still work are most of the table and not in this index.
import type { Knex } from 'knex';

// An index on a table that is in use is made beside its traffic, which PostgreSQL does outside of transactions only.
export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await knex.raw('set lock_timeout = 0');
  await knex.raw(
    'create index concurrently if not exists api_keys_ended_at on api_keys (ended_at) where ended_at is not null',
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index api_keys_ended_at');
}
