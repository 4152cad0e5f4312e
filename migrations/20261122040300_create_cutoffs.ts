// From when on tokens and sign-ins count: those of before are worth nothing. For what leaves no row of its own to delete:
// JWT access tokens, and sign-ins that were under way.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table cutoffs (
      kind text not null check (kind in ('account', 'client', 'everyone')),
      subject text collate "C" not null,
      not_before timestamptz not null,
      written_at timestamptz not null default now(),
      primary key (kind, subject)
    )`);
  await knex.raw('create index cutoffs_written_at on cutoffs (written_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table cutoffs');
}
