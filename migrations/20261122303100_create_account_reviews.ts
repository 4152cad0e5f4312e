// What was added to an account before somebody had to find their way back into it: to be looked at by its owner.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table account_reviews (
      account_id text primary key references accounts (id) on delete cascade,
      since timestamptz not null,
      until timestamptz not null
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table account_reviews');
}
