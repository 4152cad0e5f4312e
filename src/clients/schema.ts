// The shapes of a client: what may be registered and changed, what is kept, and what is shown.
import { z } from 'zod';
import type { ClientId, ClientSecretId } from '../lib/ids.ts';
import { instant } from '../lib/instant.ts';
import { type RateLimit, rateLimits } from '../lib/rate-limits.ts';
import { sessionSeconds } from '../lib/session-life.ts';
import { staticClaims } from '../lib/static-claims.ts';
import { type Strength, strengths } from '../lib/strength.ts';
import { originProblem, webAddressProblem } from '../lib/url.ts';

export const grantTypes = [
  'authorization_code',
  'refresh_token',
  'client_credentials',
  'urn:ietf:params:oauth:grant-type:device_code',
] as const;
export type GrantType = (typeof grantTypes)[number];

/** The OpenID scopes that the engine is configured with; permissions of APIs are granted by `apis`, not here. */
export const openidScopes = ['openid', 'profile', 'email', 'address', 'phone', 'offline_access'] as const;
/** What a client may ask for unless it is told: where somebody lives is for those few that need it. */
export const usualScopes = ['openid', 'profile', 'email', 'offline_access'] as const;

export type ClientKind = 'web' | 'spa' | 'native' | 'machine';

export interface Client {
  id: ClientId;
  name: string;
  kind: ClientKind;
  status: 'active' | 'disabled';
  redirectUris: string[];
  postLogoutRedirectUris: string[];
  logoUri: string | null;
  clientUri: string | null;
  policyUri: string | null;
  tosUri: string | null;
  grantTypes: GrantType[];
  authMethod: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';
  jwks: { keys: Record<string, unknown>[] } | null;
  jwksUri: string | null;
  /** The operator's own: consent is not asked. */
  firstParty: boolean;
  scopes: string[];
  /** `*` stands for every permission of that API. */
  apis: { audience: string; permissions: string[] }[];
  subjectType: 'public' | 'pairwise';
  sectorIdentifierUri: string | null;
  backchannelLogoutUri: string | null;
  backchannelLogoutSessionRequired: boolean;
  /** What a browser loads, hidden, when it signs out. */
  frontchannelLogoutUri: string | null;
  frontchannelLogoutSessionRequired: boolean;
  corsOrigins: string[];
  dpopBound: boolean;
  requirePar: boolean;
  pkceExempt: boolean;
  mayIntrospectAny: boolean;
  idTokenAlgorithm: 'RS256' | 'ES256';
  accessTokenLifetimeSeconds: number | null;
  refreshIdleSeconds: number | null;
  refreshAbsoluteSeconds: number | null;
  /** How sure the sign-in to it must be; null: as sure as the account demands anyway. */
  requiredAcr: Strength | null;
  /** A session that was not used for so long needs another sign-in at this client, and at no other; null: no bound of its own. */
  sessionIdleSeconds: number | null;
  /** After so long another sign-in is asked for at this client, and at no other; null: no bound of its own. */
  sessionAbsoluteSeconds: number | null;
  /** `max_age` of requests that name none; null: none. */
  defaultMaxAgeSeconds: number | null;
  /** What every access token of this client says, word for word. */
  claims: Record<string, unknown>;
  /** How often it may have tokens checked; a service account that may more, or less, than others. */
  rateLimits: RateLimit[];
  system: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

export interface ClientSecretView {
  id: ClientSecretId;
  createdAt: Date;
  expiresAt: Date | null;
  retiredAt: Date | null;
}

/** Throws when this client may not be touched by whoever asks. It sees the client as it is under the lock of the change. */
export type ClientGuard = (client: Pick<Client, 'apis'>) => void;

export interface ClientFilter {
  kind?: ClientKind | undefined;
  status?: Client['status'] | undefined;
  /** The whole id, or the beginning of the name in any case. */
  search?: string | undefined;
}

/** RFC 9700 §4.15: an id that could be taken for a person's subject, or for a key's, is refused. */
export const CLIENT_ID = /^(?!(?:acc|key)_)[A-Za-z0-9][A-Za-z0-9._-]{2,127}$/i;

const YEAR_SECONDS = 31_536_000;

function checked(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });
}

const webAddress = checked(webAddressProblem);
// Whether a redirect URI is allowed depends on the kind of client: metadata.ts says. Here only the amount is bounded.
const redirectUris = z.array(z.string()).max(100);
const seconds = z.int().min(30).max(YEAR_SECONDS).nullable();

