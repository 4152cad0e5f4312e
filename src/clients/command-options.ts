// The options of `client create` and `client change`, and how they become a registration.
import { definedFields } from '../lib/fields.ts';
import { parseRateLimit, type RateLimit } from '../lib/rate-limits.ts';
import {
  type CommandOption,
  type Options,
  signInRules,
  signInRulesIn,
  UsageMistake,
} from '../platform/command.ts';
import { grantTypes, openidScopes } from './schema.ts';

const yesNo = ['yes', 'no'] as const;
const authMethods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
const subjectTypes = ['public', 'pairwise'] as const;
const idTokenAlgorithms = ['RS256', 'ES256'] as const;

const texts = {
  'logo-uri': 'Its logo on the hosted pages.',
  'client-uri': 'Its home page.',
  'policy-uri': 'Its privacy policy.',
  'tos-uri': 'Its terms of service.',
  'jwks-uri': 'Where its public keys are.',
  'sector-identifier-uri': 'What its pairwise subjects are derived from.',
  'backchannel-logout-uri': 'Where it is told that a session ended.',
  'frontchannel-logout-uri': 'What a browser loads, hidden, when it signs out.',
} as const;

const flags = {
  'first-party': "The operator's own: consent is not asked.",
  'dpop-bound': 'Only tokens bound to a key (DPoP).',
  'require-par': 'Only pushed authorization requests.',
  'pkce-exempt': 'Need not use PKCE; only for confidential clients that send a nonce.',
  'may-introspect-any': 'May introspect the tokens of every API.',
  'backchannel-logout-session': 'Logout tokens name the session.',
  'frontchannel-logout-session': 'It needs iss and sid in that address.',
} as const;

const numbers = {
  'access-token-lifetime': 'Life of its access tokens in seconds; otherwise that of the API.',
  'refresh-idle': 'Seconds without use after which its refresh tokens end.',
  'refresh-absolute': 'Seconds after which its refresh tokens end in any case.',
} as const;

const rest: CommandOption[] = [
  {
    name: 'redirect-uri',
    value: 'uri',
    repeat: true,
    summary: 'Where people come back to after signing in.',
  },
  {
    name: 'post-logout-redirect-uri',
    value: 'uri',
    repeat: true,
    summary: 'Where they come back to after signing out.',
  },
  { name: 'grant-type', value: 'type', repeat: true, choices: grantTypes, summary: 'A way to get tokens.' },
  {
    name: 'scope',
    value: 'scope',
    repeat: true,
    choices: openidScopes,
    summary: 'An OpenID scope it may ask for.',
  },
  {
    name: 'api',
    value: 'audience[=permission,…]',
    repeat: true,
    summary: 'An API and the permissions it may ask for; all unless named.',
  },
  {
    name: 'cors-origin',
    value: 'origin',
    repeat: true,
    summary: 'A web page that may call the protocol endpoints.',
  },
  { name: 'auth-method', value: 'method', choices: authMethods, summary: 'How it proves who it is.' },
  { name: 'jwks', value: 'json', summary: 'Its public keys, as a JSON Web Key Set.' },
  {
    name: 'limit',
    value: 'rate',
    repeat: true,
    summary:
      "How often it gets tokens and its tokens are good: 100/second, 600/minute+50; '' for no limit of its own.",
  },
  { name: 'claims', value: 'json', summary: 'An object of claims that every access token of it says.' },
  {
    name: 'subject-type',
    value: 'type',
    choices: subjectTypes,
    summary: 'Whether it sees the same subject as others.',
  },
  {
    name: 'id-token-algorithm',
    value: 'name',
    choices: idTokenAlgorithms,
    summary: 'What signs its ID tokens.',
  },
  {
    name: 'default-max-age',
    value: 'seconds',
    summary: "How recent a sign-in its requests ask for that do not say; '' for no matter.",
  },
  ...signInRules,
];

/** In `create` a flag is given or not; in `change` it is set to yes or no, and an empty value clears a text or list. */
export function registrationOptions(command: 'create' | 'change'): CommandOption[] {
  const empty = command === 'change' ? " '' clears it." : '';
  return [
    ...rest,
    ...Object.entries(texts).map(([name, summary]) => ({ name, value: 'uri', summary: summary + empty })),
    ...Object.entries(flags).map(([name, summary]) =>
      command === 'create' ? { name, summary } : { name, value: 'yes|no', choices: yesNo, summary },
    ),
    ...Object.entries(numbers).map(([name, summary]) => ({ name, value: 'seconds', summary })),
  ];
}

