// gatehouse audit …: read, follow and export the ledger.
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Command,
  type CommandOption,
  type CommandResult,
  type Io,
  type Options,
  UsageMistake,
} from '../platform/command.ts';
import { events, refusalKinds } from '../vocabulary/events.ts';
import type { Audit } from './audit.ts';
import {
  type AuditEvent,
  AuditEventView,
  type EventFilter,
  type Outcome,
  RefusalCountView,
} from './schema.ts';

type Services = { audit: Audit };

const OUTCOMES: readonly Outcome[] = ['success', 'failure', 'denied'];
const DEFAULT_LIMIT = 50;
const MAXIMUM_LIMIT = 1000;

const period: CommandOption[] = [
  { name: 'from', value: 'time', summary: 'From this time on (ISO 8601).' },
  { name: 'to', value: 'time', summary: 'Before this time (ISO 8601).' },
];
const paging: CommandOption[] = [
  {
    name: 'limit',
    value: 'number',
    summary: `How many, ${DEFAULT_LIMIT} unless told, at most ${MAXIMUM_LIMIT}.`,
  },
  { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
];
const filters: CommandOption[] = [
  { name: 'type', value: 'event', summary: "An event name, or a prefix: 'sign-in.*'." },
  { name: 'account', value: 'id', summary: 'About this account.' },
  { name: 'client', value: 'id', summary: 'About this client.' },
  { name: 'actor', value: 'id', summary: 'Done by this account, client or operator.' },
  { name: 'target', value: 'id', summary: 'Done to the thing with this id.' },
  { name: 'target-kind', value: 'kind', summary: "Done to a thing of this kind: 'signing_key'." },
  { name: 'outcome', value: 'outcome', summary: 'How it ended.', choices: OUTCOMES },
  { name: 'request', value: 'id', summary: 'Done in the request with this id.' },
  ...period,
];

export const commands: Command<Services>[] = [
  {
    name: 'audit list',
    summary: 'Show events of the ledger, the newest first.',
    options: [...filters, ...paging, { name: 'follow', summary: 'Stay and show new events as they happen.' }],
    run: async ({ services, options, io }) => {
      const filter = filterOf(options);
      if (options.flag('follow')) return follow(services.audit, filter, io);
      const page = await services.audit.list(filter, pageOf(options));
      return eventsResult(page.items, page.nextCursor);
    },
  },
  {
    name: 'audit export',
    summary:
      'Write events as JSON lines, the oldest first; with --json as one array, which is held in memory.',
    options: filters,
    run: async ({ services, options, io }) => {
      if (io.json) return { json: await allEvents(services.audit, filterOf(options)), text: [] };
      for await (const event of services.audit.stream(filterOf(options))) {
        io.say(JSON.stringify(AuditEventView.parse(event)));
      }
      return undefined;
    },
  },
  {
    name: 'audit refusals',
    summary: 'Show how often unauthenticated callers were refused, by network and minute.',
    options: [
      { name: 'kind', value: 'kind', summary: 'What was refused.', choices: Object.keys(refusalKinds) },
      ...period,
      ...paging,
    ],
    run: async ({ services, options }) => {
      const filter = { kind: options.text('kind'), from: options.time('from'), to: options.time('to') };
      const page = await services.audit.listRefusals(filter, pageOf(options));
      const items = page.items.map((item) => RefusalCountView.parse(item));
      return {
        json: { items, nextCursor: page.nextCursor },
        text: {
          columns: ['minute', 'count', 'kind', 'reason', 'network'],
          rows: items.map((item) => [item.minute, item.count, item.kind, item.reason, item.network]),
          empty: 'No refused requests.',
        },
      };
    },
  },
];

async function allEvents(audit: Audit, filter: EventFilter) {
  const all = [];
  for await (const event of audit.stream(filter)) all.push(AuditEventView.parse(event));
  return all;
}

function filterOf(options: Options): EventFilter {
  return {
    type: typeOf(options.text('type')),
    accountId: options.text('account'),
    clientId: options.text('client'),
    actorId: options.text('actor'),
    targetId: options.text('target'),
    targetKind: options.text('target-kind'),
    outcome: OUTCOMES.find((outcome) => outcome === options.text('outcome')),
    requestId: options.text('request'),
    from: options.time('from'),
    to: options.time('to'),
  };
}

function typeOf(type: string | undefined): string | undefined {
  if (type === undefined || type in events) return type;
  const known = Object.keys(events);
  if (type.endsWith('*') && known.some((name) => name.startsWith(type.slice(0, -1)))) return type;
  throw new UsageMistake(`There is no event '${type}'. The events are: ${known.join(', ')}.`);
}

function pageOf(options: Options): { limit: number; cursor: string | null } {
  const limit = options.number('limit') ?? DEFAULT_LIMIT;
  if (limit < 1 || limit > MAXIMUM_LIMIT)
    throw new UsageMistake(`--limit is a number from 1 to ${MAXIMUM_LIMIT}.`);
  return { limit, cursor: options.text('cursor') ?? null };
}

function eventsResult(found: AuditEvent[], nextCursor: string | null): CommandResult {
  return {
    json: { items: found.map((event) => AuditEventView.parse(event)), nextCursor },
    text: {
      columns: ['time', 'event', 'outcome', 'actor', 'account', 'client', 'target', 'reason', 'address'],
      rows: found.map(cells),
      empty: 'No events.',
    },
  };
}

function cells(event: AuditEvent): (string | null)[] {
  const actor = event.actor.id === null ? event.actor.kind : `${event.actor.kind}:${event.actor.id}`;
  const target = event.target === null ? null : `${event.target.kind}:${event.target.id}`;
  const time = event.occurredAt.toISOString();
  return [
    time,
    event.type,
    event.outcome,
    actor,
    event.accountId,
    event.clientId,
    target,
    event.reason,
    event.address,
  ];
}

const FOLLOW_MILLISECONDS = 1000;
/** An event is dated before its transaction ends: each look goes back this far, and shows nothing twice. */
const OVERLAP_MILLISECONDS = 15_000;

// Until Ctrl-C.
async function follow(audit: Audit, filter: EventFilter, io: Io): Promise<undefined> {
  if (io.json)
    throw new UsageMistake('--follow never ends, so it cannot print one JSON value: leave out --json.');
  let shown = new Set<string>();
  let from = filter.from ?? new Date();
  for (;;) {
    const seen = new Set<string>();
    let latest = from.getTime();
    for await (const event of audit.stream({ ...filter, from })) {
      seen.add(event.id);
      latest = Math.max(latest, event.occurredAt.getTime() - OVERLAP_MILLISECONDS);
      if (!shown.has(event.id))
        io.say(
          cells(event)
            .map((cell) => cell ?? '-')
            .join('  '),
        );
    }
    shown = seen;
    from = new Date(latest);
    await delay(FOLLOW_MILLISECONDS);
  }
}
