// More about people: phone, further profile fields, appearance, the end they asked for, and the terms they accepted.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table accounts
      add column phone_number text,
      add column phone_number_verified_at timestamptz,
      add column profile jsonb not null default '{}',
      add column appearance text not null default 'system',
      add column webauthn_user_id bytea,
      add column delete_at timestamptz`);
  await knex.raw(`
    create table terms_acceptances (
      account_id text collate "C" not null references accounts (id) on delete cascade,
      version text not null,
      accepted_at timestamptz not null,
      primary key (account_id, version)
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table terms_acceptances');
  await knex.raw(
    'alter table accounts drop column phone_number, drop column phone_number_verified_at, drop column profile, drop column appearance, drop column webauthn_user_id, drop column delete_at',
  );
}