export function registrationOf(options: Options) {
  const text = (name: keyof typeof texts) => cleared(options.text(name));
  const flag = (name: keyof typeof flags) => switched(options, name);
  const number = (name: keyof typeof numbers) => options.number(name);
  const chosen = <T extends string>(name: string, choices: readonly T[]) =>
    choices.find((choice) => choice === options.text(name));
  const among = <T extends string>(name: string, choices: readonly T[]) =>
    list(options, name)?.flatMap((value) => choices.find((choice) => choice === value) ?? []);
  return definedFields({
    redirectUris: list(options, 'redirect-uri'),
    postLogoutRedirectUris: list(options, 'post-logout-redirect-uri'),
    grantTypes: among('grant-type', grantTypes),
    scopes: among('scope', openidScopes),
    apis: list(options, 'api')?.map(entitlementOf),
    corsOrigins: list(options, 'cors-origin'),
    authMethod: chosen('auth-method', authMethods),
    jwks: keySetOf(options.text('jwks')),
    jwksUri: text('jwks-uri'),
    subjectType: chosen('subject-type', subjectTypes),
    sectorIdentifierUri: text('sector-identifier-uri'),
    idTokenAlgorithm: chosen('id-token-algorithm', idTokenAlgorithms),
    logoUri: text('logo-uri'),
    clientUri: text('client-uri'),
    policyUri: text('policy-uri'),
    tosUri: text('tos-uri'),
    backchannelLogoutUri: text('backchannel-logout-uri'),
    backchannelLogoutSessionRequired: flag('backchannel-logout-session'),
    frontchannelLogoutUri: text('frontchannel-logout-uri'),
    frontchannelLogoutSessionRequired: flag('frontchannel-logout-session'),
    firstParty: flag('first-party'),
    dpopBound: flag('dpop-bound'),
    requirePar: flag('require-par'),
    pkceExempt: flag('pkce-exempt'),
    mayIntrospectAny: flag('may-introspect-any'),
    accessTokenLifetimeSeconds: number('access-token-lifetime'),
    refreshIdleSeconds: number('refresh-idle'),
    refreshAbsoluteSeconds: number('refresh-absolute'),
    defaultMaxAgeSeconds: maxAgeOf(options.text('default-max-age')),
    ...signInRulesIn(options),
    claims: options.object('claims'),
    rateLimits: list(options, 'limit')?.map(rateOf),
  });
}

function list(options: Options, name: string): string[] | undefined {
  const values = options.list(name);
  if (values.length === 0) return undefined;
  return values.filter((value) => value !== '');
}

function cleared(value: string | undefined): string | null | undefined {
  return value === '' ? null : value;
}

function switched(options: Options, name: string): boolean | undefined {
  const value = options.text(name);
  if (value !== undefined) return value === 'yes';
  return options.flag(name) ? true : undefined;
}

function rateOf(text: string): RateLimit {
  const rate = parseRateLimit(text);
  if (rate === undefined)
    throw new UsageMistake('--limit takes a rate: 100/second, 600/minute or 5000/hour+50.');
  return rate;
}

/** 0 is an age as well: each request asks for a sign-in. */
function maxAgeOf(text: string | undefined): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === '') return null;
  if (!/^\d{1,9}$/.test(text)) throw new UsageMistake('--default-max-age takes a number of seconds.');
  return Number(text);
}

/** An audience may hold an equals sign in its query; the last one separates. */
function entitlementOf(text: string): { audience: string; permissions: string[] } {
  const at = text.lastIndexOf('=');
  if (at === -1) return { audience: text, permissions: ['*'] };
  return { audience: text.slice(0, at), permissions: text.slice(at + 1).split(',') };
}

function keySetOf(text: string | undefined): { keys: Record<string, unknown>[] } | null | undefined {
  if (text === undefined) return undefined;
  if (text === '') return null;
  try {
    // The registration checks the shape, and every key in it.
    return JSON.parse(text) as { keys: Record<string, unknown>[] };
  } catch {
    throw new UsageMistake('--jwks is not JSON.');
  }
}
