// OAuth clients and their secrets; of a secret only a keyed hash is kept.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table clients (
      id text primary key,
      name text not null,
      kind text not null check (kind in ('web', 'spa', 'native', 'machine')),
      status text not null check (status in ('active', 'disabled')),
      redirect_uris text[] not null,
      post_logout_redirect_uris text[] not null,
      logo_uri text,
      client_uri text,
      policy_uri text,
      tos_uri text,
      grant_types text[] not null,
      auth_method text not null,
      jwks jsonb,
      jwks_uri text,
      first_party boolean not null,
      scopes text[] not null,
      apis jsonb not null,
      subject_type text not null check (subject_type in ('public', 'pairwise')),
      sector_identifier_uri text,
      backchannel_logout_uri text,
      backchannel_logout_session_required boolean not null,
      cors_origins text[] not null,
      dpop_bound boolean not null,
      require_par boolean not null,
      pkce_exempt boolean not null,
      may_introspect_any boolean not null,
      id_token_algorithm text not null check (id_token_algorithm in ('RS256', 'ES256')),
      access_token_lifetime_seconds integer,
      refresh_idle_seconds integer,
      refresh_absolute_seconds integer,
      system boolean not null,
      version integer not null,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`);
  await knex.raw('create index clients_kind on clients (kind, id)');
  await knex.raw('create index clients_status on clients (status, id)');
  await knex.raw('create index clients_name on clients (lower(name) text_pattern_ops)');
  // Which clients refer to an API: apis @> '[{"audience": "…"}]'.
  await knex.raw('create index clients_apis on clients using gin (apis jsonb_path_ops)');
  await knex.raw(`
    create table client_secrets (
      id text primary key,
      client_id text not null references clients (id) on delete cascade,
      hash bytea not null,
      created_at timestamptz not null,
      expires_at timestamptz,
      retired_at timestamptz
    )`);
  await knex.raw('create index client_secrets_client on client_secrets (client_id, id)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table client_secrets');
  await knex.raw('drop table clients');
}
