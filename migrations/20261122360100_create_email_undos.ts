// Links to the address that an account had before: whoever reads it can take the change back.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table email_undos (
      link_hash bytea primary key,
      account_id text collate "C" not null references accounts (id) on delete cascade,
      email text not null,
      verified boolean not null,
      created_at timestamptz not null,
      expires_at timestamptz not null
    )`);
  await knex.raw('create index email_undos_account on email_undos (account_id)');
  await knex.raw('create index email_undos_expiry on email_undos (expires_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table email_undos');
}
