// Mail servers as they are: good ones, and those that hang, refuse, drop the line or cannot do TLS. Real sockets.
import { setTimeout as delay } from 'node:timers/promises';
import type { SMTPServerOptions } from 'smtp-server';
import { afterEach, describe, expect, it } from 'vitest';
import type { Letter } from '../../src/messages/schema.ts';
import { createSmtpSender } from '../../src/messages/senders/smtp.ts';
import { freePort } from '../support/gatehouse.ts';
import { readMail, smtpError, startListener, startMailServer } from '../support/mail-server.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const letter: Letter = {
  id: 'msg_01',
  to: 'ada@example.com',
  locale: 'de',
  template: 'verify-address',
  subject: 'Bestätigen Sie Ihre Adresse',
  html: '<p>Grüße: <a href="https://id.example.com/x">hier</a></p>',
  text: 'Grüße: https://id.example.com/x',
};

function senderTo(
  port: number,
  more: { scheme?: string; host?: string; tls?: 'required' | 'if_offered'; login?: string } = {},
) {
  const { scheme = 'smtp', host = '127.0.0.1', login = '' } = more;
  const sender = createSmtpSender({
    url: `${scheme}://${login}${host}:${port}`,
    tls: more.tls ?? 'required',
    timeoutSeconds: 1,
    from: 'Gatehouse <no-reply@id.example.com>',
  });
  closing.push(sender.close);
  return sender;
}

async function mailServer(options: SMTPServerOptions = {}) {
  const server = await startMailServer(options);
  closing.push(server.close);
  return server;
}

async function listener(accept: Parameters<typeof startListener>[0]) {
  const server = await startListener(accept);
  closing.push(server.close);
  return server;
}

describe('a mail', () => {
  it('has both forms, says that a machine wrote it, and keeps its id at each attempt', async () => {
    const server = await mailServer();
    const sender = senderTo(server.port);
    for (let attempt = 0; attempt < 2; attempt += 1)
      expect(await sender.send(letter)).toEqual({ kind: 'sent' });
    expect(server.received).toHaveLength(2);
    for (const { from, to, raw } of server.received) {
      expect({ from, to }).toEqual({ from: 'no-reply@id.example.com', to: ['ada@example.com'] });
      const { headers, parts } = readMail(raw);
      expect(headers.get('message-id')).toBe('<msg_01@id.example.com>');
      expect(headers.get('from')).toBe('Gatehouse <no-reply@id.example.com>');
      expect(headers.get('to')).toBe('ada@example.com');
      expect(headers.get('auto-submitted')).toBe('auto-generated');
      expect(headers.get('content-language')).toBe('de');
      expect(Math.abs(Date.parse(headers.get('date') ?? '') - Date.now())).toBeLessThan(60_000);
      expect([...headers.keys()].filter((name) => name.startsWith('list-'))).toEqual([]);
      expect(parts.get('text/plain')?.trim()).toBe(letter.text);
      expect(parts.get('text/html')?.trim()).toBe(letter.html);
    }
  });

  it.each([
    'ada@example.com\r\nBcc: eve@example.com',
    'ada@example.com, eve@example.com',
    'Eve <eve@example.com>',
    '"ada eve"@example.com',
    'ada@example.com>\r\nRCPT TO:<eve@example.com',
    'ada',
    '',
  ])('to %j goes to nobody', async (to) => {
    const server = await mailServer();
    const refused = { kind: 'failed', reason: 'recipient_refused', final: true };
    expect(await senderTo(server.port).send({ ...letter, to })).toEqual(refused);
    expect(server.received).toEqual([]);
  });

  it('has one subject line and no header that somebody smuggled in', async () => {
    const server = await mailServer();
    await senderTo(server.port).send({ ...letter, subject: 'Hello\r\nBcc: eve@example.com\r\n\r\nbody' });
    const [mail] = server.received;
    expect(mail?.to).toEqual(['ada@example.com']);
    const { headers } = readMail(mail?.raw ?? '');
    expect(headers.has('bcc')).toBe(false);
    expect(headers.get('subject')).toContain('Hello');
  });

  it('goes out after signing in with the name and password of the setting', async () => {
    const seen: string[] = [];
    const server = await mailServer({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth(auth, _session, done) {
        seen.push(`${auth.username} ${auth.password}`);
        done(null, { user: 'gatehouse' });
      },
    });
    expect(await senderTo(server.port, { login: 'gate%40house:p%2Fss@' }).send(letter)).toEqual({
      kind: 'sent',
    });
    expect(seen).toEqual(['gate@house p/ss']);
  });
});