const fields = {
  // No control, direction or lone surrogate characters: the name is shown on consent pages and in terminals.
  name: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(200, 'must not be longer than 200 characters')
    .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u, 'must not hold control characters'),
  redirectUris,
  postLogoutRedirectUris: redirectUris,
  logoUri: webAddress.nullable(),
  clientUri: webAddress.nullable(),
  policyUri: webAddress.nullable(),
  tosUri: webAddress.nullable(),
  grantTypes: z.array(z.enum(grantTypes)),
  authMethod: z.enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']),
  jwks: z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(20) }).nullable(),
  jwksUri: webAddress.nullable(),
  firstParty: z.boolean(),
  scopes: z.array(z.enum(openidScopes)),
  apis: z
    .array(
      z.strictObject({ audience: z.string().max(2000), permissions: z.array(z.string().max(200)).max(500) }),
    )
    .max(100),
  subjectType: z.enum(['public', 'pairwise']),
  sectorIdentifierUri: webAddress.nullable(),
  backchannelLogoutUri: webAddress.nullable(),
  backchannelLogoutSessionRequired: z.boolean(),
  frontchannelLogoutUri: webAddress
    .nullable()
    .describe('What a browser loads, hidden, when it signs out; of the origin of a redirect URI.'),
  frontchannelLogoutSessionRequired: z
    .boolean()
    .describe('Whether it needs iss and sid in that address; they are always there.'),
  corsOrigins: z.array(checked(originProblem)).max(100),
  dpopBound: z.boolean(),
  requirePar: z.boolean(),
  pkceExempt: z.boolean(),
  mayIntrospectAny: z.boolean(),
  idTokenAlgorithm: z.enum(['RS256', 'ES256']),
  accessTokenLifetimeSeconds: z.int().min(30).max(86_400).nullable(),
  refreshIdleSeconds: seconds,
  refreshAbsoluteSeconds: seconds,
  requiredAcr: z
    .enum(strengths)
    .nullable()
    .describe('How sure a sign-in to it must be at least; null: as sure as the account demands anyway.'),
  sessionIdleSeconds: sessionSeconds.describe(
    'How long a session may have been without use for this client; null: no bound of its own.',
  ),
  sessionAbsoluteSeconds: sessionSeconds.describe(
    'How long after a sign-in this client has another one asked for; null: no bound of its own.',
  ),
  defaultMaxAgeSeconds: z
    .int()
    .min(0)
    .max(YEAR_SECONDS)
    .nullable()
    .describe('max_age of its requests that name none (default_max_age); null: none.'),
  claims: staticClaims.describe('What every access token of this client says, word for word.'),
  rateLimits: rateLimits.describe(
    'How often it gets tokens, in place of the general limit of its address, and its tokens are good for a request.',
  ),
};

/** Every field but name and kind has a default, which may depend on the kind: see withDefaults in metadata.ts. */
export const NewClient = z
  .strictObject(fields)
  .partial()
  .extend({
    id: z.string().optional(),
    name: fields.name,
    kind: z.enum(['web', 'spa', 'native', 'machine']),
  });
export type NewClient = z.input<typeof NewClient>;

/** The id and the kind never change: redirect URIs, secrets and tokens were made for them. */
export const ClientChange = z
  .strictObject(fields)
  .partial()
  .extend({
    status: z.enum(['active', 'disabled']).optional(),
    /** Guards against lost updates when given. */
    version: z.int().optional(),
  });
export type ClientChange = z.input<typeof ClientChange>;

/** A client as it is shown. A record of a client holds no secret: hashes are in a table of their own. */
export const ClientView = z
  .object({
    id: z.string(),
    kind: z.enum(['web', 'spa', 'native', 'machine']),
    status: z.enum(['active', 'disabled']),
    name: z.string(),
    redirectUris: z.array(z.string()),
    postLogoutRedirectUris: z.array(z.string()),
    logoUri: z.string().nullable(),
    clientUri: z.string().nullable(),
    policyUri: z.string().nullable(),
    tosUri: z.string().nullable(),
    grantTypes: z.array(z.enum(grantTypes)),
    authMethod: fields.authMethod,
    jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).nullable(),
    jwksUri: z.string().nullable(),
    firstParty: z.boolean(),
    scopes: z.array(z.string()),
    apis: z.array(z.object({ audience: z.string(), permissions: z.array(z.string()) })),
    subjectType: fields.subjectType,
    sectorIdentifierUri: z.string().nullable(),
    backchannelLogoutUri: z.string().nullable(),
    backchannelLogoutSessionRequired: z.boolean(),
    frontchannelLogoutUri: z.string().nullable(),
    frontchannelLogoutSessionRequired: z.boolean(),
    corsOrigins: z.array(z.string()),
    dpopBound: z.boolean(),
    requirePar: z.boolean(),
    pkceExempt: z.boolean(),
    mayIntrospectAny: z.boolean(),
    idTokenAlgorithm: fields.idTokenAlgorithm,
    accessTokenLifetimeSeconds: z.int().nullable(),
    refreshIdleSeconds: z.int().nullable(),
    refreshAbsoluteSeconds: z.int().nullable(),
    requiredAcr: fields.requiredAcr,
    sessionIdleSeconds: fields.sessionIdleSeconds,
    sessionAbsoluteSeconds: fields.sessionAbsoluteSeconds,
    defaultMaxAgeSeconds: fields.defaultMaxAgeSeconds,
    claims: z.record(z.string(), z.unknown()),
    rateLimits,
    system: z.boolean(),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Client' });

export function clientView(client: Client): z.output<typeof ClientView> {
  return ClientView.parse(client);
}
