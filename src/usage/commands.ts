// gatehouse usage … and gatehouse key usage: who used how much.
import {
  type Command,
  type CommandOption,
  type CommandResult,
  type Io,
  type Options,
  UsageMistake,
} from '../platform/command.ts';
import { type UsageFilter, type UsageRow, UsageRowView, usageKinds, usageSubjects } from './schema.ts';
import type { Usage } from './usage.ts';

type Services = { usage: Usage };

const DEFAULT_LIMIT = 50;
const MAXIMUM_LIMIT = 1000;
const GROUPS = ['hour', 'day'] as const;

const period: CommandOption[] = [
  { name: 'from', value: 'time', summary: 'From this time on (ISO 8601).' },
  { name: 'to', value: 'time', summary: 'Before this time (ISO 8601).' },
  {
    name: 'by',
    value: 'period',
    choices: GROUPS,
    summary: 'Added up by hour (unless told) or by day (UTC).',
  },
  { name: 'meter', value: 'name', summary: 'Only this meter; requests counts the calls themselves.' },
];
const filters: CommandOption[] = [
  { name: 'subject-kind', value: 'kind', choices: usageSubjects, summary: 'Only of these.' },
  { name: 'subject', value: 'id', summary: 'Only of this key, client, account or token.' },
  { name: 'organization', value: 'id', summary: 'Only what was used in this organization.' },
  { name: 'kind', value: 'kind', choices: usageKinds, summary: 'How it came to be used.' },
  ...period,
];
const paging: CommandOption[] = [
  {
    name: 'limit',
    value: 'number',
    summary: `How many, ${DEFAULT_LIMIT} unless told, at most ${MAXIMUM_LIMIT}.`,
  },
  { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
];
const csv: CommandOption = { name: 'csv', summary: 'All of it, as comma-separated values.' };

export const commands: Command<Services>[] = [
  {
    name: 'usage list',
    summary: 'Show who used how much, the newest first.',
    options: [...filters, ...paging],
    run: ({ services, options, io }) => listed(services.usage, filterOf(options), options, io),
  },
  {
    name: 'usage export',
    summary: 'Write all of it as comma-separated values.',
    options: filters,
    run: ({ services, options, io }) => exported(services.usage, filterOf(options), io),
  },
  {
    name: 'key usage',
    summary: 'Show how much an API key was used, the newest first.',
    arguments: [{ name: 'key', summary: 'The id of the key.' }],
    options: [...period, ...paging, csv],
    run({ services, args, options, io }) {
      const filter: UsageFilter = {
        ...periodOf(options),
        subjectKind: 'api-key',
        subjectIds: [args.text('key')],
      };
      if (options.flag('csv')) return exported(services.usage, filter, io);
      return listed(services.usage, filter, options, io);
    },
  },
];

async function exported(usage: Usage, filter: UsageFilter, io: Io): Promise<undefined> {
  if (io.json)
    throw new UsageMistake('Comma-separated values are no JSON: leave out --json, or use `usage list`.');
  for await (const line of usage.csv(filter)) io.say(line.trimEnd());
}

async function listed(usage: Usage, filter: UsageFilter, options: Options, io: Io): Promise<CommandResult> {
  const limit = options.number('limit') ?? DEFAULT_LIMIT;
  if (limit < 1 || limit > MAXIMUM_LIMIT)
    throw new UsageMistake(`--limit is a number from 1 to ${MAXIMUM_LIMIT}.`);
  const page = await usage.report(filter, { limit, cursor: options.text('cursor') ?? null });
  if (page.nextCursor !== null) io.note(`More: --cursor ${page.nextCursor}`);
  return {
    json: { ...page, items: page.items.map((row) => UsageRowView.parse(row)) },
    text: {
      columns: ['period', 'of', 'id', 'organization', 'kind', 'meter', 'amount'],
      rows: page.items.map(cells),
      empty: 'Nothing was used.',
    },
  };
}

function cells(row: UsageRow): (string | null)[] {
  const { subjectKind, subjectId, organizationId, kind, meter } = row;
  return [row.period.toISOString(), subjectKind, subjectId, organizationId, kind, meter, String(row.amount)];
}

function filterOf(options: Options): UsageFilter {
  const subject = options.text('subject');
  return {
    ...periodOf(options),
    subjectKind: usageSubjects.find((known) => known === options.text('subject-kind')),
    ...(subject === undefined ? {} : { subjectIds: [subject] }),
    organizationId: options.text('organization'),
    kind: usageKinds.find((known) => known === options.text('kind')),
  };
}

function periodOf(options: Options): UsageFilter {
  return {
    from: options.time('from'),
    to: options.time('to'),
    groupBy: GROUPS.find((known) => known === options.text('by')),
    meter: options.text('meter'),
  };
}
