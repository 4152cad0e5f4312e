// The shapes of recovery: what people and administrators begin, and how it ends.
import type { Account } from '../accounts/accounts.ts';
import type { AccountId } from '../lib/ids.ts';

/** Whoever is signed in in one browser: codes sent to them work in this session alone. */
export interface Changer {
  readonly accountId: AccountId;
  readonly sessionId: string;
}

/** Whose password a link lets its holder set. */
export interface Recovering {
  /** Of the link; it says nothing about the link itself. */
  readonly id: string;
  readonly account: Account;
}

export type CodeSent = { kind: 'sent' } | { kind: 'limited'; retryAfterSeconds: number };

export type Confirmed =
  | { kind: 'ok' }
  | { kind: 'wrong'; left: number }
  /** It is over, used, out of guesses, or none was sent in this session. */
  | { kind: 'expired' }
  /** Somebody else has come to have it meanwhile. */
  | { kind: 'taken' };

export interface Undoable {
  readonly accountId: AccountId;
  /** The address of before, at which the link was opened. */
  readonly email: string;
}

/** How the link of a reset by an administrator reaches the person. */
export const deliveries = ['mail', 'link'] as const;
export type Delivery = (typeof deliveries)[number];

export interface Reset {
  readonly delivery: Delivery;
  /** To be handed over, shown this once; null when a mail carries it. */
  readonly link: string | null;
  readonly expiresAt: Date;
}
