// Second ways to prove who one is: authenticator apps, passkeys, numbers and addresses for codes; and recovery codes.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table factors (
      id text collate "C" primary key,
      account_id text collate "C" not null references accounts (id) on delete cascade,
      kind text not null check (kind in ('totp', 'passkey', 'sms', 'mail')),
      name text not null,
      secret bytea,
      credential_id bytea unique,
      counter bigint not null default 0,
      details jsonb not null default '{}',
      created_at timestamptz not null,
      last_used_at timestamptz,
      disabled_at timestamptz
    )`);
  await knex.raw('create index factors_account on factors (account_id, kind)');
  await knex.raw(`
    create table recovery_codes (
      account_id text collate "C" not null references accounts (id) on delete cascade,
      code_hash bytea not null,
      created_at timestamptz not null,
      used_at timestamptz,
      primary key (account_id, code_hash)
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table recovery_codes');
  await knex.raw('drop table factors');
}
