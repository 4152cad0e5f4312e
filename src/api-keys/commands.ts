// gatehouse key …: make, list, show, change, rotate, revoke, disable and enable API keys, and rotate their pepper.
import { definedFields } from '../lib/fields.ts';
import type { Clock } from '../platform/clock.ts';
import {
  type Command,
  type CommandResult,
  confirmed,
  type Operator,
  UsageMistake,
  yes,
} from '../platform/command.ts';
import { failure } from '../platform/errors.ts';
import type { ApiKeys, NewApiKey, ShownKey } from './api-keys.ts';
import {
  idGiven,
  idOption,
  type Named,
  ownerOrOnlyAdmin,
  permissionOptions,
  permissionsGiven,
  settings,
  settingsOf,
  which,
} from './command-options.ts';
import { asOperator } from './manage/makers.ts';
import { keyStates, ownerKinds, ownerOf, stateOf } from './schema.ts';
import { apiKeyView } from './view.ts';

type Services = {
  apiKeys: ApiKeys;
  clock: Clock;
} & Named;

const DEFAULT_LIMIT = 50;
const id = { ...which, optional: false };

export const commands: Command<Services>[] = [
  {
    name: 'key create',
    summary: 'Make an API key; it is shown once.',
    options: [
      { name: 'name', value: 'name', required: true, summary: 'What people know it by.' },
      ...permissionOptions,
      { name: 'admin', summary: 'Everything: *:*.' },
      {
        name: 'account',
        value: 'account',
        summary: 'The person whose key it is: id, mail address or user name.',
      },
      { name: 'client', value: 'id', summary: 'The client whose key it is.' },
      {
        name: 'organization',
        value: 'organization',
        summary: 'Whose key it is, or with --account where it acts: id or slug.',
      },
      { name: 'parent', value: 'id', summary: 'The key above it: makes a sub-key.' },
      ...settings,
    ],
    async run({ services, options, by }) {
      const permissions = permissionsGiven(options, options.flag('admin'));
      if (permissions.length === 0)
        throw new UsageMistake('Say what it may do: --permission, --permissions, or --admin for everything.');
      const input: NewApiKey = {
        name: options.required('name'),
        permissions,
        ...(await ownerOrOnlyAdmin(options, services)),
        ...settingsOf(options),
      };
      const { key, secret } = await services.apiKeys.create(input, asOperator(by));
      return withSecret(services, key.id, secret, by);
    },
  },
  {
    name: 'key list',
    summary: 'Show API keys, the newest first.',
    options: [
      { name: 'owner-kind', value: 'kind', choices: ownerKinds, summary: 'Only of this kind of owner.' },
      { name: 'owner', value: 'id', summary: 'Only of this owner; with --owner-kind.' },
      { name: 'parent', value: 'id', summary: 'The keys right below this one.' },
      { name: 'state', value: 'state', choices: keyStates, summary: 'Only in this state.' },
      { name: 'search', value: 'text', summary: 'The id, or the beginning of the name.' },
      { name: 'limit', value: 'number', summary: `How many, ${DEFAULT_LIMIT} unless told.` },
      { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
    ],
    async run({ services, options, by }) {
      const filter = {
        ownerKind: ownerKinds.find((kind) => kind === options.text('owner-kind')),
        ownerId: options.text('owner'),
        parentId: options.text('parent'),
        state: keyStates.find((state) => state === options.text('state')),
        search: options.text('search'),
      };
      const limit = options.number('limit') ?? DEFAULT_LIMIT;
      const request = { limit, cursor: options.text('cursor') ?? null };
      const page = await services.apiKeys.list(filter, request, asOperator(by));
      const now = services.clock.now();
      return {
        json: { items: page.items.map((key) => viewOf(key, now)), nextCursor: page.nextCursor },
        text: {
          columns: ['id', 'name', 'owner', 'state', 'expires', 'last used'],
          rows: page.items.map((key) => [
            key.id,
            key.name,
            ownerOf(key).id,
            key.active ? 'active' : (key.inactiveReason ?? stateOf(key, now)),
            key.expiresAt?.toISOString() ?? 'never',
            key.lastUsedAt?.toISOString() ?? '-',
          ]),
          empty: 'No API keys.',
        },
      };
    },
  },
  {
    name: 'key show',
    summary: 'Show one API key, and what is left of it within its owner and the keys above it.',
    arguments: [id],
    options: [{ name: 'family', summary: 'With all the keys below it.' }],
    async run({ services, args, options, by }) {
      const key = await found(services, args.text('id'), by);
      if (!options.flag('family')) return shown(services, key);
      const now = services.clock.now();
      const family = await services.apiKeys.familyOf(key.id, asOperator(by));
      return {
        json: { items: family.map((one) => viewOf(one, now)) },
        text: family.flatMap((one) => [...linesOf(one, now), '']),
      };
    },
  },
  {
    name: 'key change',
    summary: 'Change an API key; lists that are given replace what is there.',
    arguments: [id],
    options: [
      { name: 'name', value: 'name', summary: 'What people know it by.' },
      ...permissionOptions,
      ...settings,
    ],
    async run({ services, args, options, by }) {
      const permissions = permissionsGiven(options);
      const change = {
        ...definedFields({
          name: options.text('name'),
          permissions: permissions.length > 0 ? permissions : undefined,
        }),
        ...settingsOf(options),
      };
      const { id } = await services.apiKeys.change(args.text('id'), change, asOperator(by));
      return shown(services, await found(services, id, by));
    },
  },
  {
    name: 'key rotate',
    summary: 'Give an API key a new secret, shown once; the old one works on for the overlap.',
    arguments: [which],
    options: [
      idOption,
      { name: 'overlap', value: 'seconds', summary: 'For how long; API_KEY_OVERLAP_SECONDS unless told.' },
      { name: 'now', summary: 'End the old one at once.' },
    ],
    async run({ services, args, options, by }) {
      const overlapSeconds = options.flag('now') ? 0 : options.number('overlap');
      const rotation = definedFields({ overlapSeconds });
      const { key, secret } = await services.apiKeys.rotate(idGiven(args, options), rotation, asOperator(by));
      return withSecret(services, key.id, secret, by);
    },
  },
  {
    name: 'key revoke',
    summary: 'End an API key for good, with the keys below it and all tokens made from them.',
    arguments: [which],
    options: [idOption, { name: 'reason', value: 'text', summary: 'Why; it is kept with the key.' }, yes],
    async run({ services, args, options, io, by }) {
      const key = await found(services, idGiven(args, options), by);
      if (!(await confirmed({ options, io }, `Revoke the key ${key.name} (${key.id})?`))) return undefined;
      await services.apiKeys.revoke(key.id, options.text('reason') ?? null, asOperator(by));
      return { json: { revoked: key.id }, text: `Revoked ${key.id}.` };
    },
  },
  ...(['disable', 'enable'] as const).map(
    (act): Command<Services> => ({
      name: `key ${act}`,
      summary: act === 'disable' ? 'Let an API key work no more until it is enabled.' : 'Let it work again.',
      arguments: [id],
      async run({ services, args, by }) {
        const { id } = await services.apiKeys[act](args.text('id'), asOperator(by));
        return shown(services, await found(services, id, by));
      },
    }),
  ),
  {
    name: 'key pepper list',
    summary: 'Show the versions of the pepper that keys are hashed under, and how many are under each.',
    run: async ({ services }) => peppersShown(await services.apiKeys.listPeppers()),
  },
  {
    name: 'key pepper rotate',
    summary: 'Hash keys under a new pepper from now on; those that there are follow when they are used next.',
    run: async ({ services, by }) => peppersShown(await services.apiKeys.rotatePepper(by)),
  },
];

async function found({ apiKeys }: Services, id: string, by: Operator): Promise<ShownKey> {
  const key = await apiKeys.find(id, asOperator(by));
  if (key === undefined) throw failure('api_key_not_found');
  return key;
}

/** As the management API shows it. */
function viewOf(key: ShownKey, now: Date) {
  const { id, ...view } = apiKeyView(key, now);
  return { id, ...view };
}

function shown({ clock }: Services, key: ShownKey): CommandResult {
  return { json: viewOf(key, clock.now()), text: linesOf(key, clock.now()) };
}

async function withSecret(
  services: Services,
  id: string,
  secret: string,
  by: Operator,
): Promise<CommandResult> {
  const key = await found(services, id, by);
  const now = services.clock.now();
  return {
    json: { ...viewOf(key, now), secret },
    text: [...linesOf(key, now), '', `key          ${secret}`, '', 'It is shown only now.'],
  };
}

function linesOf(key: ShownKey, now: Date): string[] {
  const { kind, id } = ownerOf(key);
  const { permissions, apis } = key.effective;
  const state = stateOf(key, now);
  const why =
    key.inactiveReason === null || key.inactiveReason === state ? '' : `, but ${key.inactiveReason}`;
  return [
    `id           ${key.id}`,
    `name         ${key.name}`,
    `owner        ${kind} ${id}`,
    ...(key.organizationId === null || kind === 'organization' ? [] : [`within       ${key.organizationId}`]),
    ...(key.parentId === null ? [] : [`parent       ${key.parentId}`]),
    `state        ${state}${why}`,
    `permissions  ${key.permissions.join(' ')}`,
    `left of it   ${permissions.join(' ') || '-'}`,
    `apis         ${apis?.join(' ') ?? "all of its owner's"}`,
    `addresses    ${key.allowedAddresses?.join(' ') ?? 'anywhere'}`,
    ...key.rateLimits.map(
      ({ permits, per, burst }) => `limit        ${permits}/${per}, ${burst ?? permits} at once`,
    ),
    ...Object.entries(key.constraints).map(([name, values]) => `constraint   ${name}: ${values.join(', ')}`),
    `expires      ${key.expiresAt?.toISOString() ?? 'never'}`,
    ...(key.revokedAt === null
      ? []
      : [`revoked      ${key.revokedAt.toISOString()}  ${key.revokedReason ?? ''}`]),
    `last used    ${key.lastUsedAt?.toISOString() ?? 'never'}  ${key.lastUsedAddress ?? ''}`,
    ...key.secrets.map(
      ({ id: secretId, retiresAt }) =>
        `secret       ${secretId}${retiresAt === null ? '' : `, until ${retiresAt.toISOString()}`}`,
    ),
    ...(key.notes === null ? [] : [`notes        ${key.notes}`]),
  ].map((line) => line.trimEnd());
}

function peppersShown(peppers: Awaited<ReturnType<ApiKeys['listPeppers']>>): CommandResult {
  return {
    json: { items: peppers },
    text: {
      columns: ['version', 'keys are made under', 'secrets'],
      rows: peppers.map(({ version, newest, secrets }) => [version, newest ? 'yes' : 'no', secrets]),
      empty: 'There is no pepper.',
    },
  };
}
