// An administrator's account is changed by those who may make administrators, whichever feature changes something about it.
import { failure } from '../platform/errors.ts';
import type { Account } from './schema.ts';

/** Throws permission_denied for an administrator's account, unless it may be changed by whoever holds these permissions. */
export function refuseAdminAccount(account: Pick<Account, 'admin'>, held: readonly string[]): void {
  if (account.admin) needAdmin(held);
}

/** Who is administrator decides over everything, so changing accounts alone is not enough for it (OWASP ASVS 8.2.3). */
export function needAdmin(held: readonly string[]): void {
  if (!held.includes('accounts:admin')) throw failure('permission_denied', { permission: 'accounts:admin' });
}
