// What the routes about keys take and answer beyond the shapes that the command line has, too.
import { z } from 'zod';
import { failure } from '../platform/errors.ts';
import { NewApiKey } from './schema.ts';
import { ApiKeyView } from './view.ts';

/** The names that other products have for two of the fields. */
export const NewKeyBody = NewApiKey.extend({
  permissions: NewApiKey.shape.permissions.optional(),
  scopes: NewApiKey.shape.permissions.optional().describe('The same as permissions.'),
  expires_at: NewApiKey.shape.expiresAt.describe('The same as expiresAt.'),
});

export const Revocation = z.strictObject({ reason: z.string().trim().min(1).max(512).optional() }).optional();

export const IssuedView = ApiKeyView.extend({
  secret: z
    .string()
    .describe('The key itself: the one string that is presented. In this answer and nowhere else.'),
}).meta({ id: 'IssuedApiKey' });

/** Either name of a field, but not both with different values. */
export function namedAsOurs({ scopes, expires_at: ends, ...body }: z.output<typeof NewKeyBody>): NewApiKey {
  const permissions = either('permissions', body.permissions, scopes);
  if (permissions === undefined)
    throw failure('api_key_invalid', { fields: { permissions: 'name what it may do' } });
  const expiresAt = either('expiresAt', body.expiresAt, ends);
  return { ...body, permissions, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

function either<T>(name: string, one: T, other: T): T {
  if (one !== undefined && other !== undefined && JSON.stringify(one) !== JSON.stringify(other)) {
    throw failure('api_key_invalid', { fields: { [name]: 'is given twice, under two names' } });
  }
  return one ?? other;
}
