// Setting, changing, correcting and showing budgets.
import type { z } from 'zod';
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import { definedFields, fieldsOf } from '../lib/fields.ts';
import { type BudgetId, newId, type OrganizationId, parseId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { scopeKey, stateOf } from './admit.ts';
import { lookAtBudgets, lookAtScopes, openCountersById, windowsOf, write } from './counters.ts';
import { budgetEvent, changeEvent } from './events.ts';
import {
  amountOf,
  type Budget,
  BudgetChange,
  type BudgetFilter,
  type BudgetScope,
  type BudgetState,
  NewBudget,
} from './schema.ts';
import { lineOf, organizationOf } from './scopes.ts';
import {
  deleteBudget,
  findBudget,
  insertBudget,
  limitsOfKeys,
  listBudgets,
  lockBudget,
  lockLike,
  updateBudget,
} from './store.ts';

export interface ManagingDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'poll'>;
  clock: Clock;
  unknownMeter(names: readonly string[]): Promise<string | undefined>;
  now: () => Date | null;
}

export interface Managing {
  /**
   * Sets the budget of this scope on this meter and window, in place of the one that is there. `within`: for callers that
   * are bound to an organization. Throws budget_invalid, budget_scope_not_found, meter_unknown, budget_wider.
   */
  set(
    input: NewBudget,
    by: Actor,
    options?: { within?: string | null; db?: Db },
  ): Promise<{ budget: Budget; created: boolean }>;
  find(id: string, within?: string | null): Promise<Budget | undefined>;
  list(filter: BudgetFilter, page: PageRequest): Promise<Page<Budget>>;
  /** Throws budget_not_found, version_conflict, budget_invalid, budget_wider. */
  change(id: BudgetId, change: BudgetChange & { version?: number | undefined }, by: Actor): Promise<Budget>;
  /** Throws budget_not_found, and version_conflict when `version` is given. */
  remove(id: BudgetId, by: Actor, version?: number): Promise<void>;
  /** Corrects what counts as used in the window that is open. Throws budget_not_found, amount_invalid. */
  adjust(id: BudgetId, used: unknown, by: Actor): Promise<BudgetState>;
  /** The open windows of all budgets that the scopes have. */
  state(scopes: readonly BudgetScope[]): Promise<BudgetState[]>;
  stateOf(id: BudgetId): Promise<BudgetState | undefined>;
  /** A budget in its windows, the newest first. */
  windows(id: BudgetId, page: PageRequest): Promise<Page<BudgetState>>;
  /** Throws budget_wider when a limit is above that of a parent (or of its parents) on the same meter and window. */
  assertNarrower(
    db: Db,
    parentKeyId: string,
    wanted: readonly Pick<NewBudget, 'meter' | 'window' | 'limit'>[],
  ): Promise<void>;
}

type Parsed = z.output<typeof NewBudget>;
type Limits = Pick<Budget, 'limit' | 'softLimit'>;

const PAGE_MAXIMUM = 200;
/** Longer than any token that is verified by its signature. */
const TOKEN_MILLISECONDS = 86_400_000;

