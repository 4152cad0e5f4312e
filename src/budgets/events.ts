// What the ledger says about budgets.
import type { Actor, NewEvent } from '../audit/schema.ts';
import type { EventType } from '../vocabulary/events.ts';
import type { Budget, BudgetScope, BudgetState } from './schema.ts';

const system: Actor = { kind: 'system', id: null };

/** Of a budget in one of its windows; without an actor the server itself says so. */
export function budgetEvent(
  type: Extract<EventType, 'budget.soft-limit-reached' | 'budget.exceeded' | 'budget.adjusted'>,
  state: BudgetState,
  by: Actor = system,
): NewEvent {
  const { budgetId, meter, window, limit, softLimit, used, reserved, resetAt } = state;
  return {
    type,
    actor: by,
    outcome: type === 'budget.exceeded' ? 'denied' : 'success',
    target: { kind: 'budget', id: budgetId },
    ...about(state.scope),
    details: {
      scope: state.scope,
      organizationId: state.organizationId,
      meter,
      window,
      limit: digits(limit),
      softLimit: digits(softLimit),
      used: Number(used),
      reserved: Number(reserved),
      resetAt: resetAt?.toISOString() ?? null,
    },
  };
}

export function changeEvent(
  type: Extract<EventType, 'budget.created' | 'budget.changed' | 'budget.deleted'>,
  budget: Budget,
  by: Actor,
): NewEvent {
  const { scope, organizationId, meter, window, limit, softLimit } = budget;
  return {
    type,
    actor: by,
    outcome: 'success',
    target: { kind: 'budget', id: budget.id },
    ...about(scope),
    details: {
      scope,
      organizationId,
      meter,
      window,
      limit: digits(limit),
      softLimit: digits(softLimit),
    },
  };
}

export function reservationEvent(
  type: Extract<EventType, 'budget.reserved' | 'budget.settled' | 'budget.released'>,
  id: string | null,
  details: Record<string, unknown>,
  by: Actor,
): NewEvent {
  const target = { kind: 'reservation', id: id ?? 'none' };
  return { type, actor: by, outcome: 'success', target, details };
}

/** JSON has no bigints; amounts are small enough for its numbers. */
export const numbersOf = (amounts: Readonly<Record<string, bigint>>) =>
  Object.fromEntries(Object.entries(amounts).map(([meter, amount]) => [meter, Number(amount)]));

const digits = (amount: bigint | null) => (amount === null ? null : Number(amount));

function about(scope: BudgetScope): Pick<NewEvent, 'accountId' | 'clientId'> {
  if (scope.kind === 'account') return { accountId: scope.id };
  return scope.kind === 'client' ? { clientId: scope.id } : {};
}
