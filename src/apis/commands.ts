// gatehouse api …: register, list, show, change and delete APIs.
import { definedFields } from '../lib/fields.ts';
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
import type { Api, Apis } from './apis.ts';
import { tokenClaims } from './schema.ts';

type Services = { apis: Apis };

const DEFAULT_LIMIT = 50;
const formats = ['jwt', 'opaque'] as const;
const signingAlgorithms = ['ES256', 'RS256'] as const;
const which = { name: 'api', summary: 'The id or the audience of the API.' };

const settings: CommandOption[] = [
  {
    name: 'permission',
    value: 'name=sentence',
    repeat: true,
    summary:
      "A permission and its sentence for the consent page: 'orders:read=See your orders.' With 'everyone:' before the name every account holds it; otherwise a role gives it.",
  },
  { name: 'token-format', value: 'format', choices: formats, summary: 'How its access tokens look.' },
  { name: 'token-lifetime', value: 'seconds', summary: 'How long its access tokens live; 600 unless told.' },
  { name: 'algorithm', value: 'name', choices: signingAlgorithms, summary: 'What signs its JWTs.' },
  {
    name: 'token-claim',
    value: 'name',
    repeat: true,
    choices: [...tokenClaims, 'none'],
    summary: 'What its tokens say beside their scope.',
  },
  { name: 'claims', value: 'json', summary: 'An object of claims that every token of it says.' },
  { name: 'owner', value: 'client-id', summary: "The client that may introspect its tokens; '' for none." },
];

export const commands: Command<Services>[] = [
  {
    name: 'api create',
    summary: 'Register an API.',
    options: [
      { name: 'audience', value: 'uri', required: true, summary: 'What tokens name as their audience.' },
      { name: 'name', value: 'name', required: true, summary: 'What people read on the consent page.' },
      ...settings,
    ],
    async run({ services, options, by }) {
      const audience = options.required('audience');
      const name = options.required('name');
      return shown(await services.apis.create({ audience, name, ...settingsOf(options) }, by));
    },
  },
  {
    name: 'api list',
    summary: 'Show the registered APIs.',
    options: [
      { name: 'limit', value: 'number', summary: `How many, ${DEFAULT_LIMIT} unless told.` },
      { name: 'cursor', value: 'cursor', summary: 'Go on where the last page ended.' },
    ],
    async run({ services, options }) {
      const limit = options.number('limit') ?? DEFAULT_LIMIT;
      const page = await services.apis.list({ limit, cursor: options.text('cursor') ?? null });
      return {
        json: page,
        text: {
          columns: ['id', 'audience', 'name', 'format', 'permissions'],
          rows: page.items.map((api) => [
            api.id,
            api.audience,
            api.name,
            api.tokenFormat,
            api.permissions.length,
          ]),
          empty: 'No APIs.',
        },
      };
    },
  },
  {
    name: 'api show',
    summary: 'Show one API with its permissions.',
    arguments: [which],
    run: async ({ services, args }) => shown(await found(services.apis, args.text('api'))),
  },
  {
    name: 'api change',
    summary: 'Change an API; permissions that are given replace all of them.',
    arguments: [which],
    options: [{ name: 'name', value: 'name', summary: 'What people read on the consent page.' }, ...settings],
    async run({ services, args, options, by }) {
      const api = await found(services.apis, args.text('api'));
      const change = { ...definedFields({ name: options.text('name') }), ...settingsOf(options) };
      return shown(await services.apis.change(api.id, change, by));
    },
  },
  {
    name: 'api delete',
    summary: 'Delete an API that no client refers to.',
    arguments: [which],
    options: [yes],
    async run({ services, args, options, io, by }) {
      const api = await found(services.apis, args.text('api'));
      if (!(await confirmed({ options, io }, `Delete the API ${api.audience}?`))) return undefined;
      await services.apis.remove(api.id, by);
      return { json: { deleted: api.id }, text: `Deleted ${api.audience}.` };
    },
  },
];

function settingsOf(options: Options) {
  const owner = options.text('owner');
  const permissions = options.list('permission').map(permissionOf);
  const claims = options.list('token-claim');
  return definedFields({
    permissions: permissions.length > 0 ? permissions : undefined,
    tokenFormat: formats.find((format) => format === options.text('token-format')),
    tokenLifetimeSeconds: options.number('token-lifetime'),
    signingAlgorithm: signingAlgorithms.find((algorithm) => algorithm === options.text('algorithm')),
    ownerClientId: owner === '' ? null : owner,
    tokenClaims: claims.length > 0 ? tokenClaims.filter((name) => claims.includes(name)) : undefined,
    claims: options.object('claims'),
  });
}

const EVERYONE = 'everyone:';

function permissionOf(text: string): { name: string; sentence: string; everyone: boolean } {
  const everyone = text.startsWith(EVERYONE);
  const rest = everyone ? text.slice(EVERYONE.length) : text;
  const at = rest.indexOf('=');
  if (at < 1)
    throw new UsageMistake(`--permission takes a name and a sentence: 'orders:read=See your orders.'`);
  return { name: rest.slice(0, at), sentence: rest.slice(at + 1), everyone };
}

async function found(apis: Apis, idOrAudience: string): Promise<Api> {
  const api = (await apis.find(idOrAudience)) ?? (await apis.findByAudience(idOrAudience));
  if (api === undefined) throw failure('api_not_found');
  return api;
}

function shown(api: Api): CommandResult {
  return {
    json: api,
    text: [
      `id           ${api.id}`,
      `audience     ${api.audience}`,
      `name         ${api.name}`,
      `tokens       ${api.tokenFormat}, ${api.signingAlgorithm}, ${api.tokenLifetimeSeconds} s`,
      `owner        ${api.ownerClientId ?? '-'}`,
      `tokens say   ${['scope', ...api.tokenClaims].join(', ')}`,
      `claims       ${JSON.stringify(api.claims)}`,
      ...api.permissions.map(
        ({ name, sentence, everyone }) => `permission   ${name}${everyone ? ' (everyone)' : ''}  ${sentence}`,
      ),
    ],
  };
}
