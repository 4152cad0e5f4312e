// Signs what is sent to a webhook, as Standard Webhooks 1.0 has it: HMAC-SHA256 over id, time and body.
import { createHmac } from 'node:crypto';

/** `secret`: whsec_ and base64. `id` stays the same when the same thing is sent again; the time does not. */
export function webhookHeaders(
  sent: { id: string; at: Date; body: string },
  secret: string,
): { 'webhook-id': string; 'webhook-timestamp': string; 'webhook-signature': string } {
  const timestamp = String(Math.floor(sent.at.getTime() / 1000));
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const signature = createHmac('sha256', key).update(`${sent.id}.${timestamp}.${sent.body}`).digest('base64');
  return { 'webhook-id': sent.id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
