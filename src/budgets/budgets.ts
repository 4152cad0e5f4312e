// Limits on meters over windows: what is asked for is reserved under every cap at once, and settled or released afterwards.
import type { Audit } from '../audit/audit.ts';
import type { Actor } from '../audit/schema.ts';
import type { ReservationId } from '../lib/ids.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import { type AppError, failure } from '../platform/errors.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Usage, UsageKind, Used } from '../usage/usage.ts';
import { createClosing } from './closing.ts';
import { numbersOf, reservationEvent } from './events.ts';
import { createKnownBudgets } from './known.ts';
import { budgetJobs, type Discrepancy, discrepancies } from './ledger.ts';
import { createManaging, type Managing } from './managing.ts';
import { createMeters, type Meters } from './meters.ts';
import { createReserving } from './reserve.ts';
import { type Amounts, amountsOf, type BudgetScope, type BudgetState } from './schema.ts';
import { chainOf } from './scopes.ts';

export type { Discrepancy } from './ledger.ts';
export type { Amounts, Budget, BudgetScope, BudgetState, BudgetWindow, NewBudget } from './schema.ts';

/** What somebody wants to use; every budget that any of the scopes has on the meters is concerned. */
export interface Ask {
  /** Of the one who asks and of all above: the key, its parents, its owner, teams, organization (see `chainOf`). */
  readonly scopes: readonly BudgetScope[];
  readonly amounts: Amounts;
  /** Who is counted in the reports of usage when it is settled; the request itself is counted by who asks. */
  readonly usedBy?: { readonly used: Used; readonly kind: UsageKind };
  /** Only budgets of this organization, for callers that are bound to it. */
  readonly within?: string | null;
  /** Callers that are bound to this organization may close it; `within` unless told. All its budgets are concerned. */
  readonly heldIn?: string | null;
  /** Who asks by name: then it is written to the ledger, in the same commit. */
  readonly by?: Actor;
}

/** How the reservation was closed before: see `settle`. */
export interface Closing {
  /** Only reservations that callers bound to this organization made. */
  readonly within?: string | null;
  readonly by?: Actor;
}

export interface Budgets extends Managing, Meters {
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

  /** Windows whose counters differ from the sums of their entries: none, unless somebody changed them by hand. */
  verify(): Promise<Discrepancy[]>;
  jobs(): Job[];
}

export interface BudgetsDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  clock: Clock;
  usage: Pick<Usage, 'add'>;
  settings: { budgetDays: number };
  /** Instead of the clock of the database, which all nodes share: for tests. */
  now?: () => Date;
}

export const LONGEST_RESERVATION_SECONDS = 86_400;

export function createBudgets(deps: BudgetsDeps): Budgets {
  const { postgres, clock } = deps;
  const { db } = postgres;
  const now = () => deps.now?.() ?? null;
  const known = createKnownBudgets({ db, changes: deps.changes, clock });
  const closing = createClosing({ postgres, now });
  const reserving = createReserving({
    postgres,
    now,
    releaseExpired: async (budgetIds) => {
      await closing.expire(EXPIRED_AT_ONCE, budgetIds);
    },
  });

  async function ask({ within = null, heldIn = within, ...asked }: Ask, expiresInSeconds: number | null) {
    const { scopes, by } = asked;
    const checked = amountsOf(asked.amounts);
    const unknown = await known.unknownMeter(Object.keys(checked));
    if (unknown !== undefined) throw failure('meter_unknown', { meter: unknown });
    if (by === undefined && !(await known.hasAny(scopes))) return { reservationId: null, remaining: [] };
    const usedBy = asked.usedBy ?? null;
    const event =
      by &&
      (({ reservationId }: { reservationId: ReservationId | null }) =>
        reservationEvent('budget.reserved', reservationId, { scopes, amounts: numbersOf(checked) }, by));
    return reserving.reserve({ scopes, amounts: checked, within, heldIn, expiresInSeconds, usedBy, event });
  }

  return {
    ...createManaging({ ...deps, unknownMeter: known.unknownMeter, now }),
    ...createMeters(deps),
    async reserve({ expiresInSeconds, ...asked }) {
      return ask(asked, lifetimeOf(expiresInSeconds));
    },
    async spend(asked) {
      const outcome = await ask(asked, null);
      return 'exceeded' in outcome ? outcome : { remaining: outcome.remaining };
    },
    async settle(id, amounts, { within = null, by } = {}) {
      const checked = amountsOf(amounts);
      const event = by && reservationEvent('budget.settled', id, { amounts: numbersOf(checked) }, by);
      const { states, used, usedBy } = await closing.close({ id, amounts: checked, within, event });
      // `as`: what `reserve` stored.
      const counted = usedBy as Ask['usedBy'] | null;
      if (counted) deps.usage.add(counted.used, counted.kind, used);
      return states;
    },
    async release(id, { within = null, by } = {}) {
      const event = by && reservationEvent('budget.released', id, {}, by);
      await closing.close({ id, amounts: undefined, within, event });
    },
    hasAny: known.hasAny,
    chainOf: (scope, organizationId = null) => chainOf(db, scope, organizationId),
    verify: () => discrepancies(db),
    jobs: () => budgetJobs({ db, clock, settings: deps.settings, expire: (limit) => closing.expire(limit) }),
  };
}

const EXPIRED_AT_ONCE = 200;

function lifetimeOf(seconds: number): number {
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_RESERVATION_SECONDS) return seconds;
  const told = `A whole number from 1 to ${LONGEST_RESERVATION_SECONDS}.`;
  throw failure('request_invalid', { fields: { expiresInSeconds: told } });
}

/** 402 with what is used up: which budget, how much, and when it begins anew. */
export function budgetExceeded(state: BudgetState): AppError {
  const { budgetId, scope, meter, window, limit, used, reserved, resetAt } = state;
  return failure('budget_exceeded', {
    budgetId,
    scope,
    meter,
    window,
    limit: Number(limit ?? 0n),
    usage: Number(used),
    reserved: Number(reserved),
    resetAt: resetAt?.toISOString() ?? null,
  });
}
