// Messages by webhook: signed as Standard Webhooks has it, told no further, and sorted by what is answered.
import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webhookHeaders } from '../../src/lib/sending/webhook-signature.ts';
import { createMailWebhook, createSmsWebhook } from '../../src/messages/senders/webhook.ts';
import { freePort, useGatehouse } from '../support/gatehouse.ts';

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const received: { path: string; method: string; headers: IncomingHttpHeaders; body: string }[] = [];
const held: ServerResponse[] = [];
const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const { url: path = '', method = '', headers } = request;
    received.push({ path, method, headers, body });
    const [, status] = /^\/(\d{3})/.exec(path) ?? [];
    if (path === '/drop') request.socket.destroy();
    else if (path === '/hang') held.push(response);
    else if (status === '302') response.writeHead(302, { location: '/200' }).end();
    else
      response
        .writeHead(Number(status ?? 200), status === '429' ? { 'retry-after': '120' } : {})
        .end('no 48203917');
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
afterAll(() => {
  for (const response of held) response.end();
  server.closeAllConnections();
  server.close();
});

const now = () => new Date('2026-11-22T10:00:00Z');
const sms = { id: 'msg_1', to: '+431234567', locale: 'de', template: 'factor-code', text: 'Code 48203917' };
const last = () => {
  const found = received.at(-1);
  if (found === undefined) throw new Error('nothing was received');
  return found;
};
const smsTo = (path: string) => createSmsWebhook({ url: `${origin}${path}`, secret, now }).send(sms);

describe('a webhook', () => {
  it('gets the message, signed over its id, its time and its body', async () => {
    expect(await smsTo('/200')).toEqual({ kind: 'sent' });
    const { headers, body, method } = last();
    expect(method).toBe('POST');
    expect(JSON.parse(body)).toEqual({ type: 'message.sms', timestamp: now().toISOString(), data: sms });
    expect(headers['webhook-id']).toBe('msg_1');
    expect(headers['webhook-timestamp']).toBe(String(now().getTime() / 1000));
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const signed = `msg_1.${headers['webhook-timestamp']}.${body}`;
    expect(headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
    );
  });

  it('is signed as the specification shows it', () => {
    // From the reference libraries of Standard Webhooks.
    const example = webhookHeaders(
      { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: new Date(1614265330_000), body: '{"test": 2432232314}' },
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    );
    expect(example['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('gets mails whole: both forms, subject, sender and recipient', async () => {
    const sender = createMailWebhook({
      url: `${origin}/200`,
      secret,
      now,
      from: 'Gatehouse <id@example.com>',
    });
    const letter = { ...sms, to: 'ada@example.com', subject: 'Hello', html: '<p>x</p>', text: 'x' };
    expect(await sender.send(letter)).toEqual({ kind: 'sent' });
    const { type, data } = JSON.parse(last().body);
    expect({ type, data }).toEqual({
      type: 'message.mail',
      data: { ...letter, from: 'Gatehouse <id@example.com>' },
    });
  });

  it.each([
    ['/422', { reason: 'recipient_refused', final: true }],
    ['/400', { reason: 'message_refused', final: false }],
    ['/500', { reason: 'try_again_later', final: false }],
    ['/429', { reason: 'try_again_later', final: false, retryAfterSeconds: 120 }],
    ['/drop', { reason: 'unreachable', final: false }],
  ])('that answers %s decides what becomes of it', async (path, outcome) => {
    expect(await smsTo(path)).toEqual({ kind: 'failed', ...outcome });
  });

  it('leads nobody elsewhere: a redirect is not followed', async () => {
    const before = received.length;
    expect(await smsTo('/302')).toMatchObject({ kind: 'failed', final: false });
    expect(received.slice(before).map(({ path }) => path)).toEqual(['/302']);
  });

  it('is looked at without a message', async () => {
    expect(await createSmsWebhook({ url: `${origin}/404`, secret, now }).check()).toEqual({ kind: 'sent' });
    expect(last()).toMatchObject({ method: 'HEAD', body: '' });
    const nowhere = createSmsWebhook({ url: `http://127.0.0.1:${await freePort()}`, secret, now });
    expect(await nowhere.check()).toMatchObject({ reason: 'unreachable' });
  });
});

describe('a server with webhooks', () => {
  const gatehouse = useGatehouse({
    settings: {
      SMS_WEBHOOK_URL: `${origin}/sms`,
      SMS_WEBHOOK_SECRET: secret,
      MAIL_WEBHOOK_URL: `${origin}/mail`,
      MAIL_WEBHOOK_SECRET: secret,
    },
  });
  beforeAll(() => {
    received.length = 0;
  });

  it('sends both through them, and writes no files', async () => {
    const { messages, postgres } = gatehouse.services;
    expect([messages.canSend('mail'), messages.canSend('sms')]).toEqual([true, true]);
    expect(messages.folder).toBeUndefined();
    const head = {
      template: 'factor-code',
      accountId: null,
      locale: 'de',
      values: { code: '48203917', minutes: 10 },
    } as const;
    await messages.send(postgres.db, { ...head, channel: 'sms', to: '+431234567' });
    await messages.send(postgres.db, { ...head, channel: 'mail', to: 'ada@example.com' });
    await expect.poll(() => received.map(({ path }) => path).sort()).toEqual(['/mail', '/sms']);
    const text = JSON.parse(received.find(({ path }) => path === '/sms')?.body ?? '{}').data.text;
    expect(text).toMatch(/48203917[\s\S]*\n\n@localhost(:\d+)? #48203917$/);
    expect((await fetch(`${gatehouse.issuer}/dev/outbox`)).status).toBe(404);
  });
});
