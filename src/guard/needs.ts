// Whether somebody who was found out may do what is asked: pure, the same for tokens and keys.
import { compilePermissions } from '../lib/permission.ts';
import type { Why } from './refusals.ts';
import type { Identity, Needs } from './schema.ts';

/** All that one list of needs says; lists of permissions grow, the others replace each other. */
export function together(needs: readonly Needs[]): Needs {
  const permissions = needs.flatMap((one) => one.permissions ?? []);
  return { ...Object.assign({}, ...needs), ...(permissions.length > 0 ? { permissions } : {}) };
}

export function requirePermission(...permissions: string[]): Needs {
  return { permissions };
}

/** Any one of them. */
export function requireRole(...roles: string[]): Needs {
  return { roles };
}

/** A sign-in of this strength, and no older than so many seconds (RFC 9470). */
export function requireAuthentication(how: Pick<Needs, 'acrValues' | 'maxAgeSeconds'>): Needs {
  return how;
}

/** Undefined when everything holds. */
export function unmet(identity: Identity, needs: Needs, nowSeconds: number): Why | undefined {
  const missing = missingPermission(identity, needs);
  if (missing !== undefined) {
    const detail = `This needs the permission ${missing}.`;
    return { status: 403, code: 'permission_missing', detail, error: 'insufficient_scope', needs };
  }
  const { roles } = needs;
  if (roles && !roles.some((role) => identity.roles.includes(role))) {
    const detail = `This needs ${roles.length === 1 ? 'the role' : 'one of the roles'} ${roles.join(', ')}.`;
    return { status: 403, code: 'role_missing', detail };
  }
  return staleSignIn(identity, needs, nowSeconds);
}

function missingPermission({ scope, claims }: Identity, { permissions }: Needs): string | undefined {
  if (permissions === undefined || permissions.length === 0) return undefined;
  const listed = Array.isArray(claims.permissions) ? claims.permissions.map(String) : [];
  const held = compilePermissions([...scope, ...listed]);
  return permissions.find((permission) => !held.covers(permission));
}

/** RFC 9470 §3: the client sends its person to sign in again, in the way that is named. */
function staleSignIn({ claims }: Identity, needs: Needs, nowSeconds: number): Why | undefined {
  const { acrValues, maxAgeSeconds } = needs;
  const { acr, auth_time: at } = claims;
  const isWeak = acrValues !== undefined && !acrValues.includes(String(acr));
  const isOld = maxAgeSeconds !== undefined && !(typeof at === 'number' && nowSeconds - at <= maxAgeSeconds);
  if (!isWeak && !isOld) return undefined;
  return {
    status: 401,
    code: 'authentication_insufficient',
    detail: isWeak ? 'This needs a stronger sign-in.' : 'This needs a more recent sign-in.',
    error: 'insufficient_user_authentication',
    needs,
  };
}
