// What somebody may hand out: what they hold, and of our own permissions only those that their credential was given.
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import { everyone, permissions } from './permissions.ts';

export interface HandingOut {
  covers(permission: string): boolean;
}

/**
 * Of the caller of a route. An administrator's token for one small thing must not be a way to all others, so what covers a
 * permission of ours is handed out only where the token itself has it; what belongs to no token is everybody's.
 */
export function handingOutOf(caller: {
  readonly permissions: readonly string[];
  readonly held?: PermissionSet;
}): HandingOut {
  const held = caller.held ?? compilePermissions(caller.permissions);
  const own: readonly string[] = [...caller.permissions, ...everyone];
  const kept = Object.keys(permissions).filter((name) => !own.includes(name));
  return {
    covers(permission) {
      const wanted = compilePermissions([permission]);
      return held.covers(permission) && !kept.some((name) => wanted.covers(name));
    },
  };
}
