// Callers that are bound to an organization: which routes they may come to, and what they may name there.
import { type AppError, failure } from '../errors.ts';
import type { Caller, Route, RouteInput } from './route.ts';

/** Undefined when the caller may come here at all. */
export function boundElsewhere(route: Pick<Route, 'tenancy'>, caller: Caller): AppError | undefined {
  if (caller.organizationId === null || route.tenancy === 'organization') return undefined;
  return failure('organization_bound');
}

/**
 * Undefined unless the request names an organization that is not the caller's own, in its path, query or body. The answer is
 * that for one which does not exist, and does not depend on whether this one does: nothing is looked up for it.
 */
export function namesAnother(input: RouteInput<unknown, unknown, unknown, Caller | undefined>) {
  const own = input.caller?.organizationId ?? null;
  if (own === null) return undefined;
  for (const part of [input.params, input.query, input.body]) {
    if (typeof part !== 'object' || part === null || !('organizationId' in part)) continue;
    const { organizationId } = part;
    if (organizationId === own || organizationId === undefined) continue;
    // Null is everywhere, which is not within an organization.
    return failure(organizationId === null ? 'organization_bound' : 'organization_not_found');
  }
  return undefined;
}
