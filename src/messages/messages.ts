// Mail and text messages: written with what they tell of, in one commit, and sent from the outbox by any node.
import { setTimeout as delay } from 'node:timers/promises';
import type { Actor, Audit } from '../audit/audit.ts';
import { type AccountId, newId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import { afterCommit } from '../platform/changes.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { Vault } from '../platform/secrets/vault.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { messageJobs } from './jobs.ts';
import { createOutbox } from './outbox.ts';
import type { Channel, Message, MessageFilter, NewMessage } from './schema.ts';
import type { ChosenSenders } from './senders/choose.ts';
import type { OutboxFolder } from './senders/files.ts';
import { failed, type Sent } from './senders/sender.ts';
import * as store from './store.ts';
import { isTemplate, type MailTemplate, templates } from './templates.ts';
import type { Writing } from './writing.ts';

export type { Channel, Message, MessageFilter, MessageState, NewMessage } from './schema.ts';
export { chooseSenders } from './senders/choose.ts';
export type { Sent } from './senders/sender.ts';
export type { MailTemplate } from './templates.ts';
export { createWriting } from './writing.ts';

/** How long a stop waits for a mail server that does not answer. */
const STOP_MILLISECONDS = 3000;

export interface Messages {
  /** Call it in the transaction of what it tells of: without that commit there is no message. It is sent right after. */
  send(trx: Db, message: NewMessage): Promise<void>;
  /** False: there is nothing that carries such messages, and what is sent stays in the outbox. */
  canSend(channel: Channel): boolean;
  list(filter: MessageFilter, page: PageRequest): Promise<Page<Message>>;
  /** Throws message_not_found. */
  find(id: string): Promise<Message>;
  /** At once, with all attempts to go. Throws message_not_found and message_expired. */
  retry(id: string, by: Actor): Promise<void>;
  count(): Promise<{ waiting: number; failed: number }>;
  /** What it would say, with sample values; undefined when it does not go that way. */
  preview(
    template: MailTemplate,
    locale: string | null,
    channel: Channel,
  ): { subject: string | null; text: string; html: string | null } | undefined;
  /** Where messages are files, on the machine of a developer. */
  readonly folder: OutboxFolder | undefined;
  start(): void;
  stop(): Promise<void>;
  jobs(): Job[];
}

export interface MessagesDeps {
  postgres: Postgres;
  vault: Vault;
  audit: Pick<Audit, 'record'>;
  log: Log;
  writing: Writing;
  senders: ChosenSenders;
  /** What the owner of an account reads; null when they have not said. */
  localeOf: (trx: Db, accountId: AccountId) => Promise<string | null>;
}

export function createMessages(deps: MessagesDeps): Messages {
  const { postgres, vault, audit, log, writing, senders } = deps;
  const { db } = postgres;
  const seal = (id: string, values: object) =>
    vault.seal(Buffer.from(JSON.stringify(values)), `messages.payload:${id}`);
  const outboxOf = (channel: Channel) =>
    createOutbox({
      channel,
      postgres,
      audit,
      log,
      send: (message) => attempt(deps, message),
      emptied: (id) => seal(id, {}),
    });
  const outboxes = { mail: outboxOf('mail'), sms: outboxOf('sms') };

  return {
    async send(trx, message) {
      const { accountId, values } = message;
      const own = accountId === null ? null : await deps.localeOf(trx, accountId);
      const id = newId('msg');
      const isNew = await store.insertMessage(trx, {
        id,
        channel: message.channel,
        template: message.template,
        accountId,
        to: message.to,
        locale: writing.localeOf(own, message.locale),
        payload: seal(id, values),
        deduplication: message.deduplication ?? null,
        expiresAt: message.expiresAt ?? null,
      });
      if (isNew) afterCommit(trx, outboxes[message.channel].wake);
    },
    canSend: (channel) => senders[channel] !== undefined,
    async list(filter, { cursor, limit }) {
      const before = cursor === null ? null : decodeCursor(cursor, 1)?.[0];
      if (before === undefined)
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      if (filter.accountId?.includes('\0') === true) return { items: [], nextCursor: null };
      return pageOf(await store.listMessages(db, filter, before, limit + 1), limit, ({ id }) => [id]);
    },
    async find(id) {
      const message = await store.findMessage(db, id);
      if (message === undefined) throw failure('message_not_found', { id });
      return message;
    },
    async retry(id, by) {
      await postgres.transaction(async (trx) => {
        const made = await store.makeDue(trx, id);
        if (made === undefined) throw failure('message_not_found', { id });
        if (made.kind === 'expired') throw failure('message_expired', { id });
        const { channel, template, accountId } = made.message;
        await audit.record(trx, {
          type: 'message.retried',
          actor: by,
          outcome: 'success',
          accountId,
          target: { kind: 'message', id },
          details: { channel, template },
        });
        afterCommit(trx, outboxes[channel].wake);
      });
    },
    count: () => store.countMessages(db),
    preview(template, wanted, channel) {
      const { values, sms, smsOnly } = templates[template];
      const message = { template, locale: writing.localeOf(wanted), values };
      if (channel === 'mail') return smsOnly ? undefined : writing.mail(message);
      return sms || smsOnly ? { subject: null, html: null, ...writing.sms(message) } : undefined;
    },
    folder: senders.folder,
    start() {
      outboxes.mail.start();
      outboxes.sms.start();
    },
    async stop() {
      const ended = Promise.all([outboxes.mail.stop(), outboxes.sms.stop()]);
      await Promise.race([ended, delay(STOP_MILLISECONDS, undefined, { ref: false })]);
      // What is still under way fails by that, and is sent again by whoever looks next.
      senders.mail?.close();
      senders.sms?.close();
      await ended;
    },
    jobs: () => messageJobs({ db }),
  };
}

/** Writes it out and hands it over. What it says is nowhere in what comes back. */
async function attempt({ vault, writing, senders }: MessagesDeps, taken: store.TakenMessage): Promise<Sent> {
  const { id, channel, to, locale, template } = taken;
  const { mail, sms } = senders;
  if (senders[channel] === undefined) return failed('no_sender');
  // Of another release: a node that has it takes the message later.
  if (!isTemplate(template)) return failed('template_unknown');
  const head = { id, to, locale, template };
  try {
    const opened = vault.open(taken.payload, `messages.payload:${id}`).toString();
    // Our own writing, sealed.
    const values = JSON.parse(opened) as Record<string, unknown>;
    if (channel === 'sms')
      return (await sms?.send({ ...head, ...writing.sms({ ...head, values }) })) ?? failed('no_sender');
    return (await mail?.send({ ...head, ...writing.mail({ ...head, values }) })) ?? failed('no_sender');
  } catch {
    return failed('not_written');
  }
}
