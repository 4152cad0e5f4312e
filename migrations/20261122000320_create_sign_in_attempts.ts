// Failed sign-ins by typed identifier, by address and by the pair of both. Identifiers and addresses are keyed hashes:
// what somebody typed into the wrong field must not be readable here. The empty hash stands for "any": a row with an
// empty address counts for the identifier, one with an empty identifier counts for the address.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table sign_in_attempts (
      identifier bytea not null,
      address bytea not null,
      failures integer not null,
      failed_at timestamptz,
      blocked_until timestamptz,
      last_success_at timestamptz,
      expires_at timestamptz not null,
      primary key (identifier, address)
    )`);
  await knex.raw('create index sign_in_attempts_expiry on sign_in_attempts (expires_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table sign_in_attempts');
}
