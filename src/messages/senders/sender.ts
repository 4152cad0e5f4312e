// What carries messages: a mail server, a webhook, or files on the machine of a developer.
import type { Letter, ShortMessage } from '../schema.ts';

/** Why something was not sent. Fixed words, for they are kept and shown: what the other side says could quote the message. */
export type Problem =
  | 'no_sender'
  | 'template_unknown'
  | 'not_written'
  | 'recipient_refused'
  | 'message_refused'
  | 'sender_refused'
  | 'sign_in_refused'
  | 'tls_failed'
  | 'timeout'
  | 'unreachable'
  | 'connection_lost'
  | 'try_again_later'
  | 'other';

export type Sent =
  | { kind: 'sent' }
  /** `final`: trying again is of no use. */
  | { kind: 'failed'; reason: Problem; final: boolean; retryAfterSeconds?: number };

export interface Sender {
  readonly kind: 'smtp' | 'webhook' | 'files';
  /** For the doctor: whether it could send now, without sending. */
  check(): Promise<Sent>;
  /** Ends what is under way as well: it failed, and is sent again. */
  close(): void;
}

/** One attempt, which ends within its time limit and never rejects. */
export interface MailSender extends Sender {
  send(letter: Letter): Promise<Sent>;
}

export interface SmsSender extends Sender {
  send(message: ShortMessage): Promise<Sent>;
}

export interface Senders {
  readonly mail: MailSender | undefined;
  readonly sms: SmsSender | undefined;
}

export const failed = (reason: Problem): Sent => ({ kind: 'failed', reason, final: false });
export const refused = (reason: Problem): Sent => ({ kind: 'failed', reason, final: true });
