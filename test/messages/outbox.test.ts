// What becomes of messages when the mail server is away, refuses, or answers after the node has gone; nothing is lost, and
// nobody reads what they say.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pauseSeconds } from '../../src/lib/sending/pauses.ts';
import type { Message, NewMessage } from '../../src/messages/messages.ts';
import { createOutbox } from '../../src/messages/outbox.ts';
import type { Sent } from '../../src/messages/senders/sender.ts';
import { createLog } from '../../src/platform/telemetry/log.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { readMail, smtpError, startMailServer } from '../support/mail-server.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';

/** How the server answers each recipient: a code by name, or fine. */
const answers: Record<string, number> = {};
const mail = await startMailServer({
  onRcptTo({ address }, _session, done) {
    const code = answers[address];
    done(code === undefined ? null : smtpError(code, 'no such 48203917 here'));
  },
});
const lines: string[] = [];
const log = createLog({ level: 'debug', format: 'json' }, { write: (line) => lines.push(line) });
const gatehouse = useGatehouse({
  log,
  settings: { SMTP_URL: `smtp://127.0.0.1:${mail.port}`, SMTP_TIMEOUT_SECONDS: '2' },
});
const made: { all?: Machine } = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('the machine is made before the tests');
  return made.all;
});
beforeAll(async () => {
  made.all = await machine(gatehouse);
});
afterAll(() => mail.close());

const link = 'https://id.example.com/verify-address?token=secret-token-of-the-link';
const letter = (to: string, more: Partial<NewMessage> = {}): NewMessage => ({
  channel: 'mail',
  template: 'verify-address',
  to,
  accountId: null,
  locale: null,
  values: { code: '48203917', link, minutes: 30 },
  ...more,
});
const send = (message: NewMessage) =>
  gatehouse.services.messages.send(gatehouse.services.postgres.db, message);
const row = (to: string) => gatehouse.services.postgres.db('messages').where({ recipient: to }).first();
const known = async (to: string): Promise<Message> => {
  const { items } = await gatehouse.services.messages.list({}, { limit: 100, cursor: null });
  const found = items.find((one) => one.to === to);
  if (found === undefined) throw new Error(`no message to ${to}`);
  return found;
};
/** The pause is over. */
const due = (to: string) =>
  gatehouse.services.postgres
    .db('messages')
    .where({ recipient: to })
    .update({ next_attempt_at: new Date(0) });

describe('a message', () => {
  it('goes to the mail server in both forms, once', async () => {
    await send(letter('ada@example.com'));
    await expect.poll(() => mail.received.length).toBe(1);
    const { parts, headers } = readMail(mail.received[0]?.raw ?? '');
    expect(parts.get('text/plain')).toContain(link);
    expect(parts.get('text/html')).toContain('48203917');
    expect(headers.get('subject')).toBe('Confirm your email address');
    await expect.poll(async () => (await known('ada@example.com')).state).toBe('sent');
  });

  it('is sent again while the server says later, and is kept until it is taken', async () => {
    const to = 'later@example.com';
    answers[to] = 451;
    await send(letter(to));
    await expect.poll(async () => (await known(to)).lastError).toBe('try_again_later');
    expect(await known(to)).toMatchObject({ state: 'waiting', attempts: 1 });
    const pause = ((await known(to)).nextAttemptAt?.getTime() ?? 0) - Date.now();
    expect(pause).toBeGreaterThan(5_000);
    expect(pause).toBeLessThan(25_000);
    delete answers[to];
    await due(to);
    await expect
      .poll(async () => await known(to), { timeout: 5000 })
      .toMatchObject({ state: 'sent', attempts: 2, lastError: null });
  });

  it('that the server will never take is given up at once, and the ledger says why', async () => {
    const to = 'gone@example.com';
    answers[to] = 550;
    await send(letter(to));
    await expect.poll(async () => (await known(to)).state).toBe('failed');
    const { id, attempts, lastError } = await known(to);
    expect({ attempts, lastError }).toEqual({ attempts: 1, lastError: 'recipient_refused' });
    const { items } = await gatehouse.services.audit.list(
      { type: 'message.failed', targetId: id },
      { limit: 5, cursor: null },
    );
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ reason: 'recipient_refused', details: { template: 'verify-address' } });
    expect(JSON.stringify(items)).not.toContain(to);
  });

  it('is not sent after its end', async () => {
    const to = 'late@example.com';
    answers[to] = 451;
    await send(letter(to, { expiresAt: new Date(Date.now() + 3_000) }));
    // The next attempt would come after the end: it is given up with the first.
    await expect
      .poll(async () => await known(to), { timeout: 5000 })
      .toMatchObject({ state: 'failed', lastError: 'try_again_later' });
    await send(letter('too-late@example.com', { expiresAt: new Date(Date.now() - 1) }));
    await expect.poll(async () => (await known('too-late@example.com')).lastError).toBe('expired');
    expect(mail.received.map((one) => one.to[0])).not.toContain('too-late@example.com');
  });

  it('is given up after the last of its attempts', async () => {
    const to = 'never@example.com';
    answers[to] = 451;
    await send(letter(to));
    await expect.poll(async () => (await known(to)).attempts).toBe(1);
    await gatehouse.services.postgres.db('messages').where({ recipient: to }).update({ attempts: 39 });
    await due(to);
    await expect
      .poll(async () => await known(to), { timeout: 5000 })
      .toMatchObject({ state: 'failed', attempts: 40 });
  });

  it('is taken by another node when the one that took it has gone', async () => {
    const to = 'orphan@example.com';
    await send(letter(to));
    await expect.poll(async () => (await known(to)).state).toBe('sent');
    // As a node leaves it that ends right after taking it.
    await gatehouse.services.postgres
      .db('messages')
      .where({ recipient: to })
      .update({
        state: 'waiting',
        finished_at: null,
        payload: (await row('gone@example.com')).payload,
        next_attempt_at: new Date(0),
      });
    await expect.poll(async () => (await known(to)).attempts, { timeout: 5000 }).toBeGreaterThan(1);
  });

  it('is nowhere in the log, the ledger or the table in clear, and neither are its code and its link', async () => {
    await send(letter('private@example.com', { expiresAt: new Date(Date.now() + 60_000) }));
    await expect.poll(async () => (await known('private@example.com')).state).toBe('sent');
    expect(lines.join('')).toContain('a message was not sent');
    expect(lines.join('')).not.toMatch(/48203917|secret-token/);
    const { rows } = await gatehouse.services.postgres.db.raw(
      `select encode(convert_to(m::text, 'UTF8'), 'escape') as line from messages m
       union all select e::text from audit_events e`,
    );
    expect(JSON.stringify(rows)).not.toMatch(/48203917|secret-token/);
  });
});

