// Hands messages to a webhook (Standard Webhooks 1.0), which carries them on: to a text message service, or a mail service.
import { webhookHeaders } from '../../lib/webhook-signature.ts';
import { measure } from '../../platform/telemetry/timings.ts';
import type { Letter, ShortMessage } from '../schema.ts';
import { failed, type MailSender, refused, type Sender, type Sent, type SmsSender } from './sender.ts';

export interface WebhookSettings {
  readonly url: string;
  readonly secret: string;
  readonly now: () => Date;
}

const TIMEOUT_MILLISECONDS = 15_000;
const LONGEST_RETRY_AFTER_SECONDS = 24 * 60 * 60;

export function createMailWebhook(settings: WebhookSettings & { from: string }): MailSender {
  return {
    ...webhook(settings),
    send: ({ id, ...letter }: Letter) =>
      post(settings, id, 'message.mail', { id, from: settings.from, ...letter }),
  };
}

export function createSmsWebhook(settings: WebhookSettings): SmsSender {
  return {
    ...webhook(settings),
    send: ({ id, ...message }: ShortMessage) => post(settings, id, 'message.sms', { id, ...message }),
  };
}

function webhook({ url }: WebhookSettings): Sender {
  return {
    kind: 'webhook',
    // Any answer will do: it is there.
    check: () => asked(url, { method: 'HEAD' }, () => ({ kind: 'sent' })),
    close: () => {},
  };
}

async function post(
  { url, secret, now }: WebhookSettings,
  id: string,
  type: string,
  data: object,
): Promise<Sent> {
  const at = now();
  const body = JSON.stringify({ type, timestamp: at.toISOString(), data });
  const headers = { 'content-type': 'application/json', ...webhookHeaders({ id, at, body }, secret) };
  return asked(url, { method: 'POST', headers, body }, ({ ok, status, headers: told }) => {
    if (ok) return { kind: 'sent' };
    // The one answer that says that it never will.
    if (status === 422) return refused('recipient_refused');
    const wait = Number(told.get('retry-after'));
    const busy = status === 429 || status >= 500;
    return {
      ...failed(busy ? 'try_again_later' : 'message_refused'),
      ...(wait > 0 ? { retryAfterSeconds: Math.min(wait, LONGEST_RETRY_AFTER_SECONDS) } : {}),
    };
  });
}

async function asked(url: string, request: RequestInit, judge: (answer: Response) => Sent): Promise<Sent> {
  try {
    const answer = await measure('outgoing', () =>
      // A redirect would take the message to somebody whom no setting names.
      fetch(url, { ...request, redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS) }),
    );
    await answer.body?.cancel();
    return judge(answer);
  } catch (error) {
    return failed(error instanceof DOMException && error.name === 'TimeoutError' ? 'timeout' : 'unreachable');
  }
}
