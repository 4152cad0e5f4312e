// The ways API keys are looked up: by organization, client, parent, family and end.
import type { Knex } from 'knex';

// An index on a table that is in use is made beside its traffic, which PostgreSQL does outside of transactions only.
export const config = { transaction: false };

const indexes = {
  api_keys_organization: '(organization_id, id) where organization_id is not null',
  api_keys_client: '(client_id, id) where client_id is not null',
  api_keys_parent: '(parent_id, id) where parent_id is not null',
  api_keys_root: '(root_id, id)',
  api_keys_expires_at: '(expires_at) where expires_at is not null and revoked_at is null',
};

export async function up(knex: Knex): Promise<void> {
  await knex.raw('set lock_timeout = 0');
  for (const [name, columns] of Object.entries(indexes)) {
    await knex.raw(`create index concurrently if not exists ${name} on api_keys ${columns}`);
  }
}

export async function down(knex: Knex): Promise<void> {
  for (const name of Object.keys(indexes)) await knex.raw(`drop index ${name}`);
}
