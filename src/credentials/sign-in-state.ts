// What stands against the sign-in of an account, and the end of its wait: for the command line and the management API.
import type { Account } from '../accounts/accounts.ts';
import type { Actor } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Lockout } from '../lockout/lockout.ts';
import type { Credentials } from './credentials.ts';

export async function passwordStateOf(
  { credentials }: { credentials: Credentials },
  { id }: Account,
): Promise<'none' | 'set' | 'disabled'> {
  if (!(await credentials.hasPassword(id))) return 'none';
  return (await credentials.isPasswordDisabled(id)) ? 'disabled' : 'set';
}

export async function lockedUntilOf(
  { lockout }: { lockout: Lockout },
  account: Account,
): Promise<Date | null> {
  const standings = await Promise.all(
    identifiersOf(account).map((identifier) => lockout.standing(identifier)),
  );
  const times = standings.flatMap(({ blockedUntil }) =>
    blockedUntil === null ? [] : [blockedUntil.getTime()],
  );
  return times.length === 0 ? null : new Date(Math.max(...times));
}

/** True when something was locked. */
export async function releaseAccount(
  { lockout }: { lockout: Lockout },
  account: Account,
  by: Actor,
): Promise<boolean> {
  let released = false;
  for (const identifier of identifiersOf(account)) {
    released = (await lockout.releaseIdentifier(identifier, account.id, by)) || released;
  }
  return released;
}

/** What is counted: each name, and the factors. */
function identifiersOf(account: Account): (string | { factorsOf: AccountId })[] {
  const names = [account.email, account.username].filter((identifier) => identifier !== null);
  return [...names, { factorsOf: account.id }];
}
