// /api/v1/signing-keys: what signs now, what is next, what is kept for verifiers; rotation and withdrawal.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';
import { pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import { algorithms } from './rotation.ts';
import type { SigningKeys } from './signing-keys.ts';

const KeyView = z
  .object({
    kid: z.string(),
    algorithm: z.enum(algorithms),
    state: z.enum(['next', 'current', 'retired']),
    createdAt: instant,
    activatedAt: instant.nullable(),
    retiredAt: instant.nullable(),
    removeAfter: instant.nullable(),
  })
  .meta({ id: 'SigningKey' });

const Rotation = z
  .strictObject({
    algorithm: z.enum(algorithms).optional().describe('Only this one; all unless told.'),
    force: z.boolean().default(false).describe('Even if verifiers may not know the next key yet.'),
  })
  .optional();

const Withdrawal = z
  .strictObject({
    rotate: z.boolean().default(false).describe('If it is the key that signs, let the next one sign first.'),
  })
  .optional();

export function signingKeyRoutes({ signingKeys }: { signingKeys: SigningKeys }): Route[] {
  // There are a handful of keys, so one page holds them all.
  const all = async () => ({ items: await signingKeys.list(), nextCursor: null });
  return [
    route({
      operation: 'listSigningKeys',
      method: 'GET',
      path: '/signing-keys',
      permission: 'signing-keys:read',
      limit: 'admin-read',
      summary: 'The signing keys, without their private parts: current, next, retired.',
      reply: { 200: pageReply(KeyView) },
      run: all,
    }),
    route({
      operation: 'rotateSigningKeys',
      method: 'POST',
      path: '/signing-keys/rotate',
      permission: 'signing-keys:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Let the next key sign and publish a new next one.',
      body: Rotation,
      reply: { 200: pageReply(KeyView) },
      errors: ['signing_key_too_young'],
      async run({ body: { algorithm, force = false } = {}, caller }) {
        await signingKeys.rotate(algorithm === undefined ? { force } : { algorithm, force }, caller);
        return all();
      },
    }),
    route({
      operation: 'withdrawSigningKey',
      method: 'POST',
      path: '/signing-keys/:kid/withdraw',
      permission: 'signing-keys:delete',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary:
        'Take a key that leaked out of the published set, at once; no token that it signed is good any more.',
      params: z.object({ kid: z.string() }),
      body: Withdrawal,
      reply: { 200: pageReply(KeyView) },
      errors: ['signing_key_not_found', 'signing_key_in_use'],
      async run({ params, body, caller }) {
        await signingKeys.withdraw({ kid: params.kid, rotate: body?.rotate ?? false }, caller);
        return all();
      },
    }),
  ];
}
