// JWT access tokens that were revoked one by one, until they would have ended anyway.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table revoked_tokens (
      token_id text collate "C" primary key,
      expires_at timestamptz not null,
      written_at timestamptz not null default now()
    )`);
  await knex.raw('create index revoked_tokens_expires_at on revoked_tokens (expires_at)');
  await knex.raw('create index revoked_tokens_written_at on revoked_tokens (written_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table revoked_tokens');
}
