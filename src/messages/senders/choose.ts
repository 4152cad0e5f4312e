// Which sender carries what, by the settings: a mail server or a webhook; on a machine of a developer, files.
import { join } from 'node:path';
import type { Clock } from '../../platform/clock.ts';
import type { Config } from '../../platform/config/load.ts';
import { createOutboxFolder, type OutboxFolder } from './files.ts';
import type { MailSender, Senders } from './sender.ts';
import { createSmtpSender } from './smtp.ts';
import { createMailWebhook, createSmsWebhook } from './webhook.ts';

export interface ChosenSenders extends Senders {
  /** Where messages are files; undefined when nothing is written there. */
  readonly folder: OutboxFolder | undefined;
}

type Settings = Pick<Config, 'environment' | 'messages' | 'database'>;

export function chooseSenders(config: Settings, deps: { clock: Clock }): ChosenSenders {
  const { environment, messages, database } = config;
  const path = join(database.dataDirectory, 'outbox');
  const { now } = deps.clock;
  const files =
    environment === 'development' ? createOutboxFolder({ path, from: messages.from, now }) : undefined;
  const mail = mailSenderOf(messages, now);
  const sms = smsSenderOf(messages, now);
  return {
    mail: mail ?? files?.mail,
    sms: sms ?? files?.sms,
    folder: mail === undefined || sms === undefined ? files : undefined,
  };
}

function mailSenderOf(settings: Config['messages'], now: () => Date): MailSender | undefined {
  const { smtpUrl, smtpTls, smtpTimeoutSeconds, from, mailWebhookUrl, mailWebhookSecret } = settings;
  if (smtpUrl !== undefined)
    return createSmtpSender({ url: smtpUrl, tls: smtpTls, timeoutSeconds: smtpTimeoutSeconds, from });
  if (mailWebhookUrl === undefined || mailWebhookSecret === undefined) return undefined;
  return createMailWebhook({ url: mailWebhookUrl, secret: mailWebhookSecret, from, now });
}

function smsSenderOf({ smsWebhookUrl, smsWebhookSecret }: Config['messages'], now: () => Date) {
  if (smsWebhookUrl === undefined || smsWebhookSecret === undefined) return undefined;
  return createSmsWebhook({ url: smsWebhookUrl, secret: smsWebhookSecret, now });
}
