// What is assigned ends with whom it is assigned to; and the roles that exist from the start.
import type { Knex } from 'knex';

// Each of them is to be read beside src/vocabulary/permissions.ts and docs/roles.md. They can be edited afterwards.
const roles = [
  {
    id: 'role_00000000000000000000000001',
    name: 'guest',
    description: 'The first step of the ladder: known, and nothing more than what everyone may.',
    permissions: [],
    parents: [],
  },
  {
    id: 'role_00000000000000000000000002',
    name: 'viewer',
    description: 'Sees everything and changes nothing.',
    permissions: ['*:read'],
    parents: ['guest'],
  },
  {
    id: 'role_00000000000000000000000003',
    name: 'user',
    description: 'Sees everything, and manages API keys of their own.',
    permissions: ['own-api-keys:*'],
    parents: ['viewer'],
  },
  {
    id: 'role_00000000000000000000000004',
    name: 'operator',
    description: 'Keeps the server running: scheduled work, signing keys, sessions; sees everything.',
    permissions: ['*:read', 'jobs:*', 'sessions:*', 'signing-keys:*'],
    parents: [],
  },
  {
    id: 'role_00000000000000000000000005',
    name: 'auditor',
    description: 'Reads the ledger, and sees everything that it speaks of.',
    permissions: ['*:read', 'audit-events:read'],
    parents: [],
  },
  {
    id: 'role_00000000000000000000000006',
    name: 'admin',
    description: 'May do everything. Whoever has it everywhere is an administrator of the server.',
    permissions: ['*:*'],
    parents: ['user'],
  },
];

export async function up(knex: Knex): Promise<void> {
  // Beside the kind and the id, the same id where its table is known: so an assignment goes with what it was made to.
  // A membership or a team of an organization takes along what was assigned to it there.
  await knex.raw(`
    alter table role_assignments
      add column account_id text collate "C" references accounts (id) on delete cascade,
      add column team_id text collate "C",
      add column client_id text collate "C" references clients (id) on delete cascade,
      add column api_key_id text collate "C" references api_keys (id) on delete cascade,
      add check (subject_id = case subject_kind
        when 'account' then account_id when 'team' then team_id
        when 'client' then client_id else api_key_id end),
      add check (subject_kind <> 'team' or organization_id is not null),
      add foreign key (organization_id, account_id)
        references organization_members (organization_id, account_id) on delete cascade,
      add foreign key (organization_id, team_id) references teams (organization_id, id) on delete cascade`);
  for (const { parents: _parents, ...role } of roles) {
    await knex.raw(
      `insert into roles (id, name, description, permissions, built_in, created_at, updated_at)
       values (:id, :name, :description, :permissions, true, now(), now()) on conflict do nothing`,
      role,
    );
  }
  for (const { id, parents } of roles) {
    await knex.raw(
      `insert into role_parents (role_id, parent_id)
       select ?, id from roles where name = any(?::text[]) and organization_id is null on conflict do nothing`,
      [id, parents],
    );
  }
}

export async function down(knex: Knex): Promise<void> {
  await knex('roles')
    .whereIn(
      'id',
      roles.map(({ id }) => id),
    )
    .delete();
  for (const column of ['account_id', 'team_id', 'client_id', 'api_key_id']) {
    await knex.raw(`alter table role_assignments drop column ${column}`);
  }
}
