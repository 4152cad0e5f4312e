// The shapes of verify: what a gateway or service asks about a credential, and what it is told.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';
import { normalizeAddress } from '../lib/ip.ts';
import { parsePermission } from '../lib/permission.ts';

/** Longer than anything that is issued. */
const LONGEST_CREDENTIAL = 16_384;
const LONGEST_RESERVATION_SECONDS = 86_400;
export const RESERVATION_SECONDS = 300;

const permission = z
  .string()
  .refine(
    (text) => parsePermission(text) !== undefined,
    'has the form resource:action or resource:action:selector',
  );
const address = z
  .string()
  .max(64)
  .refine((text) => normalizeAddress(text) !== undefined, 'must be an IPv4 or IPv6 address');

export const VerifyBody = z
  .object({
    credential: z
      .string()
      .min(1)
      .max(LONGEST_CREDENTIAL)
      .describe('An API key, or an access token: a JWT or an opaque one.'),
    permissions: z
      .array(permission)
      .max(50)
      .default([])
      .describe(
        'What the request needs: all of it must be held. Without any it is only asked whether the credential is good.',
      ),
    api: z
      .string()
      .min(1)
      .max(2000)
      .optional()
      .describe(
        'The audience of the API that asks. Name it: without it tokens for other APIs are good as well.',
      ),
    request: z
      .strictObject({
        address: address
          .optional()
          .describe('Where it came from; keys with an address list are refused without it.'),
        method: z.string().max(32).optional(),
        path: z.string().max(8192).optional().describe('With its query, so that keys in it are found.'),
        userAgent: z.string().max(2000).optional(),
      })
      .default({}),
    constraints: z
      .record(z.string().max(64), z.string().max(200))
      .default({})
      .describe('What the request is for, as the constraints of keys name it: {"model": "small"}.'),
    meters: z
      .record(z.string().max(64), z.unknown())
      .default({})
      .describe('Meter → what will be used at most: reserved under every budget, to be settled afterwards.'),
    reservationSeconds: z
      .int()
      .min(1)
      .max(LONGEST_RESERVATION_SECONDS)
      .default(RESERVATION_SECONDS)
      .describe('What is not settled by then is given back.'),
    checksProof: z
      .boolean()
      .default(false)
      .describe(
        'Whoever asks checks the DPoP proofs of tokens that are bound to a key itself, against `boundTo`.',
      ),
  })
  .meta({ id: 'VerifyQuestion' });
export type VerifyBody = z.output<typeof VerifyBody>;

const limitView = z.object({
  limit: z.int(),
  window: z.enum(['second', 'minute', 'hour']),
  remaining: z.int(),
  resetSeconds: z.int().describe('When one more may come.'),
});
const budgetView = z.object({
  budgetId: z.string(),
  meter: z.string(),
  window: z.string(),
  usage: z.int(),
  reserved: z.int(),
  limit: z.int().nullable(),
  remaining: z.int().nullable(),
  resetAt: instant.nullable(),
});

const counted = {
  limits: z.array(limitView).describe('Of the key, and then of the keys above it.'),
  budgets: z.array(budgetView),
};

const ActiveView = z.object({
  active: z.literal(true),
  code: z.literal('ok'),
  kind: z.enum(['key', 'token']),
  subject: z.string(),
  clientId: z.string(),
  keyId: z.string().nullable().describe('The key itself, or the one that the token was made with.'),
  accountId: z.string().nullable(),
  organizationId: z.string().nullable(),
  owner: z.object({ kind: z.enum(['account', 'organization', 'client']), id: z.string() }).nullable(),
  apis: z.array(z.string()).readonly().nullable().describe('The audiences that it is good for; null: all.'),
  scope: z.string().describe('All that it holds, at the API where one was named.'),
  roles: z.array(z.string()).readonly(),
  claims: z.record(z.string(), z.unknown()),
  boundTo: z.string().nullable().describe('Thumbprint of the key whose proofs must come with it (RFC 9449).'),
  expiresAt: instant.nullable(),
  reservationId: z
    .string()
    .nullable()
    .describe('To be settled or released; null when no budget is concerned.'),
  ...counted,
});

const InactiveView = z.object({
  active: z.literal(false),
  code: z.string().describe('See docs/gateways.md.'),
  reason: z.string(),
  status: z.int().describe('What the request that is asked about should be answered with.'),
  subject: z.string().nullable().describe('Whose it is; null when that is not known.'),
  keyId: z.string().nullable(),
  permission: z.string().optional().describe('The first that is missing.'),
  constraint: z.string().optional().describe('The first that is violated.'),
  retryAfterSeconds: z.int().optional(),
  ...counted,
});

export const VerifyView = z.union([ActiveView, InactiveView]).meta({ id: 'VerifyAnswer' });
export type VerifyView = z.input<typeof VerifyView>;
