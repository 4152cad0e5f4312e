// The SQL of budgets and meters: rows in, records out.
import type { BudgetId, OrganizationId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Budget, BudgetFilter, BudgetScope, BudgetWindow } from './schema.ts';

interface Row {
  id: BudgetId;
  organization_id: OrganizationId | null;
  scope_kind: BudgetScope['kind'];
  scope_id: string;
  meter: string;
  period: BudgetWindow;
  hard_limit: string | null;
  soft_limit: string | null;
  expires_at: Date | null;
  version: number;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = [
  'id',
  'organization_id',
  'scope_kind',
  'scope_id',
  'meter',
  'period',
  'hard_limit',
  'soft_limit',
  'expires_at',
  'version',
  'created_at',
  'updated_at',
] as const;

/** A bigint as `pg` reads it. */
export const capOf = (digits: string | null) => (digits === null ? null : BigInt(digits));

function budgetOf(row: Row): Budget {
  return {
    id: row.id,
    organizationId: row.organization_id,
    scope: { kind: row.scope_kind, id: row.scope_id },
    meter: row.meter,
    window: row.period,
    limit: capOf(row.hard_limit),
    softLimit: capOf(row.soft_limit),
    expiresAt: row.expires_at,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function rowOf(budget: Budget) {
  return {
    id: budget.id,
    organization_id: budget.organizationId,
    scope_kind: budget.scope.kind,
    scope_id: budget.scope.id,
    meter: budget.meter,
    period: budget.window,
    hard_limit: budget.limit === null ? null : String(budget.limit),
    soft_limit: budget.softLimit === null ? null : String(budget.softLimit),
    expires_at: budget.expiresAt,
    version: budget.version,
    created_at: budget.createdAt,
    updated_at: budget.updatedAt,
  };
}

/** False when there is one already of this scope on this meter and window. */
export async function insertBudget(trx: Db, budget: Budget): Promise<boolean> {
  const rows: unknown[] = await trx('budgets')
    .insert(rowOf(budget))
    .onConflict(trx.raw(`(scope_id, scope_kind, meter, period, coalesce(organization_id, ''))`))
    .ignore()
    .returning('id');
  return rows.length > 0;
}

export async function updateBudget(trx: Db, budget: Budget): Promise<void> {
  const { hard_limit, soft_limit, expires_at, version, updated_at } = rowOf(budget);
  await trx('budgets')
    .where({ id: budget.id })
    .update({ hard_limit, soft_limit, expires_at, version, updated_at });
}

export async function deleteBudget(trx: Db, id: BudgetId): Promise<void> {
  await trx('budgets').where({ id }).delete();
}

export async function findBudget(db: Db, id: BudgetId): Promise<Budget | undefined> {
  const row: Row | undefined = await db('budgets').select(COLUMNS).where({ id }).first();
  return row && budgetOf(row);
}

export async function lockBudget(trx: Db, id: BudgetId): Promise<Budget | undefined> {
  const row: Row | undefined = await trx('budgets').select(COLUMNS).where({ id }).forNoKeyUpdate().first();
  return row && budgetOf(row);
}

/** The one of this scope on this meter and window, locked. */
export async function lockLike(trx: Db, like: Budget): Promise<Budget | undefined> {
  const { scope_kind, scope_id, meter, period } = rowOf(like);
  const row: Row | undefined = await trx('budgets')
    .select(COLUMNS)
    .where({ scope_kind, scope_id, meter, period })
    .whereRaw(`coalesce(organization_id, '') = ?`, [like.organizationId ?? ''])
    .forNoKeyUpdate()
    .first();
  return row && budgetOf(row);
}

export async function listBudgets(
  db: Db,
  filter: BudgetFilter,
  after: string | undefined,
  limit: number,
): Promise<Budget[]> {
  const query = db('budgets').select(COLUMNS).orderBy('id').limit(limit);
  if (filter.scopeKind !== undefined) query.where('scope_kind', filter.scopeKind);
  if (filter.scopeId !== undefined) query.where('scope_id', filter.scopeId);
  if (filter.meter !== undefined) query.where('meter', filter.meter);
  if (filter.organizationId !== undefined) query.where('organization_id', filter.organizationId);
  if (after !== undefined) query.where('id', '>', after);
  const rows: Row[] = await query;
  return rows.map(budgetOf);
}

/** The lowest limit that any of the keys has, by meter and window. */
export async function limitsOfKeys(
  db: Db,
  keyIds: readonly string[],
): Promise<{ meter: string; window: BudgetWindow; limit: bigint }[]> {
  const rows: { meter: string; period: BudgetWindow; lowest: string }[] = await db('budgets')
    .select('meter', 'period')
    .min({ lowest: 'hard_limit' })
    .where('scope_kind', 'api-key')
    .whereIn('scope_id', [...keyIds])
    .whereNotNull('hard_limit')
    .groupBy('meter', 'period');
  return rows.map(({ meter, period, lowest }) => ({ meter, window: period, limit: BigInt(lowest) }));
}

/** Of these scopes, those that have a budget. */
export async function scopesWithBudgets(db: Db, scopes: readonly BudgetScope[]): Promise<BudgetScope[]> {
  const { rows } = await db
    .raw<{ rows: BudgetScope[] }>(
      `select distinct b.scope_kind as kind, b.scope_id as id
       from unnest(?::text[], ?::text[]) as asked(kind, id)
         join budgets b on b.scope_id = asked.id and b.scope_kind = asked.kind`,
      [scopes.map(({ kind }) => kind), scopes.map(({ id }) => id)],
    )
    .options({ name: 'budgets_any' });
  return rows;
}

/** The kinds of things that have budgets at all; each is one look into an index. */
export async function kindsWithBudgets(
  db: Db,
  kinds: readonly BudgetScope['kind'][],
): Promise<BudgetScope['kind'][]> {
  const { rows } = await db.raw<{ rows: { kind: BudgetScope['kind'] }[] }>(
    `select kind from unnest(?::text[]) as asked(kind)
     where exists (select 1 from budgets b where b.scope_kind = asked.kind)`,
    [[...kinds]],
  );
  return rows.map(({ kind }) => kind);
}

export interface MeterRow {
  name: string;
  sentence: string;
}

export async function selectMeters(db: Db): Promise<MeterRow[]> {
  return db('budget_meters').select('name', 'sentence').orderBy('name');
}

export async function insertMeter(trx: Db, meter: MeterRow, at: Date): Promise<boolean> {
  const rows: unknown[] = await trx('budget_meters')
    .insert({ ...meter, created_at: at })
    .onConflict('name')
    .ignore()
    .returning('name');
  return rows.length > 0;
}

export async function lockMeter(trx: Db, name: string): Promise<boolean> {
  return (await trx('budget_meters').select('name').where({ name }).forUpdate().first()) !== undefined;
}

export async function deleteMeter(trx: Db, name: string): Promise<void> {
  await trx('budget_meters').where({ name }).delete();
}

export async function isMeterInUse(trx: Db, meter: string): Promise<boolean> {
  return (await trx('budgets').select('id').where({ meter }).first()) !== undefined;
}
