// Nobody hands out more than they hold: who acts on roles, what they hold, and the refusal.
import type { Actor } from '../audit/schema.ts';
import type { OrganizationId } from '../lib/ids.ts';
import { compilePermissions } from '../lib/permission.ts';
import type { Caller } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import { type HandingOut, handingOutOf } from '../vocabulary/handing-out.ts';
import { everyone, permissions } from '../vocabulary/permissions.ts';

/** Who acts on roles and assignments. */
export interface Acting {
  readonly by: Actor;
  /** What they may hand out. */
  readonly held: HandingOut;
  /** They are bound to this organization: what belongs to another one is not there for them. Null: bound to none. */
  readonly organizationId: OrganizationId | null;
}

/** A caller of the management API. */
export function actingOf(caller: Caller): Acting {
  return {
    by: { kind: caller.kind, id: caller.id },
    held: handingOutOf(caller),
    // The gateway hands out ids that it looked up.
    organizationId: caller.organizationId as OrganizationId | null,
  };
}

/** An operator at the machine itself may do everything. */
export const asOperator = (by: Actor): Acting => ({
  by,
  held: compilePermissions(['*:*']),
  organizationId: null,
});

/** Throws permission_denied for what the one who acts does not hold (OWASP ASVS 8.2.3). */
export function refuseHandingOut({ held }: Pick<Acting, 'held'>, wanted: Iterable<string>): void {
  for (const permission of compilePermissions(wanted).texts) {
    if (!held.covers(permission)) throw failure('permission_denied', { permission });
  }
}

/**
 * Throws permission_denied when somebody may do at the management API what the caller may not: whoever changes their mail
 * address or gives them a secret could act as them.
 */
export function refuseStronger(caller: Pick<Caller, 'permissions'>, assigned: readonly string[]): void {
  const held = compilePermissions(assigned);
  const own: readonly string[] = [...caller.permissions, ...everyone];
  const more = Object.keys(permissions).find((name) => held.covers(name) && !own.includes(name));
  if (more !== undefined) throw failure('permission_denied', { permission: more });
}
