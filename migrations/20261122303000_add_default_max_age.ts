// How recent a sign-in a client wants where its request does not say.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table clients add column default_max_age_seconds integer');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table clients drop column default_max_age_seconds');
}
