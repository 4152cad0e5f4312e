// gatehouse client …: register, list, show, change and delete clients, and rotate their secrets.
import { definedFields } from '../lib/fields.ts';
import { type Command, type CommandOption, type CommandResult, confirmed, yes } from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { Client, Clients } from './clients.ts';
import { registrationOf, registrationOptions } from './command-options.ts';
import { clientView } from './schema.ts';

type Services = { clients: Clients };

const DEFAULT_LIMIT = 50;
const kinds = ['web', 'spa', 'native', 'machine'] as const;
const statuses = ['active', 'disabled'] as const;
const which = { name: 'id', summary: 'The client id.' };
const ends: CommandOption = {
  name: 'expires',
  value: 'time',
  summary: 'When the new secret ends (ISO 8601).',
};

const registry: Command<Services>[] = [
  {
    name: 'client create',
    summary: 'Register a client; its secret is shown once.',
    options: [
      { name: 'kind', value: 'kind', required: true, choices: kinds, summary: 'What it is.' },
      { name: 'name', value: 'name', required: true, summary: 'What people read on the consent page.' },
      { name: 'id', value: 'id', summary: 'Its id; a new one is made unless told.' },
      ...registrationOptions('create'),
    ],
    async run({ services, options, by }) {
      const kind = kinds.find((name) => name === options.required('kind')) ?? 'web';
      const chosen = definedFields({ id: options.text('id') });
      const input = { ...chosen, kind, name: options.required('name'), ...registrationOf(options) };
      const { client, secret } = await services.clients.register(input, by);
      return { json: { ...clientView(client), secret }, text: [...linesOf(client), ...secretLines(secret)] };
    },
  },
  {
    name: 'client list',
    summary: 'Show the registered clients.',
    options: [
      { name: 'kind', value: 'kind', choices: kinds, summary: 'Only of this kind.' },
      { name: 'status', value: 'status', choices: statuses, summary: 'Only of this status.' },
      { name: 'search', value: 'text', summary: 'The id, or the beginning of the name.' },
      { name: 'limit', value: 'number', summary: `How many, ${DEFAULT_LIMIT} unless told.` },
      { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
    ],
    async run({ services, options }) {
      const filter = {
        kind: kinds.find((kind) => kind === options.text('kind')),
        status: statuses.find((status) => status === options.text('status')),
        search: options.text('search'),
      };
      const limit = options.number('limit') ?? DEFAULT_LIMIT;
      const page = await services.clients.list(filter, { limit, cursor: options.text('cursor') ?? null });
      return {
        json: { items: page.items.map(clientView), nextCursor: page.nextCursor },
        text: {
          columns: ['id', 'name', 'kind', 'status', 'authentication'],
          rows: page.items.map((client) => [
            client.id,
            client.name,
            client.kind,
            client.status,
            client.authMethod,
          ]),
          empty: 'No clients.',
        },
      };
    },
  },
  {
    name: 'client show',
    summary: 'Show one client.',
    arguments: [which],
    async run({ services, args }) {
      const client = await services.clients.find(args.text('id'));
      if (client === undefined) throw failure('client_not_found');
      return shown(client);
    },
  },
  {
    name: 'client change',
    summary: 'Change a client; a list that is given replaces the whole list.',
    arguments: [which],
    options: [
      { name: 'name', value: 'name', summary: 'What people read on the consent page.' },
      { name: 'status', value: 'status', choices: statuses, summary: 'A disabled client gets no tokens.' },
      ...registrationOptions('change'),
    ],
    async run({ services, args, options, by }) {
      const status = statuses.find((name) => name === options.text('status'));
      const own = definedFields({ name: options.text('name'), status });
      return shown(
        await services.clients.change(args.text('id'), { ...own, ...registrationOf(options) }, by),
      );
    },
  },
  {
    name: 'client delete',
    summary: 'Delete a client, with everything granted to it and issued from that.',
    arguments: [which],
    options: [yes],
    async run({ services, args, options, io, by }) {
      const id = args.text('id');
      if (!(await confirmed({ options, io }, `Delete the client ${id} and end what was granted to it?`))) {
        return undefined;
      }
      await services.clients.remove(id, by);
      return { json: { deleted: id }, text: `Deleted ${id}.` };
    },
  },
];

const secrets: Command<Services>[] = [
  {
    name: 'client secrets',
    summary: 'Show the secrets of a client: when they were made and when they end.',
    arguments: [which],
    async run({ services, args }) {
      const list = await services.clients.listSecrets(args.text('id'));
      const date = (at: Date | null) => at?.toISOString() ?? '-';
      return {
        json: list,
        text: {
          columns: ['id', 'created', 'ends', 'retired'],
          rows: list.map((secret) => [
            secret.id,
            date(secret.createdAt),
            date(secret.expiresAt),
            date(secret.retiredAt),
          ]),
          empty: 'No secrets.',
        },
      };
    },
  },
  {
    name: 'client add-secret',
    summary: 'Give a client a new secret beside the ones it has; it is shown once.',
    arguments: [which],
    options: [
      ends,
      {
        name: 'retire-others-at',
        value: 'time',
        summary: 'When the secrets it has now end (ISO 8601): the overlap for rotation.',
      },
    ],
    async run({ services, args, options, by }) {
      const input = {
        expiresAt: options.time('expires') ?? null,
        retireOthersAt: options.time('retire-others-at') ?? null,
      };
      const added = await services.clients.addSecret(args.text('id'), input, by);
      return { json: added, text: [`secret id        ${added.secretId}`, ...secretLines(added.secret)] };
    },
  },
  {
    name: 'client retire-secret',
    summary: 'End one secret of a client at once.',
    arguments: [which, { name: 'secret', summary: 'The id of the secret, as `client secrets` shows it.' }],
    async run({ services, args, by }) {
      const secretId = args.text('secret');
      await services.clients.retireSecret(args.text('id'), secretId, by);
      return { json: { retired: secretId }, text: `Retired ${secretId}.` };
    },
  },
];

export const commands: Command<Services>[] = [...registry, ...secrets];

function shown(client: Client): CommandResult {
  return { json: clientView(client), text: linesOf(client) };
}

function linesOf(client: Client): string[] {
  const flags = [
    client.firstParty && 'first-party',
    client.dpopBound && 'dpop-bound',
    client.requirePar && 'require-par',
    client.pkceExempt && 'pkce-exempt',
    client.mayIntrospectAny && 'may-introspect-any',
  ].filter((flag) => flag !== false);
  return [
    `id               ${client.id}`,
    `name             ${client.name}`,
    `kind             ${client.kind}, ${client.status}`,
    `authentication   ${client.authMethod}`,
    `grants           ${client.grantTypes.join(' ')}`,
    `scopes           ${client.scopes.join(' ') || '-'}`,
    ...client.redirectUris.map((uri) => `redirect URI     ${uri}`),
    ...client.apis.map(
      ({ audience, permissions }) => `API              ${audience}: ${permissions.join(' ')}`,
    ),
    ...(flags.length > 0 ? [`flags            ${flags.join(' ')}`] : []),
  ];
}

function secretLines(secret: string | null): string[] {
  return secret === null ? [] : [`secret           ${secret}`, 'The secret is not shown again.'];
}
