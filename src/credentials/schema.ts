// The shapes of a proof and of its outcome.
import type { Account } from '../accounts/accounts.ts';
import type { Proof } from '../lib/strength.ts';

export interface PasswordProof {
  /** As typed: a mail address or a user name. */
  identifier: string;
  password: string;
}

export type Verification =
  | { kind: 'ok'; account: Account; proof: Proof }
  /** Wrong password, no such account, suspended, without or out of a password: one answer, in one time. */
  | { kind: 'refused' }
  /** The same for identifiers that nobody has. */
  | { kind: 'locked'; retryAfterSeconds: number }
  | { kind: 'busy'; retryAfterSeconds: number };
