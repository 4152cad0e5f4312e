// Consent to permissions of APIs is remembered for each organization by itself: id -> audience -> permissions.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`alter table consents add column organization_scopes jsonb not null default '{}'`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table consents drop column organization_scopes');
}
