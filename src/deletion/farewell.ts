// The last that somebody hears of their account: that it is gone. Written in the commit that erases it, and tied to nothing.
import type { Accounts } from '../accounts/accounts.ts';
import type { Actor } from '../audit/audit.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Messages } from '../messages/messages.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db } from '../platform/database/postgres.ts';

export interface FarewellDeps {
  clock: Clock;
  accounts: Pick<Accounts, 'find'>;
  messages: Pick<Messages, 'send' | 'canSend'>;
  /** Proven addresses of before, to which a change can still be taken back: whoever changed it may have been a thief. */
  formerAddresses: (trx: Db, accountId: AccountId) => Promise<string[]>;
}

/** The address goes with the account: what cannot be delivered by then is not tried any longer. */
const DELIVERY_MILLISECONDS = 3 * 86_400_000;

export async function sayFarewell(deps: FarewellDeps, trx: Db, id: AccountId, by: Actor): Promise<void> {
  if (!deps.messages.canSend('mail')) return;
  const account = await deps.accounts.find(id, trx);
  if (account === undefined) return;
  const { email, emailVerified, deleteAt } = account;
  // One that was never proven may be a stranger's; whoever asked for the deletion was told there already.
  const own = email !== null && (emailVerified || deleteAt !== null) ? [email] : [];
  const now = deps.clock.now();
  for (const to of new Set([...own, ...(await deps.formerAddresses(trx, id))])) {
    await deps.messages.send(trx, {
      channel: 'mail',
      template: 'account-deleted',
      to,
      accountId: null,
      locale: account.locale,
      values: {
        at: now.toISOString(),
        zone: account.zoneinfo,
        ...(by.kind !== 'system' && { byAdmin: true }),
      },
      expiresAt: new Date(now.getTime() + DELIVERY_MILLISECONDS),
    });
  }
}
