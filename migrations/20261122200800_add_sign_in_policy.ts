// How sure a sign-in has to be and how long a session lasts, by client, organization and role; front-channel logout.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table clients
      add column required_acr text,
      add column session_idle_seconds integer,
      add column session_absolute_seconds integer,
      add column frontchannel_logout_uri text,
      add column frontchannel_logout_session_required boolean not null default false`);
  await knex.raw(`
    alter table organizations
      add column required_acr text,
      add column session_idle_seconds integer,
      add column session_absolute_seconds integer`);
  await knex.raw(`
    alter table roles
      add column required_acr text,
      add column session_idle_seconds integer,
      add column session_absolute_seconds integer`);
  await knex.raw(`
    alter table oidc_sessions
      add column device_id text`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(
    'alter table clients drop column required_acr, drop column session_idle_seconds, drop column session_absolute_seconds, drop column frontchannel_logout_uri, drop column frontchannel_logout_session_required',
  );
  await knex.raw(
    'alter table organizations drop column required_acr, drop column session_idle_seconds, drop column session_absolute_seconds',
  );
  await knex.raw(
    'alter table roles drop column required_acr, drop column session_idle_seconds, drop column session_absolute_seconds',
  );
  await knex.raw('alter table oidc_sessions drop column device_id');
}
