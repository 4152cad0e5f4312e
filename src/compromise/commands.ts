// gatehouse key compromised, and gatehouse key logs: what a key did.
import { type ApiKeys, asOperator } from '../api-keys/api-keys.ts';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import { AuditEventView } from '../audit/schema.ts';
import {
  type Arguments,
  type Command,
  type CommandResult,
  confirmed,
  type Options,
  UsageMistake,
  yes,
} from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { Compromise } from './compromise.ts';
import { CompromiseReport } from './schema.ts';

type Services = { compromise: Compromise; apiKeys: Pick<ApiKeys, 'find'>; audit: Pick<Audit, 'list'> };

const which = { name: 'id', optional: true, summary: 'The id of the key: key_ and 26 characters.' };
const idOption = { name: 'id', value: 'id', summary: 'The same as the id alone.' };
const DEFAULT_LIMIT = 50;
const MAXIMUM_LIMIT = 500;

export const commands: Command<Services>[] = [
  {
    name: 'key compromised',
    summary: 'End a key in the wrong hands with all below it, and say what it did and what to rotate next.',
    arguments: [which],
    options: [
      idOption,
      { name: 'reason', value: 'text', summary: 'Why; it is kept with each key that ends.' },
      {
        name: 'rotate',
        summary: "Also rotate the owner's other keys and all that may do everything, at once.",
      },
      yes,
    ],
    async run({ services, args, options, io, by }) {
      const as = asOperator(by);
      const key = await services.apiKeys.find(idGiven(args, options), as);
      if (key === undefined) throw failure('api_key_not_found');
      const rotate = options.flag('rotate');
      const more = rotate ? ', and rotate all that is at risk with it' : '';
      const question = `End the key ${key.name} (${key.id}) and all below it${more}?`;
      if (!(await confirmed({ options, io }, question))) return undefined;
      const wish = { reason: options.text('reason'), rotate };
      return told(CompromiseReport.parse(await services.compromise.report(key.id, wish, as)));
    },
  },
  {
    name: 'key logs',
    summary: 'Show what the ledger has of a key: what was done with it and to it, the newest first.',
    arguments: [which],
    options: [
      idOption,
      {
        name: 'limit',
        value: 'number',
        summary: `How many, ${DEFAULT_LIMIT} unless told, at most ${MAXIMUM_LIMIT}.`,
      },
    ],
    async run({ services, args, options }) {
      const limit = options.number('limit') ?? DEFAULT_LIMIT;
      if (limit < 1 || limit > MAXIMUM_LIMIT) {
        throw new UsageMistake(`--limit is a number from 1 to ${MAXIMUM_LIMIT}.`);
      }
      const events = await eventsAbout(services.audit, idGiven(args, options), limit);
      return {
        json: { items: events.map((event) => AuditEventView.parse(event)) },
        text: {
          columns: ['time', 'event', 'outcome', 'by', 'address', 'user agent', 'request'],
          rows: events.map(({ occurredAt, type, outcome, actor, address, userAgent, requestId }) => [
            occurredAt.toISOString(),
            type,
            outcome,
            actor.id ?? actor.kind,
            address,
            userAgent,
            requestId,
          ]),
          empty: 'The ledger has nothing of such a key.',
        },
      };
    },
  },
];

function idGiven(args: Arguments, options: Options): string {
  const id = args.optional('id') ?? options.text('id');
  if (id === undefined) throw new UsageMistake('Say which key: its id, key_ and 26 characters.');
  return id;
}

/** Three searches, each by an index: what it is the client of, what it did itself, what was done to it. */
async function eventsAbout(audit: Pick<Audit, 'list'>, id: string, limit: number): Promise<AuditEvent[]> {
  const page = { limit, cursor: null };
  const filters = [{ clientId: id }, { actorId: id }, { targetKind: 'api-key', targetId: id }];
  const found = await Promise.all(filters.map((filter) => audit.list(filter, page)));
  const events = new Map(found.flatMap(({ items }) => items).map((event) => [event.id, event]));
  const newest = (a: AuditEvent, b: AuditEvent) =>
    b.occurredAt.getTime() - a.occurredAt.getTime() || (a.id < b.id ? 1 : -1);
  return [...events.values()].sort(newest).slice(0, limit);
}

function told(report: ReturnType<typeof CompromiseReport.parse>): CommandResult {
  const { activity, next, rotated } = report;
  const seen = (name: string, list: { value: string; count: number; firstAt: string; lastAt: string }[]) =>
    list.map(
      ({ value, count, firstAt, lastAt }) => `${name} ${value}  ${count} times, ${firstAt} to ${lastAt}`,
    );
  return {
    json: report,
    text: [
      `key          ${report.keyId}  ${report.name}`,
      `compromised  ${report.compromisedAt}`,
      `ended now    ${report.revoked.join(' ') || '-'}`,
      `ended before ${report.endedBefore.join(' ') || '-'}`,
      '',
      ...(activity === null
        ? []
        : [
            `first event  ${activity.firstAt ?? '-'}`,
            `last event   ${activity.lastAt ?? '-'}`,
            `events       ${activity.events}${activity.truncated ? ' and more' : ''}, ${activity.tokensIssued} tokens issued`,
            ...seen('address     ', activity.addresses),
            ...seen('user agent  ', activity.userAgents),
            ...activity.perHour.map(
              ({ hour, kind, requests }) => `used         ${hour}  ${kind}  ${requests}`,
            ),
            ...activity.changes.map(
              ({ occurredAt, type, target }) => `changed      ${occurredAt}  ${type}  ${target?.id ?? ''}`,
            ),
            '',
          ]),
      ...next.map(({ keyId, name, why }) => `rotate next  ${keyId}  ${name}  (${why.join(', ')})`),
      ...rotated.map(
        ({ keyId, name, secret, error }) =>
          `rotated      ${keyId}  ${name}  ${secret ?? error ?? 'since then already'}`,
      ),
      ...(rotated.some(({ secret }) => secret !== null) ? ['', 'The new keys are shown only now.'] : []),
    ].map((line) => line.trimEnd()),
  };
}
