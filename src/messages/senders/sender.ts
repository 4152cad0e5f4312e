// What carries messages: a mail server, a webhook, or files on the machine of a developer.
import type { Letter, ShortMessage } from '../schema.ts';

export type Sent =
  | { kind: 'sent' }
  /** In a few fixed words, for it is kept and shown: nothing that the other side said, which could quote the message. */
  | { kind: 'failed'; reason: string /** Trying again is of no use. */; final: boolean };

export interface Sender {
  /** What it is, for the log and the doctor: `smtp`, `webhook`, `files`. */
  readonly kind: 'smtp' | 'webhook' | 'files';
  close(): Promise<void>;
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