export function createManaging(deps: ManagingDeps): Managing {
  const { postgres, audit, changes, clock, now } = deps;
  const { db } = postgres;

  async function commit<T>(handle: Db | undefined, run: (trx: Db) => Promise<T>): Promise<T> {
    if (handle !== undefined) return run(handle);
    const result = await postgres.transaction(run);
    // The change stands: were this look to fail, the next one in a second brings it.
    await changes.poll().catch(() => undefined);
    return result;
  }

  async function tell(
    trx: Db,
    type: Parameters<typeof changeEvent>[0],
    budget: Budget,
    by: Actor,
  ): Promise<void> {
    await audit.record(trx, changeEvent(type, budget, by));
    await changes.bump(trx, 'budgets', scopeKey(budget.scope));
  }

  async function lock(trx: Db, id: BudgetId): Promise<Budget> {
    const budget = await lockBudget(trx, id);
    if (budget === undefined) throw failure('budget_not_found');
    return budget;
  }

  async function applyLimits(trx: Db, budget: Budget, limits: Partial<Budget>, by: Actor): Promise<Budget> {
    const next = { ...budget, ...limits, version: budget.version + 1, updatedAt: clock.now() };
    checkLimits(next);
    await checkAgainstParents(trx, next);
    const same = next.limit === budget.limit && next.softLimit === budget.softLimit;
    if (same && next.expiresAt?.getTime() === budget.expiresAt?.getTime()) return budget;
    await updateBudget(trx, next);
    await tell(trx, 'budget.changed', next, by);
    return next;
  }

  return {
    async set(input, by, { within = null, db: handle } = {}) {
      const parsed = parse(NewBudget, input);
      const unknown = await deps.unknownMeter([parsed.meter]);
      if (unknown !== undefined) throw failure('meter_unknown', { meter: unknown });
      return commit(handle, async (trx) => {
        const budget = newBudget(parsed, await organizationOf(trx, parsed, within), clock.now());
        checkLimits(budget);
        await checkAgainstParents(trx, budget);
        if (await insertBudget(trx, budget)) {
          await tell(trx, 'budget.created', budget, by);
          return { budget, created: true };
        }
        const present = await lockLike(trx, budget);
        if (present === undefined) throw failure('budget_not_found');
        const { limit, softLimit, expiresAt } = budget;
        return {
          budget: await applyLimits(trx, present, { limit, softLimit, expiresAt }, by),
          created: false,
        };
      });
    },

    async find(id, within = null) {
      const budgetId = parseId('bud', id);
      const budget = budgetId && (await findBudget(db, budgetId));
      return budget !== undefined && (within === null || budget.organizationId === within)
        ? budget
        : undefined;
    },

    async list(filter, page) {
      const { limit, after } = partOf(page);
      return pageOf(await listBudgets(db, filter, after, limit + 1), limit, ({ id }) => [id]);
    },

    async change(id, { version, ...given }, by) {
      const { limit, softLimit } = parse(BudgetChange, given);
      const change = definedFields({ limit: amountOrNone(limit), softLimit: amountOrNone(softLimit) });
      return commit(undefined, async (trx) => {
        const budget = await lock(trx, id);
        if (version !== undefined && version !== budget.version) throw failure('version_conflict');
        return applyLimits(trx, budget, change, by);
      });
    },

    async remove(id, by, version) {
      await commit(undefined, async (trx) => {
        const budget = await lock(trx, id);
        if (version !== undefined && version !== budget.version) throw failure('version_conflict');
        await deleteBudget(trx, id);
        await tell(trx, 'budget.deleted', budget, by);
      });
    },

    async adjust(id, given, by) {
      const used = amountOf(given, 'used');
      return postgres.transaction(async (trx) => {
        const [counter] = await openCountersById(trx, [id], now());
        if (counter === undefined) throw failure('budget_not_found');
        const entry = {
          kind: 'adjust',
          counter,
          reservationId: null,
          used: used - counter.used,
          reserved: 0n,
        } as const;
        counter.used = used;
        await write(trx, { entries: [entry], reservations: [], events: [] }, now());
        await audit.record(trx, budgetEvent('budget.adjusted', stateOf(counter), by));
        return stateOf(counter);
      });
    },

    state: async (scopes) => (await lookAtScopes(db, scopes, now())).map(stateOf),
    async stateOf(id) {
      const [counter] = await lookAtBudgets(db, [id], now());
      return counter && stateOf(counter);
    },

    async windows(id, page) {
      const { limit, after } = partOf(page);
      if (after !== undefined && Number.isNaN(Date.parse(after))) throw strangeCursor();
      const counters = await windowsOf(db, id, after, limit + 1);
      return pageOf(counters.map(stateOf), limit, ({ windowStart }) => [windowStart.toISOString()]);
    },

    assertNarrower,
  };
}

async function assertNarrower(
  db: Db,
  parentKeyId: string,
  wanted: readonly Pick<NewBudget, 'meter' | 'window' | 'limit'>[],
): Promise<void> {
  if (wanted.length === 0) return;
  const limits = await limitsOfKeys(db, await lineOf(db, parentKeyId));
  for (const { meter, window, limit } of wanted) {
    const above = limits.find((other) => other.meter === meter && other.window === window);
    if (above === undefined || limit === null || limit === undefined) continue;
    if (amountOf(limit, meter) > above.limit)
      throw failure('budget_wider', { meter, window, limit: Number(above.limit) });
  }
}

/** All caps of the line are checked at each use; this only keeps a sub-key from being given what it can never have. */
async function checkAgainstParents(trx: Db, { scope, meter, window, limit }: Budget): Promise<void> {
  if (scope.kind !== 'api-key' || limit === null) return;
  const [, parent] = await lineOf(trx, scope.id);
  if (parent !== undefined) await assertNarrower(trx, parent, [{ meter, window, limit: String(limit) }]);
}

function checkLimits({ limit, softLimit }: Limits): void {
  const fields = (told: string) => failure('budget_invalid', { fields: { limit: told } });
  if (limit === null && softLimit === null) throw fields('A limit, a soft limit, or both.');
  if (limit !== null && softLimit !== null && softLimit > limit)
    throw fields('Not below the soft limit: nothing would ever be told.');
}

/** Undefined stays so: a change leaves it as it is. */
function amountOrNone(given: number | string | null | undefined): bigint | null | undefined {
  return given === null || given === undefined ? given : amountOf(given, 'limit');
}

function newBudget(input: Parsed, organizationId: OrganizationId | null, at: Date): Budget {
  const { scope, meter, window } = input;
  const ofToken = scope.kind === 'token' ? new Date(at.getTime() + TOKEN_MILLISECONDS) : null;
  return {
    id: newId('bud'),
    organizationId,
    scope,
    meter,
    window,
    limit: amountOrNone(input.limit) ?? null,
    softLimit: amountOrNone(input.softLimit) ?? null,
    expiresAt: input.expiresAt === undefined ? ofToken : new Date(input.expiresAt),
    version: 1,
    createdAt: at,
    updatedAt: at,
  };
}

function parse<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw failure('budget_invalid', { fields: fieldsOf(parsed.error) });
}

function partOf(page: PageRequest): { limit: number; after: string | undefined } {
  const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
  const after = page.cursor === null ? undefined : decodeCursor(page.cursor, 1)?.[0];
  if (page.cursor !== null && after === undefined) throw strangeCursor();
  return { limit, after };
}

const strangeCursor = () =>
  failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