describe('operators', () => {
  it('see what waits and what failed, and never what it says', async () => {
    const failed = await call('GET', '/messages?state=failed');
    expect(failed.status).toBe(200);
    expect(failed.body.items.map(({ to }: Message) => to)).toEqual(
      expect.arrayContaining(['gone@example.com', 'late@example.com', 'too-late@example.com']),
    );
    expect(JSON.stringify(failed.body)).not.toMatch(/48203917|secret-token|payload|values/);
    expect((await call('GET', '/messages?state=waiting&channel=sms')).body.items).toEqual([]);
    expect((await call('GET', '/messages?cursor=nonsense')).status).toBe(400);
    expect((await call('GET', '/messages?state=lost')).status).toBe(400);
  });

  it('send one again, unless its code has ended', async () => {
    const to = 'gone@example.com';
    const { id } = await known(to);
    delete answers[to];
    expect((await call('POST', `/messages/${id}/retry`)).status).toBe(202);
    await expect.poll(async () => (await known(to)).state).toBe('sent');
    expect((await call('POST', `/messages/${id}/retry`)).body).toMatchObject({ code: 'message_not_found' });
    const late = await known('too-late@example.com');
    const refused = await call('POST', `/messages/${late.id}/retry`);
    expect({ status: refused.status, code: refused.body.code }).toEqual({
      status: 409,
      code: 'message_expired',
    });
    expect((await call('GET', '/messages/msg_unknown')).status).toBe(404);
  });

  it('count them in the metrics', async () => {
    const text = await gatehouse.services.metrics.text();
    expect(text).toMatch(/gatehouse_messages\{state="failed"\} [1-9]/);
    expect(text).toMatch(/gatehouse_messages\{state="waiting"\} \d/);
  });
});

describe('what is over', () => {
  it('goes after its days: sent ones after a week, failed ones after a month', async () => {
    const { postgres, jobs } = gatehouse.services;
    const age = (days: number, state: string) =>
      postgres
        .db('messages')
        .where({ state })
        .update({ finished_at: new Date(Date.now() - days * 86_400_000) });
    const count = async (state: string) =>
      Number((await postgres.db('messages').where({ state }).count())[0]?.count);
    const expiry = jobs.find(({ name }) => name === 'messages-expiry');
    await age(6, 'sent');
    await age(29, 'failed');
    await expiry?.run(new AbortController().signal);
    expect([(await count('sent')) > 0, (await count('failed')) > 0]).toEqual([true, true]);
    await age(8, 'sent');
    await age(31, 'failed');
    await expiry?.run(new AbortController().signal);
    expect([await count('sent'), await count('failed')]).toEqual([0, 0]);
  });

  it('pauses grow to two hours, and no two are alike', () => {
    const middle = [1, 2, 3, 4, 9].map((attempts) => pauseSeconds(attempts, () => 0.5));
    expect(middle).toEqual([15, 45, 135, 405, 7200]);
    expect([pauseSeconds(1, () => 0), pauseSeconds(1, () => 1)]).toEqual([11.25, 18.75]);
  });
});

// Last, for the server's own outbox rests from here on.
describe('several nodes', () => {
  it('send each message once, however many look at the same moment', async () => {
    const { postgres, audit } = gatehouse.services;
    const sentBy: string[] = [];
    const node = (name: string) =>
      createOutbox({
        channel: 'sms',
        postgres,
        audit,
        log,
        async send({ id }): Promise<Sent> {
          sentBy.push(`${id} ${name}`);
          await delay(5);
          return { kind: 'sent' };
        },
        emptied: () => Buffer.alloc(0),
      });
    await gatehouse.services.messages.stop();
    const nodes = ['a', 'b', 'c'].map(node);
    try {
      await postgres.transaction(async (trx) => {
        for (let index = 0; index < 200; index += 1)
          await gatehouse.services.messages.send(trx, { ...letter(`+4312345${index}`), channel: 'sms' });
      });
      for (const one of nodes) one.start();
      await expect.poll(() => sentBy.length, { timeout: 10_000 }).toBe(200);
      expect(new Set(sentBy.map((line) => line.split(' ')[0])).size).toBe(200);
      expect(new Set(sentBy.map((line) => line.split(' ')[1])).size).toBeGreaterThan(1);
    } finally {
      for (const one of nodes) await one.stop();
    }
  });
});