describe('what a mail server answers', () => {
  const refusing = (at: 'onMailFrom' | 'onRcptTo' | 'onData', code: number): SMTPServerOptions => ({
    [at]: (given: unknown, _session: unknown, done: (error: Error) => void) => {
      if (at === 'onData') (given as NodeJS.ReadableStream).resume().on('end', () => done(smtpError(code)));
      else done(smtpError(code));
    },
  });
  const later = { kind: 'failed', final: false };
  const never = { kind: 'failed', final: true };

  it.each([
    ['550 to the recipient', refusing('onRcptTo', 550), { ...never, reason: 'recipient_refused' }],
    ['450 to the recipient', refusing('onRcptTo', 450), { ...later, reason: 'try_again_later' }],
    ['554 to the message', refusing('onData', 554), { ...never, reason: 'message_refused' }],
    ['452 to the message', refusing('onData', 452), { ...later, reason: 'try_again_later' }],
    [
      '553 to the sender, which is a setting',
      refusing('onMailFrom', 553),
      { ...later, reason: 'sender_refused' },
    ],
    ['451 to the sender', refusing('onMailFrom', 451), { ...later, reason: 'try_again_later' }],
    [
      '535 to the password, which is a setting',
      {
        authOptional: false,
        allowInsecureAuth: true,
        onAuth: (_auth, _session, done) => done(smtpError(535)),
      },
      { ...later, reason: 'sign_in_refused' },
    ],
    [
      '421 to the connection',
      { onConnect: (_session, done) => done(smtpError(421)) },
      { ...later, reason: 'try_again_later' },
    ],
  ] satisfies [string, SMTPServerOptions, object][])(
    'decides what becomes of it: %s',
    async (_case, options, outcome) => {
      const server = await mailServer(options);
      const login = options.authOptional === false ? { login: 'a:b@' } : {};
      expect(await senderTo(server.port, login).send(letter)).toEqual(outcome);
    },
  );

  it('does not end what is sent after it', async () => {
    let answers = 0;
    const server = await mailServer({
      onRcptTo(_address, _session, done) {
        answers += 1;
        done(answers === 1 ? smtpError(550) : null);
      },
    });
    const sender = senderTo(server.port);
    expect(await sender.send(letter)).toMatchObject({ final: true });
    expect(await sender.send(letter)).toEqual({ kind: 'sent' });
  });
});

describe('a mail server that does not behave', () => {
  const later = (reason: string) => ({ kind: 'failed', reason, final: false });

  it('is not there', async () => {
    expect(await senderTo(await freePort()).send(letter)).toEqual(later('unreachable'));
    expect(await senderTo(25, { host: 'mail.invalid', tls: 'if_offered' }).send(letter)).toEqual(
      later('unreachable'),
    );
  });

  it('says nothing', async () => {
    const server = await listener(() => {});
    const begun = performance.now();
    expect(await senderTo(server.port).send(letter)).toEqual(later('timeout'));
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('hangs in the middle of a mail', async () => {
    const server = await mailServer({ onData: (stream) => void stream.resume() });
    expect(await senderTo(server.port).send(letter)).toEqual(later('timeout'));
  });

  it('drops the line in the middle of a mail', async () => {
    const server = await listener((socket) => {
      socket.write('220 mail.example.com\r\n');
      socket.on('data', (chunk) => {
        if (String(chunk).startsWith('DATA')) socket.destroy();
        else socket.write('250 fine\r\n');
      });
    });
    expect(await senderTo(server.port).send(letter)).toEqual(later('connection_lost'));
  });

  it('talks nonsense', async () => {
    const server = await listener((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await senderTo(server.port).send(letter)).toMatchObject({ kind: 'failed', final: false });
  });

  it('shows a certificate that nobody trusts, or none', async () => {
    const server = await mailServer({ secure: true });
    expect(await senderTo(server.port, { scheme: 'smtps' }).send(letter)).toEqual(later('tls_failed'));
    const plain = await mailServer({ hideSTARTTLS: true });
    expect(await senderTo(plain.port, { scheme: 'smtps' }).send(letter)).toMatchObject(later('tls_failed'));
    expect([...server.received, ...plain.received]).toEqual([]);
  });

  it('is told nothing beyond this machine unless it speaks TLS', async () => {
    // Leads here, and is none of the names by which a machine calls itself.
    const server = await mailServer({ hideSTARTTLS: true });
    const beyond = { host: '[::ffff:127.0.0.1]' };
    expect(await senderTo(server.port, beyond).send(letter)).toEqual(later('tls_failed'));
    expect(server.received).toEqual([]);
    expect(await senderTo(server.port, { ...beyond, tls: 'if_offered' }).send(letter)).toEqual({
      kind: 'sent',
    });
  });

  it('is looked at without a mail', async () => {
    const server = await mailServer();
    expect(await senderTo(server.port).check()).toEqual({ kind: 'sent' });
    expect(await senderTo(await freePort()).check()).toEqual(later('unreachable'));
    expect(server.received).toEqual([]);
  });

  it('keeps nobody waiting who stops', async () => {
    const server = await listener(() => {});
    const sender = senderTo(server.port);
    const sending = sender.send(letter);
    await delay(50);
    const begun = performance.now();
    sender.close();
    expect(await sending).toMatchObject({ kind: 'failed', final: false });
    expect(performance.now() - begun).toBeLessThan(500);
  });
});
