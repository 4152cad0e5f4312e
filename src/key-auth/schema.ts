// The shapes of /api/auth: names with underscores, and permissions as one text with blanks between them.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';

const permissions = z.string().trim().max(20_000).describe('With blanks between them: `api:read api:write`.');

export const TokenWish = z.strictObject({
  audience: z.string().min(1).max(2000).optional().describe('For which API; the only one, unless told.'),
  scope: z
    .string()
    .min(1)
    .max(20_000)
    .optional()
    .describe('For which permissions; all of the key, unless told.'),
});
export type TokenWish = z.output<typeof TokenWish>;

export interface TokenAnswer {
  readonly token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly permissions: string;
}

export const NewKeyWish = z.strictObject({
  name: z.string(),
  permissions: permissions.optional(),
  admin: z.boolean().optional().describe('Every permission: `*:*`.'),
  expires_at: z.iso.datetime({ offset: true }).pipe(z.coerce.date()).nullable().optional(),
});

export const RevocationWish = z
  .strictObject({ reason: z.string().trim().min(1).max(512).optional() })
  .optional();

export const RotationWish = z
  .strictObject({
    overlap_seconds: z
      .int()
      .min(0)
      .optional()
      .describe('For how long the old key works on; not at all, unless told.'),
  })
  .optional();

export const KeyAnswer = z.object({
  key_id: z.string(),
  name: z.string(),
  permissions: z.string(),
  admin: z.boolean(),
  active: z.boolean(),
  created_at: instant,
  expires_at: instant.nullable(),
  last_used_at: instant.nullable(),
  revoked_at: instant.nullable(),
  revoked_reason: z.string().nullable(),
});

export const NewKeyAnswer = KeyAnswer.extend({
  api_key: z.string().describe('The key itself, in this answer and nowhere else.'),
});

export const KeysAnswer = z.object({ keys: z.array(KeyAnswer), next_cursor: z.string().nullable() });

export const Profile = z.object({
  key_id: z.string().nullable().describe('null: it is no key that asks.'),
  client_id: z.string(),
  name: z.string().nullable(),
  permissions: z.string().describe('All that it may do now, at every API.'),
  admin: z.boolean(),
  account_id: z.string().nullable(),
  organization_id: z.string().nullable(),
  expires_at: instant.nullable(),
});
