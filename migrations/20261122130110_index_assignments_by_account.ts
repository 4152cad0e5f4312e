// What an account was assigned is found when the account or a membership of it goes.
import type { Knex } from 'knex';

// Built beside the traffic, which only works outside a transaction.
export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await knex.raw('set lock_timeout = 0');
  await knex.raw(
    'create index concurrently if not exists role_assignments_account on role_assignments (account_id, organization_id) where account_id is not null',
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index role_assignments_account');
}
