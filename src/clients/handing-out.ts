// Nobody hands out more than they have: who may do something at the management API by way of a client may do it themselves.
import { failure } from '../platform/errors.ts';
import { permissions } from '../vocabulary/permissions.ts';
import type { Client } from './schema.ts';

/**
 * Throws permission_denied when a client may do what the caller may not: registering one, changing it or giving it a secret
 * would otherwise be a way to every permission (OWASP ASVS 8.2.3).
 */
export function refuseHandingOut(
  held: readonly string[],
  apis: Client['apis'],
  managementAudience: string,
): void {
  const wanted = apis
    .filter(({ audience }) => audience === managementAudience)
    .flatMap((entry) => (entry.permissions.includes('*') ? Object.keys(permissions) : entry.permissions));
  const missing = wanted.find((name) => !held.includes(name));
  if (missing !== undefined) throw failure('permission_denied', { permission: missing });
}
