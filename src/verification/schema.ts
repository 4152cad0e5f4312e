// The shapes of codes and links on their way: what is asked for, and what one of them proved.
import type { AccountId, VerificationId } from '../lib/ids.ts';
import type { MailTemplate } from '../messages/messages.ts';

/** What a code or link is good for; it opens nothing else. */
export type Purpose =
  | 'sign-in'
  | 'second-factor'
  | 'enrol-factor'
  | 'register'
  | 'recover'
  | 'change-email'
  | 'change-phone';

export type Channel = 'mail' | 'sms';

export interface NewVerification {
  purpose: Purpose;
  channel: Channel;
  to: string;
  accountId: AccountId | null;
  /** What the code belongs to: a sign-in or a session. A link may have none, and then works in any browser. */
  binding: string | null;
  code?: boolean;
  /** `/verify-address` becomes `${issuer}/verify-address?token=…`. */
  link?: { path: string };
  template: MailTemplate;
  locale: string | null;
  /** For the template, beside `code`, `link` and `minutes`. */
  values?: Record<string, unknown>;
  /** Given back to whoever uses it. Not secret. */
  details?: Record<string, unknown>;
  /** false: all but the message, for whom there is nobody to tell. The code or link can be known to no one. */
  send?: boolean;
  /** The link is answered in place of being sent: for somebody who hands it over. */
  show?: true;
}

export type Begun =
  | { kind: 'sent'; id: VerificationId; expiresAt: Date /** Only when it is to be shown. */; link?: string }
  | { kind: 'limited'; retryAfterSeconds: number };

/** What a code or link proved: that whoever used it reads what is sent there. */
export interface Used {
  id: VerificationId;
  purpose: Purpose;
  accountId: AccountId | null;
  to: string;
  details: Record<string, unknown>;
}

export interface CodeGuess {
  purpose: Purpose;
  binding: string;
  /** As typed: spaces, dashes and the digits of any script. */
  code: string;
  id?: VerificationId;
}

export type Guessed = { kind: 'ok'; used: Used } | { kind: 'wrong'; left: number } | { kind: 'expired' };
