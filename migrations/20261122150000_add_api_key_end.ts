// When a key ended, by being revoked or by its date: what retention counts from.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table api_keys add column ended_at timestamptz');
  await knex.raw('update api_keys set ended_at = revoked_at where revoked_at is not null');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table api_keys drop column ended_at');
}
