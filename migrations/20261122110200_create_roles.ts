// Roles, what they inherit, and to whom they are assigned: everywhere, or in one organization.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  // A role without an organization is known everywhere; one with belongs to it.
  await knex.raw(`
    create table roles (
      id text collate "C" primary key,
      organization_id text collate "C" references organizations (id) on delete cascade,
      name text collate "C" not null,
      description text,
      permissions text[] not null,
      built_in boolean not null default false,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`);
  await knex.raw(`create unique index roles_name on roles (coalesce(organization_id, ''), name)`);
  await knex.raw(`
    create table role_parents (
      role_id text collate "C" not null references roles (id) on delete cascade,
      parent_id text collate "C" not null references roles (id) on delete cascade,
      primary key (role_id, parent_id),
      check (role_id <> parent_id)
    )`);
  await knex.raw('create index role_parents_parent on role_parents (parent_id)');
  // The subject is an account, a team, a client or an API key; what is assigned to whom ends with either.
  await knex.raw(`
    create table role_assignments (
      subject_kind text not null check (subject_kind in ('account', 'team', 'client', 'api-key')),
      subject_id text collate "C" not null,
      role_id text collate "C" not null references roles (id) on delete cascade,
      organization_id text collate "C" references organizations (id) on delete cascade,
      created_at timestamptz not null
    )`);
  await knex.raw(`
    create unique index role_assignments_once
      on role_assignments (subject_kind, subject_id, role_id, coalesce(organization_id, ''))`);
  await knex.raw('create index role_assignments_role on role_assignments (role_id)');
  await knex.raw(`
    create index role_assignments_organization
      on role_assignments (organization_id) where organization_id is not null`);
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['role_assignments', 'role_parents', 'roles']) await knex.raw(`drop table ${table}`);
}
