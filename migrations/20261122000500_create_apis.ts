// Resource servers: the audience of their tokens, their permissions, token format, lifetime and algorithm.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table apis (
      id text primary key,
      audience text not null unique,
      name text not null,
      permissions jsonb not null,
      token_format text not null check (token_format in ('jwt', 'opaque')),
      token_lifetime_seconds integer not null,
      signing_algorithm text not null check (signing_algorithm in ('ES256', 'RS256')),
      owner_client_id text,
      system boolean not null,
      version integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`);
  await knex.raw('create index apis_owner on apis (owner_client_id) where owner_client_id is not null');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table apis');
}
