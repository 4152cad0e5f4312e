// Which clients take part in a browser session. One row each, beside the sealed session: two tabs that save the same
// session at once must not lose each other's client, which would never hear that the session ended.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table oidc_session_clients (
      uid_hash bytea not null references oidc_sessions (uid_hash) on delete cascade,
      client_id text collate "C" not null,
      sid text collate "C" not null,
      grant_id text collate "C",
      persists_logout boolean not null default false,
      updated_at timestamptz not null default now(),
      primary key (uid_hash, client_id, sid)
    )`);
  await knex.raw('create index oidc_session_clients_client on oidc_session_clients (client_id, uid_hash)');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table oidc_session_clients');
}
