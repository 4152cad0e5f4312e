// Whether somebody who was found out may do what is asked: pure, the same for tokens and keys.
import { compilePermissions } from '../lib/permission.ts';
import { isAtLeast, isStrength } from '../lib/strength.ts';
import type { Why } from './refusals.ts';
import type { Identity, Needs } from './schema.ts';

/** What the server decides of all of them. */
export type Question = Pick<Needs, 'permissions' | 'constraints' | 'meters'>;

export function together(list: readonly Needs[]): Question {
  const permissions = [...new Set(list.flatMap((needs) => needs.permissions ?? []))];
  const constraints = merged(list.map((needs) => needs.constraints ?? {}));
  const meters = merged(list.map((needs) => needs.meters ?? {}));
  return {
    ...(permissions.length > 0 ? { permissions } : {}),
    ...(constraints === undefined ? {} : { constraints }),
    ...(meters === undefined ? {} : { meters }),
  };
}

/** One of two values would go unasked: that is a mistake of the program. */
function merged<V>(records: readonly Readonly<Record<string, V>>[]): Record<string, V> | undefined {
  const all = new Map<string, V>();
  for (const [name, value] of records.flatMap((record) => Object.entries(record))) {
    if (all.has(name) && all.get(name) !== value) throw new Error(`${name} is wanted with two values`);
    all.set(name, value);
  }
  return all.size === 0 ? undefined : Object.fromEntries(all);
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

/** Undefined when everything of all of them holds. */
export function unmet(identity: Identity, list: readonly Needs[], nowSeconds: number): Why | undefined {
  return (
    missingPermission(identity, list) ??
    firstOf(list, ({ roles }) => missingRole(identity, roles)) ??
    firstOf(list, (needs) => staleSignIn(identity, needs, nowSeconds))
  );
}

function firstOf(list: readonly Needs[], why: (needs: Needs) => Why | undefined): Why | undefined {
  for (const needs of list) {
    const found = why(needs);
    if (found !== undefined) return found;
  }
  return undefined;
}

function missingPermission({ scope }: Identity, list: readonly Needs[]): Why | undefined {
  const { permissions = [] } = together(list);
  if (permissions.length === 0) return undefined;
  const held = compilePermissions(scope);
  const permission = permissions.find((one) => !held.covers(one));
  if (permission === undefined) return undefined;
  return {
    status: 403,
    code: 'permission_missing',
    detail: `This needs the permission ${permission}.`,
    error: 'insufficient_scope',
    needs: { permissions },
    members: { permission },
  };
}

function missingRole({ roles: held }: Identity, roles: Needs['roles']): Why | undefined {
  if (roles === undefined || roles.some((role) => held.includes(role))) return undefined;
  const detail = `This needs ${roles.length === 1 ? 'the role' : 'one of the roles'} ${roles.join(', ')}.`;
  return { status: 403, code: 'role_missing', detail };
}

/** The values of the server include those before them; of others only the very same is meant. */
function isAs(acr: unknown, wanted: string): boolean {
  return acr === wanted || (isStrength(acr) && isStrength(wanted) && isAtLeast(acr, wanted));
}

/** RFC 9470 §3: the client sends its person to sign in again, in the way that is named. */
function staleSignIn({ claims }: Identity, needs: Needs, nowSeconds: number): Why | undefined {
  const { acrValues, maxAgeSeconds } = needs;
  const { acr, auth_time: at } = claims;
  const isWeak = acrValues !== undefined && !acrValues.some((wanted) => isAs(acr, wanted));
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
