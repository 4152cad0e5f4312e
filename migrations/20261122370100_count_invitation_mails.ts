// How often an invitation was sent, and when last: mails to one address, and of one organization, are limited by it.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('alter table organization_invitations add column sent_at timestamptz');
  await knex.raw('alter table organization_invitations add column sent_count integer not null default 1');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table organization_invitations drop column sent_count');
  await knex.raw('alter table organization_invitations drop column sent_at');
}
