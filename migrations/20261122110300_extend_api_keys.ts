// API keys as clients: owners of three kinds, sub-keys, limits, and several secrets side by side while one is rotated.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // account_id: the owner, where it is a person. organization_id: the owner, or where a person's key may act.
  await knex.raw(`
    alter table api_keys
      alter column account_id drop not null,
      alter column hash drop not null,
      add column owner_kind text not null default 'account'
        check (owner_kind in ('account', 'organization', 'client')),
      add column organization_id text collate "C" references organizations (id) on delete cascade,
      add column client_id text collate "C" references clients (id) on delete cascade,
      add column parent_id text collate "C" references api_keys (id) on delete cascade,
      add column root_id text collate "C",
      add column depth integer not null default 0,
      add column permissions text[] not null default '{*:*}',
      add column apis text[],
      add column allowed_addresses text[],
      add column rate_limits jsonb not null default '[]',
      add column constraints jsonb not null default '{}',
      add column claims jsonb not null default '{}',
      add column notes text,
      add column status text not null default 'active' check (status in ('active', 'disabled')),
      add column expires_at timestamptz,
      add column expiry_noticed_days integer,
      add column revoked_reason text,
      add column last_used_at timestamptz,
      add column last_used_address text,
      add column last_used_user_agent text,
      add column version integer not null default 1,
      add column updated_at timestamptz not null default now()`);
  await knex.raw('update api_keys set root_id = id, updated_at = created_at');
  await knex.raw(`
    create table api_key_secrets (
      id text collate "C" primary key,
      key_id text collate "C" not null references api_keys (id) on delete cascade,
      hash bytea not null,
      pepper_version integer not null,
      created_at timestamptz not null,
      retires_at timestamptz
    )`);
  await knex.raw('create index api_key_secrets_key on api_key_secrets (key_id, id)');
  await knex.raw(
    'create index api_key_secrets_retires on api_key_secrets (retires_at) where retires_at is not null',
  );
  // The id of a key fits as that of its first secret: only the prefix says what it is.
  await knex.raw(`
    insert into api_key_secrets (id, key_id, hash, pepper_version, created_at)
      select 'kse_' || substr(id, 5), id, hash, 1, created_at from api_keys where hash is not null`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table api_key_secrets');
  await knex.raw('delete from api_keys where account_id is null or hash is null');
  for (const column of added) await knex.raw(`alter table api_keys drop column ${column}`);
  await knex.raw('alter table api_keys alter column account_id set not null, alter column hash set not null');
}

const added = [
  'owner_kind',
  'organization_id',
  'client_id',
  'parent_id',
  'root_id',
  'depth',
  'permissions',
  'apis',
  'allowed_addresses',
  'rate_limits',
  'constraints',
  'claims',
  'notes',
  'status',
  'expires_at',
  'expiry_noticed_days',
  'revoked_reason',
  'last_used_at',
  'last_used_address',
  'last_used_user_agent',
  'version',
  'updated_at',
];
