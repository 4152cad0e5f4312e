// Why a password has to be changed, whether a mail was enough to set it, and the ones before it.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table passwords
      add column change_required text,
      add column set_by_mail boolean not null default false`);
  await knex.raw(`
    create table password_history (
      account_id text collate "C" not null references accounts (id) on delete cascade,
      hash text not null,
      replaced_at timestamptz not null,
      primary key (account_id, replaced_at)
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table password_history');
  await knex.raw('alter table passwords drop column change_required, drop column set_by_mail');
}
