// What is told of a key in the wrong hands: what it did, what was ended, and what to rotate next.
import { z } from 'zod';
import { AuditEventView } from '../audit/schema.ts';
import { instant } from '../lib/instant.ts';
import { usageKinds } from '../usage/schema.ts';

export const CompromiseWish = z
  .strictObject({
    reason: z.string().trim().min(1).max(512).optional().describe('Why; it is kept with each key that ends.'),
    rotate: z
      .boolean()
      .optional()
      .describe(
        "Also gives the owner's other keys and all keys that may do everything a new secret at once.",
      ),
  })
  .optional();

const seen = z.object({ value: z.string(), count: z.int(), firstAt: instant, lastAt: instant });

export const Activity = z.object({
  firstAt: instant.nullable(),
  lastAt: instant.nullable(),
  events: z.int().describe('How many events of the ledger were looked at, the newest.'),
  truncated: z.boolean().describe('There are older ones.'),
  tokensIssued: z.int(),
  addresses: z.array(seen),
  userAgents: z.array(seen),
  changes: z.array(AuditEventView).describe('What it changed, the newest first.'),
  perHour: z
    .array(z.object({ hour: instant, kind: z.enum(usageKinds), requests: z.number() }))
    .describe('The newest first.'),
});
export type Activity = z.input<typeof Activity>;

export const nextReasons = ['same_owner', 'made_by_it', 'above_it', 'may_do_everything'] as const;

export const Next = z.object({ keyId: z.string(), name: z.string(), why: z.array(z.enum(nextReasons)) });
export type Next = z.input<typeof Next>;

export const CompromiseReport = z
  .object({
    keyId: z.string(),
    name: z.string(),
    compromisedAt: instant.describe('When this was said of it first.'),
    revoked: z.array(z.string()).describe('The keys that ended just now: it and those below it.'),
    endedBefore: z.array(z.string()),
    activity: Activity.nullable().describe('null: who asks may not read the ledger.'),
    next: z.array(Next).describe('What to rotate next.'),
    rotated: z.array(
      z.object({
        keyId: z.string(),
        name: z.string(),
        secret: z
          .string()
          .nullable()
          .describe('Null: it was rotated since, or could not be; error says which.'),
        error: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'CompromiseReport' });
export type CompromiseReport = z.input<typeof CompromiseReport>;
