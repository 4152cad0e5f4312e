// Hands messages to a webhook (Standard Webhooks 1.0), which carries them on: to a text message service, or a mail service.
import { webhookHeaders } from '../../lib/sending/webhook-signature.ts';
import { measure } from '../../platform/telemetry/timings.ts';
import type { Letter, ShortMessage } from '../schema.ts';
import { failed, type MailSender, refused, type Sent, type SmsSender } from './sender.ts';

export interface WebhookSettings {
  readonly url: string;
  readonly secret: string;
  readonly now: () => Date;
}

const TIMEOUT_MILLISECONDS = 15_000;
const LONGEST_RETRY_AFTER_SECONDS = 24 * 60 * 60;

export function createMailWebhook(settings: WebhookSettings & { from: string }): MailSender {
  const { post, ...sender } = createWebhook(settings);
  const { from } = settings;
  return { ...sender, send: (letter: Letter) => post('message.mail', { from, ...letter }) };
}

export function createSmsWebhook(settings: WebhookSettings): SmsSender {
  const { post, ...sender } = createWebhook(settings);
  return { ...sender, send: (message: ShortMessage) => post('message.sms', message) };
}

function createWebhook({ url, secret, now }: WebhookSettings) {
  const closing = new AbortController();

  async function ask(request: RequestInit, judge: (answer: Response) => Sent): Promise<Sent> {
    const signal = AbortSignal.any([AbortSignal.timeout(TIMEOUT_MILLISECONDS), closing.signal]);
    try {
      // A redirect would take the message to somebody whom no setting names.
      const answer = await measure('outgoing', () => fetch(url, { ...request, redirect: 'error', signal }));
      await answer.body?.cancel();
      return judge(answer);
    } catch {
      return failed(signal.aborted ? 'timeout' : 'unreachable');
    }
  }

  return {
    kind: 'webhook' as const,
    // Any answer will do: it is there.
    check: () => ask({ method: 'HEAD' }, () => ({ kind: 'sent' })),
    close: () => closing.abort(),
    async post(type: string, data: ShortMessage & { from?: string }): Promise<Sent> {
      const at = now();
      const body = JSON.stringify({ type, timestamp: at.toISOString(), data });
      const signed = webhookHeaders({ id: data.id, at, body }, secret);
      return ask(
        { method: 'POST', headers: { 'content-type': 'application/json', ...signed }, body },
        outcomeOf,
      );
    },
  };
}

function outcomeOf({ ok, status, headers }: Response): Sent {
  if (ok) return { kind: 'sent' };
  // The one answer that says that it never will.
  if (status === 422) return refused('recipient_refused');
  const wait = Number(headers.get('retry-after'));
  const busy = status === 429 || status >= 500;
  return {
    ...failed(busy ? 'try_again_later' : 'message_refused'),
    ...(wait > 0 ? { retryAfterSeconds: Math.min(wait, LONGEST_RETRY_AFTER_SECONDS) } : {}),
  };
}
