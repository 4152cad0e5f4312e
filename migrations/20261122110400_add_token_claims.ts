// What tokens say beyond the standard: claims of an API, a client; and how often a client may ask when it is not like others.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table apis
      add column token_claims text[] not null default '{}',
      add column claims jsonb not null default '{}'`);
  await knex.raw(`
    alter table clients
      add column claims jsonb not null default '{}',
      add column rate_limits jsonb not null default '[]'`);
  // Until now everybody could allow an app what an API has. What is there goes on so; a new permission says it by itself.
  await knex.raw(`
    update apis set permissions = (
      select coalesce(jsonb_agg(permission || '{"everyone": true}'), '[]') from jsonb_array_elements(permissions) as permission
    ) where not system`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table apis drop column token_claims, drop column claims');
  await knex.raw('alter table clients drop column claims, drop column rate_limits');
}
