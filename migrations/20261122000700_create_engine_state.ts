// The protocol engine's state. Ids are stored as SHA-256 and payloads sealed, so that no code, token or session id can be
// read from a dump; what queries need (account, client, grant, expiry) stands beside them as columns.
// Four tables by temperature: sessions and grants live long, tokens are many, transients die within the hour.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table oidc_sessions (
      uid_hash bytea primary key,
      id_hash bytea not null,
      account_id text,
      payload bytea not null,
      address text,
      user_agent text,
      created_at timestamptz not null default now(),
      seen_at timestamptz not null default now(),
      expires_at timestamptz not null
    );
    create unique index oidc_sessions_id_hash_key on oidc_sessions (id_hash);
    create index oidc_sessions_account_id_idx on oidc_sessions (account_id, uid_hash) where account_id is not null;
    create index oidc_sessions_expires_at_idx on oidc_sessions (expires_at);

    create table oidc_grants (
      id text primary key,
      account_id text not null,
      client_id text not null,
      payload bytea not null,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    );
    create index oidc_grants_account_id_idx on oidc_grants (account_id, client_id);
    create index oidc_grants_client_id_idx on oidc_grants (client_id);
    create index oidc_grants_expires_at_idx on oidc_grants (expires_at);

    create table oidc_tokens (
      id_hash bytea primary key,
      model text not null,
      grant_id text,
      account_id text,
      client_id text,
      payload bytea not null,
      consumed_at timestamptz,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    );
    create index oidc_tokens_grant_id_idx on oidc_tokens (grant_id) where grant_id is not null;
    create index oidc_tokens_account_id_idx on oidc_tokens (account_id) where account_id is not null;
    create index oidc_tokens_client_id_idx on oidc_tokens (client_id);
    create index oidc_tokens_expires_at_idx on oidc_tokens (expires_at);

    create table oidc_transients (
      id_hash bytea primary key,
      model text not null,
      grant_id text,
      account_id text,
      client_id text,
      user_code_hash bytea,
      payload bytea not null,
      consumed_at timestamptz,
      polled_at timestamptz,
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    );
    create unique index oidc_transients_user_code_hash_key on oidc_transients (user_code_hash)
      where user_code_hash is not null;
    create index oidc_transients_grant_id_idx on oidc_transients (grant_id) where grant_id is not null;
    create index oidc_transients_account_id_idx on oidc_transients (account_id) where account_id is not null;
    create index oidc_transients_client_id_idx on oidc_transients (client_id) where client_id is not null;
    create index oidc_transients_expires_at_idx on oidc_transients (expires_at);

    create table oidc_replays (
      id_hash bytea primary key,
      expires_at timestamptz not null
    );
    create index oidc_replays_expires_at_idx on oidc_replays (expires_at);

    create table consents (
      account_id text not null,
      client_id text not null,
      scopes text[] not null default '{}',
      claims text[] not null default '{}',
      resource_scopes jsonb not null default '{}',
      granted_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      primary key (account_id, client_id)
    );
    create index consents_client_id_idx on consents (client_id);

    create table device_code_guesses (
      address_prefix text not null,
      window_start timestamptz not null,
      tries integer not null,
      primary key (address_prefix, window_start)
    );
    create index device_code_guesses_window_start_idx on device_code_guesses (window_start);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table device_code_guesses;
    drop table consents;
    drop table oidc_replays;
    drop table oidc_transients;
    drop table oidc_tokens;
    drop table oidc_grants;
    drop table oidc_sessions;
  `);
}
