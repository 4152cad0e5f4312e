// What a message is: as a feature hands it over, as an operator sees it, and as it is when it is written out.
import type { AccountId, MessageId } from '../lib/ids.ts';
import type { MailTemplate } from './templates.ts';

export const channels = ['mail', 'sms'] as const;
export type Channel = (typeof channels)[number];

export const messageStates = ['waiting', 'sent', 'failed'] as const;
export type MessageState = (typeof messageStates)[number];

export interface NewMessage {
  channel: Channel;
  /** The name of views/mail/<name>.ejs; of a text message, the key mail.<name>.sms. */
  template: MailTemplate;
  to: string;
  accountId: AccountId | null;
  /** What the person reads unless their account says otherwise; null: the language of the server. */
  locale: string | null;
  /** What the template says; sealed at rest. */
  values: Record<string, unknown>;
  /** A second message with the same key is not written. */
  deduplication?: string;
  /** After that it says nothing of use, and is not sent any more. */
  expiresAt?: Date;
}

/** A message as operators see it: never what it says. */
export interface Message {
  id: MessageId;
  channel: Channel;
  template: string;
  accountId: string | null;
  to: string;
  locale: string;
  state: MessageState;
  attempts: number;
  /** Why the last attempt failed, in a few fixed words. */
  lastError: string | null;
  createdAt: Date;
  /** null when it is over. */
  nextAttemptAt: Date | null;
  expiresAt: Date | null;
  finishedAt: Date | null;
}

export interface MessageFilter {
  state?: MessageState;
  channel?: Channel;
  accountId?: string;
}

/** A mail in its last form, for whoever carries it. */
export interface Letter {
  id: string;
  to: string;
  locale: string;
  template: string;
  subject: string;
  html: string;
  text: string;
}

export type ShortMessage = Omit<Letter, 'subject' | 'html'>;
