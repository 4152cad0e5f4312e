// /api/v1/budgets/reservations: services that reserve before they work, and settle with what it took.
import { z } from 'zod';
import { IdParams } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import { scopeKey } from './admit.ts';
import { type Budgets, budgetExceeded, LONGEST_RESERVATION_SECONDS } from './budgets.ts';
import { AmountsInput, amountsOf, type BudgetScope, BudgetStateView, ScopeInput } from './schema.ts';

const MOST_SCOPES = 20;
const NewReservation = z.object({
  scopes: z
    .array(ScopeInput)
    .min(1)
    .max(MOST_SCOPES)
    .describe(
      'Who uses it. What stands above a key or an account is added: its parents, owner, teams, organization.',
    ),
  organizationId: z.string().max(64).optional().describe('Where an account or client uses it.'),
  amounts: AmountsInput,
  expiresInSeconds: z
    .int()
    .min(1)
    .max(LONGEST_RESERVATION_SECONDS)
    .default(300)
    .describe('What is neither settled nor released by then is given back.'),
});

export function reservationRoutes(budgets: Budgets): Route[] {
  async function withAllAbove(scopes: readonly BudgetScope[], organizationId: string | null) {
    const chains = await Promise.all(scopes.map((scope) => budgets.chainOf(scope, organizationId)));
    return [...new Map(chains.flat().map((scope) => [scopeKey(scope), scope])).values()];
  }

  return [
    route({
      operation: 'reserveBudgets',
      method: 'POST',
      path: '/budgets/reservations',
      permission: 'budgets:execute',
      limit: 'budget',
      summary: 'Reserve amounts under every budget that is concerned, or under none.',
      tenancy: 'organization',
      body: NewReservation,
      reply: {
        201: z.object({
          id: z.string().nullable().describe('Null when no budget is concerned: there is nothing to settle.'),
          budgets: z.array(BudgetStateView),
        }),
      },
      errors: ['budget_exceeded', 'amount_invalid', 'meter_unknown'],
      async run({ body, caller }) {
        const within = caller.organizationId;
        const { amounts, expiresInSeconds } = body;
        const scopes = await withAllAbove(body.scopes, body.organizationId ?? within);
        const asked = { scopes, amounts: amountsOf(amounts), within, by: caller };
        const outcome = await budgets.reserve({ ...asked, expiresInSeconds });
        if ('exceeded' in outcome) throw budgetExceeded(outcome.exceeded);
        return { id: outcome.reservationId, budgets: outcome.remaining };
      },
    }),
    route({
      operation: 'settleReservation',
      method: 'POST',
      path: '/budgets/reservations/:id/settle',
      permission: 'budgets:execute',
      limit: 'budget',
      summary: 'Count what was really used, also when it is more than was reserved.',
      tenancy: 'organization',
      params: IdParams,
      body: z.object({ amounts: AmountsInput.default({}) }),
      reply: { 200: z.object({ budgets: z.array(BudgetStateView) }) },
      errors: [
        'amount_invalid',
        'meter_not_reserved',
        'reservation_not_found',
        'reservation_settled',
        'reservation_released',
        'reservation_expired',
      ],
      async run({ params, body, caller }) {
        const closing = { within: caller.organizationId, by: caller };
        return { budgets: await budgets.settle(params.id, amountsOf(body.amounts), closing) };
      },
    }),
    route({
      operation: 'releaseReservation',
      method: 'POST',
      path: '/budgets/reservations/:id/release',
      permission: 'budgets:execute',
      limit: 'budget',
      summary: 'Give back all that was reserved.',
      tenancy: 'organization',
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['reservation_not_found', 'reservation_settled', 'reservation_released', 'reservation_expired'],
      run: ({ params, caller }) => budgets.release(params.id, { within: caller.organizationId, by: caller }),
    }),
  ];
}
