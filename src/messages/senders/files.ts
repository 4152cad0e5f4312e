// Mails and text messages as files, for the machine of a developer: readable by eye, by a mail program, and by the page
// that lists them.
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Letter, ShortMessage } from '../schema.ts';
import { failed, type MailSender, type Sender, type Sent, type SmsSender } from './sender.ts';

export interface OutboxFile {
  readonly id: string;
  readonly channel: 'mail' | 'sms';
  readonly to: string;
  /** ISO 8601. */
  readonly date: string;
  readonly subject: string;
  readonly template: string;
  readonly text: string;
  /** null: a text message. */
  readonly html: string | null;
}

export interface OutboxFolder {
  readonly path: string;
  readonly mail: MailSender;
  readonly sms: SmsSender;
  /** The newest first. */
  list(): Promise<OutboxFile[]>;
  find(id: string): Promise<OutboxFile | undefined>;
}

/** Older ones are removed. */
const KEPT = 500;
const FILE = /^(msg_[0-9a-z]{26})\.(eml|txt)$/;

export function createOutboxFolder(settings: { path: string; from: string; now: () => Date }): OutboxFolder {
  const { path, from, now } = settings;

  async function put(name: string, text: string): Promise<Sent> {
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      // Whole or not at all, for whoever looks at the same moment; and for nobody else, because links and codes are in it.
      await writeFile(join(path, `${name}.part`), text, { mode: 0o600 });
      await rename(join(path, `${name}.part`), join(path, name));
      const old = (await names()).slice(KEPT);
      await Promise.all(old.map((other) => rm(join(path, other), { force: true })));
      return { kind: 'sent' };
    } catch {
      return failed('other');
    }
  }

  /** Ids begin with their time. */
  async function names(): Promise<string[]> {
    const all = await readdir(path).catch(() => []);
    return all
      .filter((name) => FILE.test(name))
      .sort()
      .reverse();
  }

  async function read(name: string): Promise<OutboxFile[]> {
    const text = await readFile(join(path, name), 'utf8').catch(() => undefined);
    return text === undefined ? [] : [fileOf(name, text)];
  }

  const sender: Sender = { kind: 'files', check: async () => ({ kind: 'sent' }), close: () => {} };
  return {
    path,
    mail: {
      ...sender,
      send: (letter) => put(`${letter.id}.eml`, mailText(letter, from, now())),
    },
    sms: {
      ...sender,
      send: (message) => put(`${message.id}.txt`, smsText(message, now())),
    },
    list: async () => (await Promise.all((await names()).map(read))).flat(),
    async find(id) {
      const name = (await names()).find((one) => one.startsWith(`${id}.`));
      return name === undefined ? undefined : (await read(name))[0];
    },
  };
}

/** RFC 6532: headers and parts are UTF-8 as they are, so that `cat` shows what a person would read. */
function mailText(letter: Letter, from: string, date: Date): string {
  const boundary = letter.id;
  const part = (type: string, text: string) =>
    `--${boundary}\nContent-Type: ${type}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n${text.trimEnd()}\n`;
  return [
    `From: ${from}`,
    ...head(letter, date),
    `Subject: ${letter.subject}`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    `Content-Type: multipart/alternative; boundary="${boundary}"`,
    '',
    `${part('text/plain', letter.text)}${part('text/html', letter.html)}--${boundary}--\n`,
  ].join('\n');
}

function smsText(message: ShortMessage, date: Date): string {
  return [...head(message, date), '', message.text, ''].join('\n');
}

function head({ to, locale, template }: ShortMessage, date: Date): string[] {
  return [
    `To: ${to}`,
    `Date: ${date.toUTCString()}`,
    `Content-Language: ${locale}`,
    `X-Template: ${template}`,
  ];
}

function fileOf(name: string, text: string): OutboxFile {
  const [, id = '', kind] = FILE.exec(name) ?? [];
  const end = text.indexOf('\n\n');
  const headers = new Map(
    text
      .slice(0, end)
      .split('\n')
      .map((line): [string, string] => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 2),
      ]),
  );
  const body = text.slice(end + 2);
  const [, plain = '', html = ''] = body.split(`--${id}`).map((part) => part.slice(part.indexOf('\n\n') + 2));
  return {
    id,
    channel: kind === 'eml' ? 'mail' : 'sms',
    to: headers.get('to') ?? '',
    date: new Date(headers.get('date') ?? 0).toISOString(),
    subject: headers.get('subject') ?? '',
    template: headers.get('x-template') ?? '',
    text: kind === 'eml' ? plain.trimEnd() : body.trimEnd(),
    html: kind === 'eml' ? html.trimEnd() : null,
  };
}
