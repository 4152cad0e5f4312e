// For installations with Redis, which may lose what it was told: which codes, requests and device codes are used up, and
// until when PostgreSQL is asked before Redis because something was written there while Redis was away.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table oidc_spent (
      id_hash bytea primary key,
      spent_at timestamptz not null default now(),
      expires_at timestamptz not null
    )`);
  await knex.raw('create index oidc_spent_expires_at_idx on oidc_spent (expires_at)');
  await knex.raw(`
    create table oidc_transients_home (
      only_one boolean primary key default true check (only_one),
      postgres_until timestamptz not null
    )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table oidc_transients_home');
  await knex.raw('drop table oidc_spent');
}
