// gatehouse budget …: set, see, change, correct and remove budgets; the meters they are on; whether the ledger adds up.
import {
  type Command,
  type CommandOption,
  type CommandResult,
  confirmed,
  type Options,
  UsageMistake,
  yes,
} from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { Budget, BudgetState, Budgets } from './budgets.ts';
import {
  type BudgetScope,
  BudgetStateView,
  BudgetView,
  budgetWindows,
  MeterView,
  scopeKinds,
} from './schema.ts';

type Services = { budgets: Budgets };

const DEFAULT_LIMIT = 50;
const which = { name: 'budget', summary: 'The id of the budget.' };

/** `--key ID`, `--organization ID`: whose budget it is. */
const scopes: CommandOption[] = scopeKinds.map((kind) => ({
  name: kind === 'api-key' ? 'key' : kind,
  value: 'id',
  summary: kind === 'token' ? 'The jti of a token.' : `Of this ${kind === 'api-key' ? 'API key' : kind}.`,
}));
const limits: CommandOption[] = [
  { name: 'limit', value: 'amount', summary: "Beyond it is refused; '' for none. Money in millionths." },
  { name: 'soft-limit', value: 'amount', summary: "Beyond it is told of once in each window; '' for none." },
];
const paging: CommandOption[] = [
  { name: 'page', value: 'number', summary: `How many, ${DEFAULT_LIMIT} unless told.` },
  { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
];

const settings: Command<Services>[] = [
  {
    name: 'budget set',
    summary: 'Set a budget, in place of the one on the same meter and window.',
    options: [
      ...scopes,
      { name: 'meter', value: 'name', required: true, summary: 'requests, tokens, money, or one of yours.' },
      {
        name: 'window',
        value: 'window',
        required: true,
        choices: budgetWindows,
        summary: 'How long it is for.',
      },
      { name: 'within', value: 'organization-id', summary: 'Of what is used in this organization only.' },
      ...limits,
    ],
    async run({ services, options, by }) {
      const scope = scopeOf(options);
      if (scope === undefined) throw new UsageMistake('Say whose budget it is, such as --key ID.');
      const within = options.text('within');
      const window = budgetWindows.find((known) => known === options.required('window')) ?? 'total';
      const input = { scope, meter: options.required('meter'), window, ...limitsOf(options) };
      const { budget } = await services.budgets.set(
        { ...input, ...(within === undefined ? {} : { organizationId: within }) },
        by,
      );
      return shown(services.budgets, budget);
    },
  },
  {
    name: 'budget list',
    summary: 'Show budgets.',
    options: [...scopes, { name: 'meter', value: 'name', summary: 'Only on this meter.' }, ...paging],
    async run({ services, options, io }) {
      const scope = scopeOf(options);
      const limit = options.number('page') ?? DEFAULT_LIMIT;
      const filter = { scopeKind: scope?.kind, scopeId: scope?.id, meter: options.text('meter') };
      const page = await services.budgets.list(filter, { limit, cursor: options.text('cursor') ?? null });
      if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
      return {
        json: { ...page, items: page.items.map((budget) => BudgetView.parse(budget)) },
        text: {
          columns: ['id', 'of', 'meter', 'window', 'limit', 'soft limit'],
          rows: page.items.map((budget) => [
            budget.id,
            `${budget.scope.kind}:${budget.scope.id}`,
            budget.meter,
            budget.window,
            textOf(budget.limit),
            textOf(budget.softLimit),
          ]),
          empty: 'There are no budgets.',
        },
      };
    },
  },
  {
    name: 'budget show',
    summary: 'Show a budget, and what was used of it window by window.',
    arguments: [which],
    async run({ services, args }) {
      const budget = await found(services.budgets, args.text('budget'));
      return shown(services.budgets, budget);
    },
  },
  {
    name: 'budget change',
    summary: 'Change its limits; what is used stays.',
    arguments: [which],
    options: limits,
    async run({ services, args, options, by }) {
      const { id } = await found(services.budgets, args.text('budget'));
      return shown(services.budgets, await services.budgets.change(id, limitsOf(options), by));
    },
  },
  {
    name: 'budget adjust',
    summary: 'Correct what counts as used in the window that is open now.',
    arguments: [which, { name: 'used', summary: 'How much it is.' }],
    async run({ services, args, by }) {
      const budget = await found(services.budgets, args.text('budget'));
      await services.budgets.adjust(budget.id, args.text('used'), by);
      return shown(services.budgets, budget);
    },
  },
  {
    name: 'budget remove',
    summary: 'Remove a budget.',
    arguments: [which],
    options: [yes],
    async run({ services, args, options, io, by }) {
      const budget = await found(services.budgets, args.text('budget'));
      if (
        !(await confirmed({ options, io }, `Remove the budget of ${budget.scope.kind} ${budget.scope.id}?`))
      )
        return undefined;
      await services.budgets.remove(budget.id, by);
      return { json: { removed: budget.id }, text: `removed ${budget.id}` };
    },
  },
];

const meters: Command<Services>[] = [
  {
    name: 'budget meters',
    summary: 'Show what budgets may be on.',
    async run({ services }) {
      const items = await services.budgets.listMeters();
      return {
        json: { items: items.map((meter) => MeterView.parse(meter)) },
        text: {
          columns: ['meter', 'counts'],
          rows: items.map(({ name, sentence }) => [name, sentence]),
          empty: 'There are no meters.',
        },
      };
    },
  },
  {
    name: 'budget add-meter',
    summary: 'Register a meter.',
    arguments: [
      { name: 'name', summary: 'Lower-case letters, digits, dashes and underscores.' },
      { name: 'sentence', summary: 'What it counts, for people.' },
    ],
    async run({ services, args, by }) {
      const input = { name: args.text('name'), sentence: args.text('sentence') };
      const meter = await services.budgets.addMeter(input, by);
      return { json: MeterView.parse(meter), text: `added ${meter.name}` };
    },
  },
  {
    name: 'budget remove-meter',
    summary: 'Remove a meter that no budget is on.',
    arguments: [{ name: 'name', summary: 'The meter.' }],
    async run({ services, args, by }) {
      await services.budgets.removeMeter(args.text('name'), by);
      return { json: { removed: args.text('name') }, text: `removed ${args.text('name')}` };
    },
  },
];

const ledger: Command<Services> = {
  name: 'budget check',
  summary: 'Compare the counters of all windows with the entries of each amount.',
  async run({ services }) {
    const wrong = await services.budgets.verify();
    const items = wrong.map(({ budgetId, windowStart, counted, entered }) => ({
      budgetId,
      windowStart: windowStart.toISOString(),
      used: [Number(counted.used), Number(entered.used)],
      reserved: [Number(counted.reserved), Number(entered.reserved)],
    }));
    return {
      json: { items },
      failed: items.length > 0,
      text: {
        columns: ['budget', 'window', 'used', 'by entries', 'reserved', 'by entries'],
        rows: items.map((item) => [item.budgetId, item.windowStart, ...item.used, ...item.reserved]),
        empty: 'All counters are the sums of their entries.',
      },
    };
  },
};

export const commands: Command<Services>[] = [...settings, ...meters, ledger];

async function found(budgets: Budgets, id: string): Promise<Budget> {
  const budget = await budgets.find(id);
  if (budget === undefined) throw failure('budget_not_found');
  return budget;
}

const WINDOWS_SHOWN = 12;

async function shown(budgets: Budgets, { id }: Budget): Promise<CommandResult> {
  const budget = await found(budgets, id);
  const state = await budgets.stateOf(id);
  const { items } = await budgets.windows(id, { limit: WINDOWS_SHOWN, cursor: null });
  const json = {
    ...BudgetView.parse({ ...budget, state }),
    windows: items.map((window) => BudgetStateView.parse(window)),
  };
  return { json, text: linesOf(budget, state, items) };
}

function linesOf(budget: Budget, state: BudgetState | undefined, windows: readonly BudgetState[]): string[] {
  const now = state?.windowStart.getTime();
  return [
    `id          ${budget.id}`,
    `of          ${budget.scope.kind} ${budget.scope.id}`,
    ...(budget.organizationId === null ? [] : [`within      ${budget.organizationId}`]),
    `meter       ${budget.meter} by ${budget.window}`,
    `limit       ${textOf(budget.limit) ?? 'none'}`,
    `soft limit  ${textOf(budget.softLimit) ?? 'none'}`,
    ...(state === undefined ? [] : [`used        ${state.used}, ${state.reserved} reserved`]),
    ...(state === undefined || state.resetAt === null ? [] : [`begins anew ${state.resetAt.toISOString()}`]),
    ...windows
      .filter(({ windowStart }) => windowStart.getTime() !== now)
      .map(({ windowStart, used }) => `${windowStart.toISOString()}  ${used}`),
  ];
}

const textOf = (amount: bigint | null) => (amount === null ? null : String(amount));

function scopeOf(options: Options): BudgetScope | undefined {
  const given = scopeKinds.flatMap((kind) => {
    const id = options.text(kind === 'api-key' ? 'key' : kind);
    return id === undefined ? [] : [{ kind, id }];
  });
  if (given.length > 1) throw new UsageMistake('A budget is of one thing: name one of them.');
  return given[0];
}

function limitsOf(options: Options): { limit?: string | null; softLimit?: string | null } {
  const [limit, softLimit] = [options.text('limit'), options.text('soft-limit')];
  return {
    ...(limit === undefined ? {} : { limit: limit === '' ? null : limit }),
    ...(softLimit === undefined ? {} : { softLimit: softLimit === '' ? null : softLimit }),
  };
}
