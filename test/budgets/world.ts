// Budgets on a database of their own, with as many nodes beside each other as a test wants, and a clock that can be moved.
import { createAudit } from '../../src/audit/audit.ts';
import { type Budgets, createBudgets } from '../../src/budgets/budgets.ts';
import type { BudgetScope, NewBudget } from '../../src/budgets/schema.ts';
import { newId } from '../../src/lib/ids.ts';
import { type Changes, createChanges } from '../../src/platform/changes.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Postgres } from '../../src/platform/database/postgres.ts';
import { AppError } from '../../src/platform/errors.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createUsage, type Usage } from '../../src/usage/usage.ts';
import type { TestDatabase } from '../support/database.ts';

export const operator = { kind: 'operator', id: 'test' } as const;

export interface Node {
  budgets: Budgets;
  usage: Usage;
  changes: Changes;
}

export function createNode(postgres: Postgres, now?: () => Date): Node {
  const log = silentLog;
  const clock = now ? { now } : systemClock;
  const { db } = postgres;
  const changes = createChanges({ db, log });
  const audit = createAudit({ postgres, log, clock });
  const usage = createUsage({ db, clock, log, settings: { usageDays: 400 } });
  const budgets = createBudgets({
    postgres,
    audit,
    changes,
    clock,
    usage,
    settings: { budgetDays: 400 },
    ...(now ? { now } : {}),
  });
  return { budgets, usage, changes };
}

/** Things that budgets may be of, as rows. */
export function things({ db }: Pick<TestDatabase, 'db'>) {
  const at = new Date();
  const dated = { created_at: at, updated_at: at };
  return {
    async organization(timeZone = 'UTC'): Promise<BudgetScope> {
      const id = newId('org');
      await db('organizations').insert({
        id,
        slug: id.toLowerCase(),
        name: id,
        time_zone: timeZone,
        ...dated,
      });
      return { kind: 'organization', id };
    },
    async account(): Promise<BudgetScope> {
      const id = newId('acc');
      await db('accounts').insert({ id, status: 'active', ...dated });
      return { kind: 'account', id };
    },
    async key(owner: BudgetScope, parent?: BudgetScope, organizationId?: string): Promise<BudgetScope> {
      const id = newId('key');
      await db('api_keys').insert({
        id,
        name: id,
        owner_kind: owner.kind,
        account_id: owner.kind === 'account' ? owner.id : null,
        organization_id: owner.kind === 'organization' ? owner.id : (organizationId ?? null),
        parent_id: parent?.id ?? null,
        root_id: id,
        ...dated,
      });
      return { kind: 'api-key', id };
    },
    async team(organization: BudgetScope): Promise<BudgetScope> {
      const id = newId('team');
      await db('teams').insert({ id, organization_id: organization.id, name: id, ...dated });
      return { kind: 'team', id };
    },
    async member(organization: BudgetScope, account: BudgetScope, team?: BudgetScope): Promise<void> {
      const ids = { organization_id: organization.id, account_id: account.id };
      await db('organization_members')
        .insert({ ...ids, created_at: at })
        .onConflict()
        .ignore();
      if (team) await db('team_members').insert({ ...ids, team_id: team.id, created_at: at });
    },
  };
}

export const token = (): BudgetScope => ({ kind: 'token', id: newId('evt') });

export async function setBudget(
  budgets: Budgets,
  scope: BudgetScope,
  more: Partial<Omit<NewBudget, 'scope'>> = {},
): Promise<Awaited<ReturnType<Budgets['set']>>['budget']> {
  const input: NewBudget = { scope, meter: 'requests', window: 'total', ...more };
  if (input.limit === undefined && input.softLimit === undefined) input.limit = 10;
  return (await budgets.set(input, operator)).budget;
}

export async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return 'fulfilled';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}
