// From where a code or link was asked for: so many an hour and no more.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table verifications add column address text');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table verifications drop column address');
}
