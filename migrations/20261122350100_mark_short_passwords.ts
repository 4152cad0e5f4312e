// Passwords that are only long enough beside a second factor: they have to be changed when it goes.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table passwords add column short boolean not null default false');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table passwords drop column short');
}
