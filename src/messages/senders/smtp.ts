// Mail by SMTP. What the server answers is sorted into what may work later and what never will.
import { createTransport, type NodemailerError } from 'nodemailer';
import { isLoopbackHost } from '../../lib/url.ts';
import type { Letter } from '../schema.ts';
import { failed, type MailSender, type Problem, refused, type Sent } from './sender.ts';

export interface SmtpSettings {
  readonly url: string;
  readonly tls: 'required' | 'if_offered';
  readonly timeoutSeconds: number;
  readonly from: string;
}

const CONNECTIONS = 4;
/** Less than the lease of the outbox, so that no two nodes send one message at the same time. */
const WHOLE_ATTEMPT_MILLISECONDS = 120_000;
/** One address and nothing else: no list, no name, no second header. */
const ADDRESS = /^[^\s\p{Cc}<>()[\],;:"\\@]+@[^\s\p{Cc}<>()[\],;:"\\@]+$/u;

export function createSmtpSender(settings: SmtpSettings): MailSender {
  const transport = createTransport(optionsOf(settings));
  const { domain } = senderOf(settings.from);
  const closing = new AbortController();
  return {
    kind: 'smtp',
    async send(letter) {
      if (!ADDRESS.test(letter.to)) return refused('recipient_refused');
      try {
        await transport.sendMail({
          ...mailOf(letter, settings.from, domain),
          signal: AbortSignal.any([AbortSignal.timeout(WHOLE_ATTEMPT_MILLISECONDS), closing.signal]),
        });
        return { kind: 'sent' };
      } catch (error) {
        return outcomeOf(error as NodemailerError);
      }
    },
    async check() {
      try {
        await transport.verify();
        return { kind: 'sent' };
      } catch (error) {
        return outcomeOf(error as NodemailerError);
      }
    },
    close() {
      closing.abort();
      transport.close();
    },
  };
}

function optionsOf({ url, tls, timeoutSeconds }: SmtpSettings) {
  const { protocol, hostname, port, username, password } = new URL(url);
  const secure = protocol === 'smtps:';
  const local = isLoopbackHost(hostname);
  const milliseconds = timeoutSeconds * 1000;
  return {
    pool: true as const,
    maxConnections: CONNECTIONS,
    // The outbox tries again by itself, and counts.
    maxRequeues: 0,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (secure ? 465 : 587),
    secure,
    // RFC 8314: nothing readable beyond this machine. On it, many servers offer a certificate that nobody signed.
    requireTLS: !secure && tls === 'required' && !local,
    tls: { minVersion: 'TLSv1.2' as const, rejectUnauthorized: secure || !local },
    ...(username === ''
      ? {}
      : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    connectionTimeout: milliseconds,
    greetingTimeout: milliseconds,
    socketTimeout: milliseconds,
    dnsTimeout: milliseconds,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function senderOf(from: string): { domain: string } {
  return { domain: /@([^\s>]+)>?$/.exec(from)?.[1] ?? 'localhost' };
}

function mailOf(letter: Letter, from: string, domain: string) {
  const { id, to, subject, html, text, locale } = letter;
  return {
    from,
    to: { name: '', address: to },
    subject,
    text,
    html,
    // The same at each attempt: a server that took it already, and whose answer was lost, can tell.
    messageId: `<${id}@${domain}>`,
    headers: {
      // RFC 3834: no machine answers.
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'Content-Language': locale,
    },
  };
}

const BY_CODE: Readonly<Record<string, Problem>> = {
  EAUTH: 'sign_in_refused',
  ENOAUTH: 'sign_in_refused',
  ETLS: 'tls_failed',
  ETIMEDOUT: 'timeout',
  EABORT: 'timeout',
  EDNS: 'unreachable',
  ECONNECTION: 'connection_lost',
};

function outcomeOf(error: NodemailerError): Sent {
  const { code = '', command = '', responseCode, permanent, originalCode = '' } = error;
  // Whom it is from, and who may send at all, are settings: they can be mended, and then it goes out.
  if (code === 'EENVELOPE' && command.startsWith('MAIL'))
    return failed(permanent ? 'sender_refused' : 'try_again_later');
  if (code === 'EENVELOPE' && (permanent || responseCode === undefined)) return refused('recipient_refused');
  if (code === 'EMESSAGE' && permanent) return refused('message_refused');
  if (BY_CODE[code] !== undefined) return failed(BY_CODE[code]);
  if (responseCode !== undefined && responseCode >= 400 && responseCode < 500)
    return failed('try_again_later');
  if (code === 'ESOCKET') {
    if (/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)$/.test(originalCode))
      return failed('unreachable');
    if (/^(ECONNRESET|EPIPE)$/.test(originalCode)) return failed('connection_lost');
    if (/CERT|SSL|TLS/.test(originalCode)) return failed('tls_failed');
  }
  return failed('other');
}
