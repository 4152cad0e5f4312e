// Organizations, their teams, and who is a member of which.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table organizations (
      id text collate "C" primary key,
      slug text collate "C" not null unique,
      name text not null,
      status text not null default 'active' check (status in ('active', 'suspended')),
      time_zone text not null default 'UTC',
      permissions text[] not null default '{*:*}',
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`);
  await knex.raw(`
    create table organization_members (
      organization_id text collate "C" not null references organizations (id) on delete cascade,
      account_id text collate "C" not null references accounts (id) on delete cascade,
      created_at timestamptz not null,
      primary key (organization_id, account_id)
    )`);
  await knex.raw(
    'create index organization_members_account on organization_members (account_id, organization_id)',
  );
  await knex.raw(`
    create table teams (
      id text collate "C" not null unique,
      organization_id text collate "C" not null references organizations (id) on delete cascade,
      name text not null,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (organization_id, id)
    )`);
  await knex.raw('create unique index teams_name on teams (organization_id, lower(name))');
  // A member of a team is a member of its organization: the second key ends the one with the other.
  await knex.raw(`
    create table team_members (
      organization_id text collate "C" not null,
      team_id text collate "C" not null,
      account_id text collate "C" not null,
      created_at timestamptz not null,
      primary key (organization_id, team_id, account_id),
      foreign key (organization_id, team_id) references teams (organization_id, id) on delete cascade,
      foreign key (organization_id, account_id)
        references organization_members (organization_id, account_id) on delete cascade
    )`);
  await knex.raw('create index team_members_account on team_members (organization_id, account_id)');
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['team_members', 'teams', 'organization_members', 'organizations']) {
    await knex.raw(`drop table ${table}`);
  }
}
