// gatehouse session, grant, logout: who is signed in, what they allowed, the end of it, and which apps are told.
import { type Command, confirmed, type Options, UsageMistake, yes } from '../platform/command.ts';
import { type DeliveryState, deliveryStates } from './schema.ts';
import type { EndScope, Sessions } from './sessions.ts';

const LIST_DEFAULT = 50;
const paging = [
  { name: 'limit', value: 'number', summary: `How many, ${LIST_DEFAULT} unless told.` },
  { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
];

export const commands: Command<{ sessions: Sessions }>[] = [
  {
    name: 'session list',
    summary: 'Show signed-in browsers with address, device and last activity.',
    options: [
      { name: 'account', value: 'id', summary: 'Only those of this account.' },
      { name: 'client', value: 'id', summary: 'Only those in which this client takes part.' },
      ...paging,
    ],
    async run({ services, options }) {
      const page = await services.sessions.list(filterOf(options), pageOfOptions(options));
      return {
        json: page,
        text: {
          columns: ['id', 'account', 'last seen', 'address', 'device'],
          rows: page.items.map((session) => [
            session.id,
            session.accountId,
            session.seenAt.toISOString(),
            session.address,
            session.userAgent?.slice(0, 60),
          ]),
          empty: 'Nobody is signed in.',
        },
      };
    },
  },
  {
    name: 'session end',
    summary:
      'Sign a browser out, or end sessions, grants and tokens of an account, of a client, of both together or of everybody; apps that asked for it are told.',
    arguments: [{ name: 'id', summary: 'The session, as the list shows it.', optional: true }],
    options: [
      { name: 'account', value: 'id', summary: 'End everything of this account.' },
      { name: 'client', value: 'id', summary: 'End everything of this client.' },
      { name: 'everyone', summary: 'End everything there is.' },
      yes,
    ],
    async run({ services, args, options, io, by }) {
      const id = args.optional('id');
      const scope = scopeOf(options);
      if ((id === undefined) === (scope === undefined)) {
        throw new UsageMistake('Name one session, or use --account, --client or --everyone.');
      }
      if (id !== undefined) {
        await services.sessions.end(id, by);
        return { json: { ended: 1 }, text: 'The session has ended.' };
      }
      if (scope === undefined || !(await confirmed({ options, io }, questionOf(scope)))) return undefined;
      const ended = await services.sessions.endAll(scope, by);
      return {
        json: ended,
        text: `Ended: ${ended.sessions} sessions, ${ended.grants} grants, ${ended.tokens} tokens.`,
      };
    },
  },
  {
    name: 'grant list',
    summary: 'Show what accounts allowed which clients.',
    options: [
      { name: 'account', value: 'id', summary: 'Only those of this account.' },
      { name: 'client', value: 'id', summary: 'Only those of this client.' },
      ...paging,
    ],
    async run({ services, options }) {
      const page = await services.sessions.listGrants(filterOf(options), pageOfOptions(options));
      return {
        json: page,
        text: {
          columns: ['id', 'account', 'client', 'organization', 'allowed', 'until'],
          rows: page.items.map((grant) => [
            grant.id,
            grant.accountId,
            grant.clientId,
            grant.organizationId ?? '',
            [...grant.scopes, ...Object.values(grant.resourceScopes).flat()].join(' '),
            grant.expiresAt.toISOString(),
          ]),
          empty: 'Nothing is granted.',
        },
      };
    },
  },
  {
    name: 'grant revoke',
    summary: 'Revoke a grant with every token issued from it; the app is told if it asked for that.',
    arguments: [{ name: 'id', summary: 'The grant, as the list shows it.' }],
    async run({ services, args, by }) {
      const id = args.text('id');
      await services.sessions.revokeGrant(id, by);
      return { json: { revoked: id }, text: 'The grant is revoked.' };
    },
  },
  {
    name: 'logout list',
    summary: 'Show which clients are still to be told of ended sessions, and which were, the newest first.',
    options: [
      { name: 'state', value: 'state', choices: deliveryStates, summary: 'Only those in this state.' },
      { name: 'client', value: 'id', summary: 'Only those of this client.' },
      ...paging,
    ],
    async run({ services, options }) {
      const clientId = options.text('client');
      // One of the choices, or the command line was refused.
      const state = options.text('state') as DeliveryState | undefined;
      const filter = {
        ...(clientId === undefined ? {} : { clientId }),
        ...(state === undefined ? {} : { state }),
      };
      const page = await services.sessions.listDeliveries(filter, pageOfOptions(options));
      return {
        json: page,
        text: {
          columns: ['id', 'client', 'account', 'state', 'attempts', 'last error', 'next attempt'],
          rows: page.items.map((one) => [
            one.id,
            one.clientId,
            one.accountId,
            one.state,
            one.attempts,
            one.lastError,
            one.nextAttemptAt?.toISOString(),
          ]),
          empty: 'No client was or is to be told of anything.',
        },
      };
    },
  },
  {
    name: 'logout retry',
    summary: 'Tell a client once more, and if need be for another day; the server does it.',
    arguments: [{ name: 'id', summary: 'The notice, as `logout list` shows it.' }],
    async run({ services, args, by }) {
      const id = args.text('id');
      await services.sessions.retryDelivery(id, by);
      return { json: { retried: id }, text: 'The client will be told again.' };
    },
  },
];

function filterOf(options: Options): { accountId?: string; clientId?: string } {
  const accountId = options.text('account');
  const clientId = options.text('client');
  return {
    ...(accountId === undefined ? {} : { accountId }),
    ...(clientId === undefined ? {} : { clientId }),
  };
}

function pageOfOptions(options: Options) {
  return { limit: options.number('limit') ?? LIST_DEFAULT, cursor: options.text('cursor') ?? null };
}

/** undefined when none of the options is there. Throws a UsageMistake for --everyone beside another one. */
function scopeOf(options: Options): EndScope | undefined {
  const filter = filterOf(options);
  const named = Object.keys(filter).length > 0;
  if (!options.flag('everyone')) return named ? filter : undefined;
  if (named) throw new UsageMistake('--everyone goes alone.');
  return 'everyone';
}

function questionOf(scope: EndScope): string {
  if (scope === 'everyone') return 'End the sessions, grants and tokens of everybody?';
  const { accountId, clientId } = scope;
  if (accountId !== undefined && clientId !== undefined)
    return 'End all that this client has of this account?';
  return `End every session, grant and token of this ${accountId === undefined ? 'client' : 'account'}?`;
}
