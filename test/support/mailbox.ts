// What the server under test has mailed: `useGatehouse` servers write mails and text messages as files, and this reads them.
//
//   const gatehouse = useGatehouse();
//   const mailbox = useMailbox(gatehouse);
//   ...
//   const { code, link, subject, text } = await mailbox.next('ada@example.com');
//
// Each message is handed out once, in the order of sending; `next` waits for one. Of several mails to one address name the
// template that you mean: `mailbox.next('ada@example.com', 'recover')` leaves the others for later. Phone numbers work alike.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MailTemplate } from '../../src/messages/messages.ts';
import { createOutboxFolder, type OutboxFile } from '../../src/messages/senders/files.ts';
import type { TestServer } from './gatehouse.ts';

export interface ReceivedMessage {
  readonly to: string;
  readonly template: string;
  /** Empty in text messages. */
  readonly subject: string;
  readonly text: string;
  /** Empty in text messages. */
  readonly html: string;
  readonly code?: string;
  readonly link?: string;
}

export interface Mailbox {
  /** Fails after some seconds without one. */
  next(to: string, template?: MailTemplate): Promise<ReceivedMessage>;
  /** Those not yet handed out, now and without waiting; of everybody, or of one. They stay. */
  waiting(to?: string): Promise<ReceivedMessage[]>;
  /** What is there by now is not handed out any more. */
  empty(): Promise<void>;
}

const WAIT_MILLISECONDS = 10_000;
const LOOK_MILLISECONDS = 15;

export function useMailbox(server: Pick<TestServer, 'services'>): Mailbox {
  const seen = new Set<string>();

  const unseen = async (): Promise<OutboxFile[]> => {
    const path = join(server.services.config.database.dataDirectory, 'outbox');
    const folder = createOutboxFolder({ path, from: '', now: () => new Date() });
    return (await folder.list()).filter(({ id }) => !seen.has(id)).reverse();
  };

  return {
    async next(to, template) {
      const until = Date.now() + WAIT_MILLISECONDS;
      for (;;) {
        const files = await unseen();
        const found = files.find(
          (file) => file.to === to && (template === undefined || file.template === template),
        );
        if (found !== undefined) {
          seen.add(found.id);
          return received(found);
        }
        if (Date.now() > until) {
          const others = files.map((file) => `${file.template} to ${file.to}`).join(', ') || 'none';
          throw new Error(`no ${template ?? 'message'} to ${to} has come; others that wait: ${others}`);
        }
        await delay(LOOK_MILLISECONDS);
      }
    },
    async waiting(to) {
      return (await unseen()).filter((file) => to === undefined || file.to === to).map(received);
    },
    async empty() {
      for (const { id } of await unseen()) seen.add(id);
    },
  };
}

function received({ to, template, subject, text, html }: OutboxFile): ReceivedMessage {
  // On a line of its own in a mail; the first longer number of a text message.
  const code = html === null ? /\b\d{6,}\b/.exec(text)?.[0] : /^ {4}(\S+)$/m.exec(text)?.[1];
  // Not the address of the server, which ends every mail.
  const link = /^https?:\/\/\S+$/m.exec(html === null ? '' : text.slice(0, text.lastIndexOf('\n-- ')))?.[0];
  return {
    to,
    template,
    subject,
    text,
    html: html ?? '',
    ...(code === undefined ? {} : { code }),
    ...(link === undefined ? {} : { link }),
  };
}
