// Budgets, their counters by window, what is reserved under them, and the ledger of amounts.
import type { Knex } from 'knex';

const owners = {
  account: 'accounts',
  client: 'clients',
  'api-key': 'api_keys',
  team: 'teams',
  organization: 'organizations',
} as const;

/** What a budget is of, as a column of each kind: it ends with it. */
const ownerColumns = Object.entries(owners).map(
  ([kind, table]) =>
    `scope_${kind.replace('-', '_')} text collate "C" generated always as (case when scope_kind = '${kind}' then scope_id end) stored
       references ${table} (id) on delete cascade`,
);

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table budget_meters (
      name text collate "C" primary key,
      sentence text not null,
      created_at timestamptz not null
    )`);
  await knex.raw(`
    create table budgets (
      id text collate "C" primary key,
      organization_id text collate "C" references organizations (id) on delete cascade,
      scope_kind text not null
        check (scope_kind in ('organization', 'team', 'account', 'client', 'api-key', 'token')),
      scope_id text collate "C" not null,
      ${ownerColumns.join(',\n      ')},
      meter text collate "C" not null,
      period text not null check (period in ('hour', 'day', 'month', 'total')),
      hard_limit bigint check (hard_limit >= 0),
      soft_limit bigint check (soft_limit >= 0),
      expires_at timestamptz,
      version integer not null default 1,
      created_at timestamptz not null,
      updated_at timestamptz not null,
      check (hard_limit is not null or soft_limit is not null)
    )`);
  await knex.raw(`
    create unique index budgets_once on budgets (scope_id, scope_kind, meter, period, coalesce(organization_id, ''))`);
  await knex.raw(
    'create index budgets_organization on budgets (organization_id, id) where organization_id is not null',
  );
  await knex.raw('create index budgets_kind on budgets (scope_kind)');
  await knex.raw('create index budgets_meter on budgets (meter)');
  await knex.raw('create index budgets_expires_at on budgets (expires_at) where expires_at is not null');
  for (const kind of Object.keys(owners)) {
    const column = `scope_${kind.replace('-', '_')}`;
    await knex.raw(`create index budgets_${column} on budgets (${column}) where ${column} is not null`);
  }
  // Updated in place over and over: room in each page keeps the versions of a row together.
  await knex.raw(`
    create table budget_windows (
      budget_id text collate "C" not null references budgets (id) on delete cascade,
      window_start timestamptz not null,
      window_end timestamptz,
      used bigint not null default 0 check (used >= 0),
      reserved bigint not null default 0 check (reserved >= 0),
      soft_reached_at timestamptz,
      exceeded_at timestamptz,
      primary key (budget_id, window_start)
    ) with (fillfactor = 50)`);
  await knex.raw(
    'create index budget_windows_end on budget_windows (window_end) where window_end is not null',
  );
  await knex.raw(`
    create table budget_reservations (
      id text collate "C" primary key,
      organization_id text collate "C",
      state text not null default 'open' check (state in ('open', 'settled', 'released', 'expired')),
      budget_ids text[] not null,
      amounts jsonb not null,
      holds jsonb not null,
      used_by jsonb,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      closed_at timestamptz
    )`);
  await knex.raw(
    `create index budget_reservations_open on budget_reservations (expires_at) where state = 'open'`,
  );
  await knex.raw(
    'create index budget_reservations_closed on budget_reservations (closed_at) where closed_at is not null',
  );
  // Only ever added to: what the counters of a window say is the sum of its entries.
  await knex.raw(`
    create table budget_entries (
      occurred_at timestamptz not null,
      kind text not null check (kind in ('reserve', 'spend', 'settle', 'release', 'expire', 'adjust', 'carry')),
      budget_id text collate "C" not null,
      window_start timestamptz not null,
      reservation_id text collate "C",
      used bigint not null,
      reserved bigint not null
    )`);
  await knex.raw('create index budget_entries_occurred_at on budget_entries (occurred_at)');
}

export async function down(knex: Knex): Promise<void> {
  const tables = ['budget_entries', 'budget_reservations', 'budget_windows', 'budgets', 'budget_meters'];
  for (const table of tables) await knex.raw(`drop table ${table}`);
}
