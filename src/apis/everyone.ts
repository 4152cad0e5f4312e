// What every account holds: what APIs give to everyone. Permissions are words that do not say of which API they are.
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import { everyone, permissions } from '../vocabulary/permissions.ts';

const byRole = compilePermissions(
  Object.keys(permissions).filter((name) => !everyone.some((one) => one === name)),
);

/**
 * Whether it is, or reaches into, a permission of the server's own API that takes a role. Held by everyone because of
 * another API with the same word, it would open the management API to everyone.
 */
export function takesRole(name: string): boolean {
  return compilePermissions([name]).intersect(byRole).texts.length > 0;
}

interface Giving {
  readonly permissions: readonly { readonly name: string; readonly everyone: boolean }[];
}

/** Leaves out what was registered before that was refused. */
export function heldByEveryone(apis: readonly Giving[]): PermissionSet {
  const given = apis.flatMap((api) => api.permissions.filter((one) => one.everyone));
  return compilePermissions(given.map(({ name }) => name).filter((name) => !takesRole(name)));
}
