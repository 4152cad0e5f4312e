// Becoming an account: codes that allow it, invitations, and those who are on their way.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table registration_codes (
      id text collate "C" primary key,
      code_hash bytea not null unique,
      note text,
      uses integer not null default 0,
      maximum_uses integer not null,
      created_by text,
      created_at timestamptz not null,
      expires_at timestamptz,
      revoked_at timestamptz
    )`);
  await knex.raw('create index registration_codes_expiry on registration_codes (expires_at)');
  await knex.raw(`
    create table organization_invitations (
      id text collate "C" primary key,
      organization_id text collate "C" not null references organizations (id) on delete cascade,
      team_id text collate "C" references teams (id) on delete cascade,
      email text not null,
      normalized text not null,
      link_hash bytea not null unique,
      invited_by text,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      accepted_at timestamptz,
      revoked_at timestamptz
    )`);
  await knex.raw(
    'create index organization_invitations_organization on organization_invitations (organization_id, id)',
  );
  await knex.raw('create index organization_invitations_address on organization_invitations (normalized)');
  await knex.raw('create index organization_invitations_expiry on organization_invitations (expires_at)');
  await knex.raw(
    'create index organization_invitations_team on organization_invitations (team_id) where team_id is not null',
  );
  await knex.raw(`
    create table registrations (
      id text collate "C" primary key,
      binding bytea not null,
      email text not null,
      normalized text not null,
      registration_code_id text collate "C" references registration_codes (id) on delete set null,
      invitation_id text collate "C" references organization_invitations (id) on delete cascade,
      proved_at timestamptz,
      finished_at timestamptz,
      created_at timestamptz not null,
      expires_at timestamptz not null
    )`);
  await knex.raw('create unique index registrations_binding on registrations (binding)');
  await knex.raw(
    'create index registrations_code on registrations (registration_code_id) where registration_code_id is not null',
  );
  await knex.raw(
    'create index registrations_invitation on registrations (invitation_id) where invitation_id is not null',
  );
  await knex.raw('create index registrations_expiry on registrations (expires_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table registrations');
  await knex.raw('drop table organization_invitations');
  await knex.raw('drop table registration_codes');
}
