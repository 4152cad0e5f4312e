// /api/v1/budgets and /api/v1/budget-meters: setting and seeing budgets. Reservations are in reservation-api.ts.
import { z } from 'zod';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Budget, Budgets } from './budgets.ts';
import { reservationRoutes } from './reservation-api.ts';
import {
  AmountInput,
  BudgetChange,
  BudgetStateView,
  BudgetView,
  MeterView,
  NewBudget,
  scopeKinds,
} from './schema.ts';

const ListQuery = z.object({
  scopeKind: z.enum(scopeKinds).optional().describe('Only budgets of things of this kind.'),
  scopeId: z.string().min(1).max(256).optional().describe('Only budgets of this thing.'),
  meter: z.string().min(1).max(64).optional(),
  organizationId: z.string().min(1).max(64).optional().describe('Only budgets of this organization.'),
  ...pageQuery,
});
const NewMeter = z.object({
  name: z.string().min(1).max(63),
  sentence: z.string().min(1).max(300).describe('What it counts, for people.'),
});

export function budgetRoutes({ budgets }: { budgets: Budgets }): Route[] {
  return [
    ...registryRoutes(budgets),
    ...windowRoutes(budgets),
    ...reservationRoutes(budgets),
    ...meterRoutes(budgets),
  ];
}

/** Of another organization there is none. */
async function found(budgets: Budgets, id: string, { organizationId }: Caller): Promise<Budget> {
  const budget = await budgets.find(id, organizationId);
  if (budget === undefined) throw failure('budget_not_found');
  return budget;
}

/** What an organization as a whole may use is not for itself to say. */
async function changeable(budgets: Budgets, id: string, caller: Caller): Promise<Budget> {
  const budget = await found(budgets, id, caller);
  if (caller.organizationId !== null && budget.scope.kind === 'organization')
    throw failure('organization_bound');
  return budget;
}

function registryRoutes(budgets: Budgets): Route[] {
  return [
    route({
      operation: 'listBudgets',
      method: 'GET',
      path: '/budgets',
      permission: 'budgets:read',
      limit: 'admin-read',
      summary: 'Budgets, in the order in which they were set.',
      tenancy: 'organization',
      query: ListQuery,
      reply: { 200: pageReply(BudgetView) },
      run({ query, caller }) {
        const { filter, page } = pageOfQuery(query);
        return budgets.list(
          { ...filter, organizationId: caller.organizationId ?? filter.organizationId },
          page,
        );
      },
    }),
    route({
      operation: 'setBudget',
      method: 'PUT',
      path: '/budgets',
      permission: 'budgets:create',
      limit: 'admin-write',
      summary: 'Set the budget of something on a meter and window, in place of the one that is there.',
      versioned: true,
      tenancy: 'organization',
      body: NewBudget,
      reply: { 200: BudgetView, 201: BudgetView },
      errors: [
        'budget_invalid',
        'budget_scope_not_found',
        'budget_wider',
        'meter_unknown',
        'organization_bound',
      ],
      async run({ body, caller }) {
        const { budget, created } = await budgets.set(body, caller, { within: caller.organizationId });
        return created ? answer(201, budget, { Location: `budgets/${budget.id}` }) : answer(200, budget);
      },
    }),
    route({
      operation: 'getBudget',
      method: 'GET',
      path: '/budgets/:id',
      permission: 'budgets:read',
      limit: 'admin-read',
      summary: 'One budget, and what is used and reserved in the window that is open now.',
      versioned: true,
      tenancy: 'organization',
      params: IdParams,
      reply: { 200: BudgetView },
      errors: ['budget_not_found'],
      async run({ params, caller }) {
        const budget = await found(budgets, params.id, caller);
        return { ...budget, state: await budgets.stateOf(budget.id) };
      },
    }),
    route({
      operation: 'changeBudget',
      method: 'PATCH',
      path: '/budgets/:id',
      permission: 'budgets:update',
      limit: 'admin-write',
      summary: 'Change the limits that are named; what is used stays.',
      versioned: true,
      tenancy: 'organization',
      params: IdParams,
      body: BudgetChange,
      reply: { 200: BudgetView },
      errors: ['budget_not_found', 'budget_invalid', 'budget_wider', 'organization_bound'],
      async run({ params, body, caller, version }) {
        const { id } = await changeable(budgets, params.id, caller);
        return budgets.change(id, { ...body, version }, caller);
      },
    }),
    route({
      operation: 'deleteBudget',
      method: 'DELETE',
      path: '/budgets/:id',
      permission: 'budgets:delete',
      limit: 'admin-write',
      summary: 'Delete a budget; what is reserved under it may still be settled, and counts nowhere.',
      versioned: true,
      tenancy: 'organization',
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['budget_not_found', 'organization_bound'],
      async run({ params, caller, version }) {
        const { id } = await changeable(budgets, params.id, caller);
        await budgets.remove(id, caller, version);
      },
    }),
  ];
}

function windowRoutes(budgets: Budgets): Route[] {
  return [
    route({
      operation: 'listBudgetWindows',
      method: 'GET',
      path: '/budgets/:id/windows',
      permission: 'budgets:read',
      limit: 'admin-read',
      summary: 'What was used of a budget, window by window, the newest first.',
      tenancy: 'organization',
      params: IdParams,
      query: z.object(pageQuery),
      reply: { 200: pageReply(BudgetStateView) },
      errors: ['budget_not_found'],
      async run({ params, query, caller }) {
        const { page } = pageOfQuery(query);
        const { id } = await found(budgets, params.id, caller);
        return budgets.windows(id, page);
      },
    }),
    route({
      operation: 'adjustBudget',
      method: 'POST',
      path: '/budgets/:id/adjust',
      permission: 'budgets:update',
      limit: 'admin-write',
      summary: 'Correct what counts as used in the window that is open now.',
      tenancy: 'organization',
      params: IdParams,
      body: z.object({ used: AmountInput }),
      reply: { 200: BudgetStateView },
      errors: ['budget_not_found', 'organization_bound'],
      async run({ params, body, caller }) {
        const { id } = await changeable(budgets, params.id, caller);
        return budgets.adjust(id, body.used, caller);
      },
    }),
  ];
}

function meterRoutes(budgets: Budgets): Route[] {
  return [
    route({
      operation: 'listMeters',
      method: 'GET',
      path: '/budget-meters',
      permission: 'budgets:read',
      limit: 'admin-read',
      summary: 'What budgets may be on: the meters that are always there, and those that were registered.',
      tenancy: 'organization',
      reply: { 200: z.object({ items: z.array(MeterView), nextCursor: z.null() }) },
      run: async () => ({ items: await budgets.listMeters(), nextCursor: null }),
    }),
    route({
      operation: 'addMeter',
      method: 'POST',
      path: '/budget-meters',
      permission: 'budgets:create',
      limit: 'admin-write',
      summary: 'Register a meter.',
      body: NewMeter,
      reply: { 201: MeterView },
      errors: ['meter_taken'],
      run: ({ body, caller }) => budgets.addMeter(body, caller),
    }),
    route({
      operation: 'removeMeter',
      method: 'DELETE',
      path: '/budget-meters/:name',
      permission: 'budgets:delete',
      limit: 'admin-write',
      summary: 'Remove a meter that no budget is on.',
      params: z.object({ name: z.string() }),
      reply: { 204: z.void() },
      errors: ['meter_not_found', 'meter_in_use', 'meter_protected'],
      run: ({ params, caller }) => budgets.removeMeter(params.name, caller),
    }),
  ];
}
