// What decisions are asked about: registered resources and their properties, known everywhere or in one organization.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table access_resources (
      organization_id text collate "C" references organizations (id) on delete cascade,
      type text collate "C" not null,
      id text collate "C" not null,
      properties jsonb not null default '{}',
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null
    )`);
  // Also how they are searched: those of one organization or of none, by type, in the order of their ids.
  await knex.raw(`
    create unique index access_resources_key on access_resources (coalesce(organization_id, ''), type, id)`);
  await knex.raw(`
    create index access_resources_organization
      on access_resources (organization_id) where organization_id is not null`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table access_resources');
}
