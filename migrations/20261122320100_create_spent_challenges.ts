// Challenges of passkeys that were answered, until they would have ended anyway: none is answered twice.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table spent_challenges (
      challenge_hash bytea primary key,
      expires_at timestamptz not null
    )`);
  await knex.raw('create index spent_challenges_expires_at on spent_challenges (expires_at)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table spent_challenges');
}
