// Limits on meters over windows: what is asked for is reserved under every cap at once, and settled or released afterwards.
import type { Actor } from '../audit/schema.ts';
import type { BudgetId, ReservationId } from '../lib/ids.ts';
import type { Page, PageRequest } from '../lib/page.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type {
  Amounts,
  Budget,
  BudgetChange,
  BudgetFilter,
  BudgetScope,
  BudgetState,
  Meter,
  NewBudget,
} from './schema.ts';

export type { Amounts, Budget, BudgetScope, BudgetState, BudgetWindow, NewBudget } from './schema.ts';

/** What somebody wants to use; every budget that any of the scopes has on the meters is concerned. */
export interface Ask {
  /** Of the one who asks and of all above: the key, its parents, its owner, teams, organization (see `chainOf`). */
  readonly scopes: readonly BudgetScope[];
  readonly amounts: Amounts;
  /** Only budgets of this organization, for callers that are bound to it. */
  readonly within?: string | null;
  /** Who asks by name: then it is written to the ledger, in the same commit. */
  readonly by?: Actor;
}

/** How the reservation was closed before: see `settle`. */
export interface Closing {
  /** Only reservations that callers bound to this organization made. */
  readonly within?: string | null;
  readonly by?: Actor;
}

export interface Budgets {
  /**
   * All or nothing, in one durable commit. `reservationId` is null when no budget is concerned: nothing is to be settled.
   * Throws meter_unknown, amount_invalid; database_unavailable when the database is away, whatever the meter.
   */
  reserve(
    ask: Ask & { readonly expiresInSeconds: number },
  ): Promise<{ reservationId: ReservationId | null; remaining: BudgetState[] } | { exceeded: BudgetState }>;
  /** Reserves and settles in one: for what is known beforehand, such as one request. */
  spend(ask: Ask): Promise<{ remaining: BudgetState[] } | { exceeded: BudgetState }>;
  /**
   * Counts what was really used, also when it is more than what was reserved; a meter that is left out counts as reserved.
   * Throws reservation_not_found, reservation_settled, reservation_released, reservation_expired, meter_not_reserved.
   */
  settle(id: string, amounts: Amounts, closing?: Closing): Promise<BudgetState[]>;
  /** Gives back all of it. Throws as `settle` does. */
  release(id: string, closing?: Closing): Promise<void>;
  /** Whether any of the scopes has a budget; from memory, so that the others need not reserve. */
  hasAny(scopes: readonly BudgetScope[]): Promise<boolean>;
  /** An API key with its parents, owner and organization, an account with its teams in the organization, and so on. */
  chainOf(scope: BudgetScope, organizationId?: string | null): Promise<BudgetScope[]>;

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

  listMeters(): Promise<Meter[]>;
  /** Throws meter_taken, request_invalid. */
  addMeter(input: { name: string; sentence: string }, by: Actor): Promise<Meter>;
  /** Throws meter_not_found, meter_in_use, meter_protected. */
  removeMeter(name: string, by: Actor): Promise<void>;

  /** Windows whose counters differ from the sums of their entries: none, unless somebody changed them by hand. */
  verify(): Promise<Discrepancy[]>;
  jobs(): Job[];
}

export interface Discrepancy {
  readonly budgetId: BudgetId;
  readonly windowStart: Date;
  readonly counted: { used: bigint; reserved: bigint };
  readonly entered: { used: bigint; reserved: bigint };
}
