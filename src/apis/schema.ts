// The shapes of an API: what may be registered and changed, what is kept, and what is shown.
import { z } from 'zod';
import type { ApiId, ClientId } from '../lib/ids.ts';
import { instant } from '../lib/instant.ts';
import { parsePermission } from '../lib/permission.ts';
import { staticClaims } from '../lib/static-claims.ts';
import { audienceProblem } from '../lib/url.ts';
import { takesRole } from './everyone.ts';

export interface ApiPermission {
  name: string;
  /** Shown on the consent page. */
  sentence: string;
  /** Every account holds it, without a role. */
  everyone: boolean;
}

/** What tokens of an API may say beside `scope`. */
export const tokenClaims = ['permissions', 'roles', 'org_id'] as const;
export type TokenClaim = (typeof tokenClaims)[number];

export interface Api {
  id: ApiId;
  audience: string;
  name: string;
  permissions: ApiPermission[];
  tokenFormat: 'jwt' | 'opaque';
  tokenLifetimeSeconds: number;
  signingAlgorithm: 'ES256' | 'RS256';
  /** The client that may introspect every token of this API. */
  ownerClientId: ClientId | null;
  tokenClaims: TokenClaim[];
  /** What every token of this API says, word for word. */
  claims: Record<string, unknown>;
  system: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

const DAY_SECONDS = 86_400;

// No control, direction or lone surrogate characters: these texts are shown on consent pages and in terminals.
const plainText = (maximum: number) =>
  z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(maximum, `must not be longer than ${maximum} characters`)
    .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]*$/u, 'must not hold control characters');

const permission = z
  .object({
    name: z
      .string()
      .refine(
        (name) => parsePermission(name) !== undefined,
        'has the form resource:action or resource:action:selector',
      ),
    sentence: plainText(300),
    everyone: z.boolean().default(false).describe('Every account holds it, without a role.'),
  })
  .refine(({ name, everyone }) => !everyone || !takesRole(name), {
    path: ['everyone'],
    message:
      'is not for a permission that the management API has, too: choose another name, or give it by a role',
  });

const permissions = z
  .array(permission)
  .max(500, 'must not be more than 500')
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'must not name one twice');

const fields = {
  name: plainText(200),
  permissions,
  tokenFormat: z.enum(['jwt', 'opaque']),
  tokenLifetimeSeconds: z.int().min(30).max(DAY_SECONDS),
  signingAlgorithm: z.enum(['ES256', 'RS256']),
  ownerClientId: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{2,127}$/, 'must be a client id')
    .transform((id) => id as ClientId)
    .nullable(),
  tokenClaims: z
    .array(z.enum(tokenClaims))
    .transform((names) => [...new Set(names)].sort())
    .describe('What its tokens say beside their scope.'),
  claims: staticClaims.describe('What every token of this API says, word for word.'),
};

export const NewApi = z.strictObject({
  audience: z.string().superRefine((audience, context) => {
    const problem = audienceProblem(audience);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  }),
  name: fields.name,
  permissions: permissions.default([]),
  tokenFormat: fields.tokenFormat.default('jwt'),
  tokenLifetimeSeconds: fields.tokenLifetimeSeconds.default(600),
  signingAlgorithm: fields.signingAlgorithm.default('ES256'),
  ownerClientId: fields.ownerClientId.default(null),
  tokenClaims: fields.tokenClaims.default([]),
  claims: fields.claims.default({}),
});
export type NewApi = z.input<typeof NewApi>;

/** The audience never changes: tokens, clients and resource servers refer to the API by it. */
export const ApiChange = z.strictObject(fields).partial().extend({
  /** Guards against lost updates when given. */
  version: z.int().optional(),
});
export type ApiChange = z.input<typeof ApiChange>;

/** An API as the management API shows it. */
export const ApiView = z
  .object({
    id: z.string(),
    audience: z.string(),
    name: z.string(),
    permissions: z.array(z.object({ name: z.string(), sentence: z.string(), everyone: z.boolean() })),
    tokenFormat: fields.tokenFormat,
    tokenLifetimeSeconds: z.int(),
    signingAlgorithm: fields.signingAlgorithm,
    ownerClientId: z.string().nullable(),
    tokenClaims: z.array(z.enum(tokenClaims)),
    claims: z.record(z.string(), z.unknown()),
    system: z.boolean(),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'Api' });
