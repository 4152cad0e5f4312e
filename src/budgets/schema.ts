// The shapes of budgets: scopes, windows, amounts; what is set, what is asked, and what callers get.
import { z } from 'zod';
import type { BudgetId, OrganizationId } from '../lib/ids.ts';
import { instant } from '../lib/instant.ts';
import { failure } from '../platform/errors.ts';

export const scopeKinds = ['organization', 'team', 'account', 'client', 'api-key', 'token'] as const;
export type ScopeKind = (typeof scopeKinds)[number];

/** Whom a budget limits. `token`: the `jti` of one token. */
export interface BudgetScope {
  readonly kind: ScopeKind;
  readonly id: string;
}

/** The meters that are there from the start; operators register others. `money` is in millionths of the currency unit. */
export const builtInMeters = {
  requests: 'Requests that were let through.',
  tokens: 'Tokens of language models.',
  money: 'Money, in millionths of the unit of the currency.',
} as const satisfies Record<string, string>;

export const budgetWindows = ['hour', 'day', 'month', 'total'] as const;
export type BudgetWindow = (typeof budgetWindows)[number];

export interface Budget {
  readonly id: BudgetId;
  /** Limits only what happens in this organization, and is managed there; null: everywhere. */
  readonly organizationId: OrganizationId | null;
  readonly scope: BudgetScope;
  readonly meter: string;
  readonly window: BudgetWindow;
  /** Beyond it a reservation is refused. */
  readonly limit: bigint | null;
  /** Beyond it a reservation is allowed, and told of once in each window. */
  readonly softLimit: bigint | null;
  /** For budgets of tokens, which end with them. */
  readonly expiresAt: Date | null;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A budget in one of its windows. */
export interface BudgetState {
  readonly budgetId: BudgetId;
  readonly organizationId: OrganizationId | null;
  readonly scope: BudgetScope;
  readonly meter: string;
  readonly window: BudgetWindow;
  readonly limit: bigint | null;
  readonly softLimit: bigint | null;
  readonly used: bigint;
  /** Held by reservations that are neither settled nor released. */
  readonly reserved: bigint;
  /** What may still be reserved; null without a limit. */
  readonly remaining: bigint | null;
  readonly softLimitReached: boolean;
  readonly windowStart: Date;
  /** When the next window begins; null for `total`. */
  readonly resetAt: Date | null;
}

export type Amounts = Readonly<Record<string, bigint>>;

/** What is counted is kept exact in JSON as well: beyond this a number loses its last digits there. */
export const MAXIMUM_AMOUNT = BigInt(Number.MAX_SAFE_INTEGER);

const NOT_AMOUNT = `A whole number from 0 to ${MAXIMUM_AMOUNT}.`;
/** A whole number, or its digits as text; `amountOf` makes one of it. */
export const AmountInput = z.union(
  [
    z.int({ error: NOT_AMOUNT }).min(0, NOT_AMOUNT),
    z
      .string()
      .regex(/^\d{1,16}$/, NOT_AMOUNT)
      // Digits alone: checks go on after one that failed, and BigInt throws at words.
      .refine((digits) => (wholeOf(digits) ?? MAXIMUM_AMOUNT) <= MAXIMUM_AMOUNT, NOT_AMOUNT),
  ],
  { error: NOT_AMOUNT },
);

const MOST_METERS = 20;

/** Throws amount_invalid, with the name of the meter. */
export function amountsOf(given: Readonly<Record<string, unknown>>): Amounts {
  const amounts = Object.entries(given).map(([meter, amount]) => [meter, amountOf(amount, meter)]);
  if (amounts.length > MOST_METERS) {
    throw failure('request_invalid', { fields: { amounts: `At most ${MOST_METERS} meters at once.` } });
  }
  return Object.fromEntries(amounts);
}

/** A bigint, a whole number, or its digits. Throws amount_invalid. */
export function amountOf(given: unknown, field: string): bigint {
  const amount = wholeOf(given);
  if (amount === undefined || amount < 0n || amount > MAXIMUM_AMOUNT) {
    throw failure('amount_invalid', { fields: { [field]: 'is no amount' } });
  }
  return amount;
}

function wholeOf(given: unknown): bigint | undefined {
  if (typeof given === 'bigint') return given;
  if (typeof given === 'number') return Number.isSafeInteger(given) ? BigInt(given) : undefined;
  return typeof given === 'string' && /^\d{1,16}$/.test(given) ? BigInt(given) : undefined;
}

export const ScopeInput = z.object({ kind: z.enum(scopeKinds), id: z.string().min(1).max(256) });
export const NewBudget = z
  .object({
    scope: ScopeInput,
    organizationId: z
      .string()
      .max(64)
      .optional()
      .describe('For accounts, clients and tokens: limits only what happens in this organization.'),
    meter: z.string().min(1).max(64),
    window: z.enum(budgetWindows),
    limit: AmountInput.nullable().default(null).describe('Beyond it reservations are refused.'),
    softLimit: AmountInput.nullable()
      .default(null)
      .describe('Beyond it reservations are allowed, and told of once in each window.'),
    expiresAt: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('For tokens: when the token ends; a day from now unless told.'),
  })
  .meta({ id: 'NewBudget' });
export type NewBudget = z.input<typeof NewBudget>;

export const BudgetChange = z.object({
  limit: AmountInput.nullable().optional(),
  softLimit: AmountInput.nullable().optional(),
});
export type BudgetChange = z.input<typeof BudgetChange>;

export interface BudgetFilter {
  scopeKind?: ScopeKind | undefined;
  scopeId?: string | undefined;
  meter?: string | undefined;
  organizationId?: string | undefined;
}

export interface Meter {
  readonly name: string;
  readonly sentence: string;
  readonly builtIn: boolean;
}

/** Amounts are checked by `budgets` itself, so that each way in refuses them with the same code. */
export const AmountsInput = z
  .record(z.string().max(64), z.unknown().meta({ type: ['integer', 'string'] }))
  .describe('Meter → whole number, or its digits.');

const amountView = z.bigint().transform(Number).pipe(z.int().min(0));
const scopeView = z.object({ kind: z.enum(scopeKinds), id: z.string() });

export const BudgetStateView = z
  .object({
    budgetId: z.string(),
    organizationId: z.string().nullable(),
    scope: scopeView,
    meter: z.string(),
    window: z.enum(budgetWindows),
    limit: amountView.nullable(),
    softLimit: amountView.nullable(),
    used: amountView,
    reserved: amountView,
    remaining: amountView.nullable(),
    softLimitReached: z.boolean(),
    windowStart: instant,
    resetAt: instant.nullable(),
  })
  .meta({ id: 'BudgetState' });

export const BudgetView = z
  .object({
    id: z.string(),
    organizationId: z.string().nullable(),
    scope: scopeView,
    meter: z.string(),
    window: z.enum(budgetWindows),
    limit: amountView.nullable(),
    softLimit: amountView.nullable(),
    expiresAt: instant.nullable(),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
    state: BudgetStateView.optional().describe('The window that is open now.'),
  })
  .meta({ id: 'Budget' });

export const MeterView = z
  .object({ name: z.string(), sentence: z.string(), builtIn: z.boolean() })
  .meta({ id: 'Meter' });
