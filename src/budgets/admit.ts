// Who is let through: every cap at once, or nothing. Pure; the counters it changes are written by whoever locked them.
import type { Counter } from './counters.ts';
import { type Amounts, type BudgetScope, type BudgetState, MAXIMUM_AMOUNT } from './schema.ts';

export interface Wanted {
  readonly scopes: readonly BudgetScope[];
  readonly amounts: Amounts;
  readonly within: string | null;
}

export type Admission =
  | { readonly concerned: readonly Counter[] }
  /** Of several the one that is the last to begin anew: waiting for another one would not help. */
  | { readonly exceeded: Counter; readonly concerned: readonly Counter[] }
  | { readonly tooLarge: true };

/** Counts the amounts on all counters that concern the asker, as reserved or as used, when each of them allows it. */
export function admit(
  wanted: Wanted,
  counters: ReadonlyMap<string, readonly Counter[]>,
  as: 'used' | 'reserved',
): Admission {
  const concerned = concerning(wanted, counters);
  const amountFor = ({ meter }: Counter) => wanted.amounts[meter] ?? 0n;
  const over = concerned.filter(
    (counter) => counter.limit !== null && total(counter) + amountFor(counter) > counter.limit,
  );
  const [first, ...others] = over;
  if (first !== undefined) return { exceeded: others.reduce(lastToReset, first), concerned: over };
  if (concerned.some((counter) => total(counter) + amountFor(counter) > MAXIMUM_AMOUNT))
    return { tooLarge: true };
  for (const counter of concerned) counter[as] += amountFor(counter);
  return { concerned };
}

/** The counters by scope, so that each asker of many finds its own. */
export function byScope(counters: readonly Counter[]): Map<string, Counter[]> {
  return Map.groupBy(counters, ({ scope }) => scopeKey(scope));
}

export const scopeKey = ({ kind, id }: BudgetScope) => `${kind}:${id}`;

export const total = (counter: Counter) => counter.used + counter.reserved;

export const isOverSoftLimit = (counter: Counter) =>
  counter.softLimit !== null && total(counter) > counter.softLimit;

function concerning(wanted: Wanted, counters: ReadonlyMap<string, readonly Counter[]>): Counter[] {
  const organizations = new Set(
    wanted.scopes.filter(({ kind }) => kind === 'organization').map(({ id }) => id),
  );
  const keys = new Set(wanted.scopes.map(scopeKey));
  return [...keys]
    .flatMap((key) => counters.get(key) ?? [])
    .filter(({ meter }) => Object.hasOwn(wanted.amounts, meter))
    .filter(({ organizationId }) => organizationId === null || organizations.has(organizationId))
    .filter(({ organizationId }) => wanted.within === null || organizationId === wanted.within);
}

function lastToReset(one: Counter, other: Counter): Counter {
  if (one.windowEnd === null || other.windowEnd === null) return one.windowEnd === null ? one : other;
  return other.windowEnd > one.windowEnd ? other : one;
}

/** As it is at this moment: counters change, states do not. */
export function stateOf(counter: Counter): BudgetState {
  const { windowEnd, softReached, exceeded: _told, used, reserved, limit, ...rest } = counter;
  const left = limit === null ? null : limit - used - reserved;
  return {
    ...rest,
    limit,
    used,
    reserved,
    remaining: left !== null && left < 0n ? 0n : left,
    softLimitReached: softReached,
    resetAt: windowEnd,
  };
}
