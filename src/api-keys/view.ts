// A key as the management API and the command line show it.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';
import { keyStates, ownerKinds, ownerOf, type ShownKey, stateOf } from './schema.ts';

const limitView = z.object({
  permits: z.int(),
  per: z.enum(['second', 'minute', 'hour']),
  burst: z.int().optional(),
});
const listsView = z.record(z.string(), z.array(z.string()));
const texts = z.array(z.string());

/** A key as the management API shows it. */
export const ApiKeyView = z
  .object({
    id: z.string(),
    name: z.string(),
    owner: z.object({ kind: z.enum(ownerKinds), id: z.string() }),
    organizationId: z.string().nullable(),
    parentId: z.string().nullable(),
    rootId: z.string(),
    depth: z.int(),
    permissions: texts,
    apis: texts.nullable(),
    allowedAddresses: texts.nullable(),
    rateLimits: z.array(limitView),
    constraints: listsView,
    claims: z.record(z.string(), z.unknown()),
    notes: z.string().nullable(),
    state: z.enum(keyStates),
    active: z.boolean().describe('Whether it works now: itself, the keys above it and its owner.'),
    inactiveReason: z.string().nullable(),
    effective: z
      .object({
        permissions: texts,
        apis: texts.nullable(),
        constraints: listsView,
        expiresAt: instant.nullable(),
      })
      .describe('What is left of it within its owner and the keys above it.'),
    secrets: z
      .array(z.object({ id: z.string(), createdAt: instant, retiresAt: instant.nullable() }))

      .describe('When its secrets were made and until when they work.'),
    expiresAt: instant.nullable(),
    revokedAt: instant.nullable(),
    revokedReason: z.string().nullable(),
    lastUsedAt: instant.nullable().describe('To the minute.'),
    lastUsedAddress: z.string().nullable(),
    lastUsedUserAgent: z.string().nullable(),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'ApiKey' });

/** What is shown of a key: the owner in one field, and its state at this moment. */
export function apiKeyView(key: ShownKey, now: Date): z.input<typeof ApiKeyView> {
  const { effective } = key;
  return {
    ...key,
    owner: ownerOf(key),
    state: stateOf(key, now),
    permissions: [...key.permissions],
    apis: key.apis && [...key.apis],
    allowedAddresses: key.allowedAddresses && [...key.allowedAddresses],
    rateLimits: key.rateLimits.map(({ permits, per, burst }) => ({ permits, per, ...(burst && { burst }) })),
    constraints: listsOf(key.constraints),
    claims: { ...key.claims },
    secrets: [...key.secrets],
    effective: {
      permissions: [...effective.permissions],
      apis: effective.apis && [...effective.apis],
      constraints: listsOf(effective.constraints),
      expiresAt: effective.expiresAt,
    },
  };
}

function listsOf(constraints: ShownKey['constraints']): Record<string, string[]> {
  return Object.fromEntries(Object.entries(constraints).map(([name, values]) => [name, [...values]]));
}
