// Turns a template and its values into a mail or a text message. A template says what stands in it, block by block; how a
// block looks in HTML and as text is the business of the two layouts.
import type { I18n, Translate } from '../platform/i18n.ts';
import type { Views } from '../platform/views.ts';
import { type MailTemplate, templates } from './templates.ts';

type Block =
  | { kind: 'paragraph' | 'quiet' | 'code'; text: string }
  | { kind: 'button'; label: string; href: string }
  | { kind: 'facts'; facts: readonly { label: string; text: string }[] };

export interface Writing {
  mail(message: Written): { subject: string; html: string; text: string };
  sms(message: Written): { text: string };
  /** The first of these languages that is spoken here, else that of the server. */
  localeOf(...wanted: (string | null)[]): string;
}

export interface Written {
  template: MailTemplate;
  locale: string;
  values: Readonly<Record<string, unknown>>;
}

export interface WritingDeps {
  views: Pick<Views, 'part'>;
  i18n: I18n;
  /** What the layouts read of it is their business. */
  branding: { productName: string; [more: string]: unknown };
  issuer: string;
}

export function createWriting(deps: WritingDeps): Writing {
  const { views, i18n, branding, issuer } = deps;
  const { host } = new URL(issuer);

  const wordsOf = ({ locale, values }: Written): Translate => {
    const translate = i18n.translator(locale);
    const known = { product: branding.productName, site: host, ...plain(values) };
    return (key, more) => translate(key, { ...known, ...more });
  };

  return {
    localeOf: (...wanted) =>
      i18n.negotiate(wanted.filter((tag) => tag !== null).join(' ') || undefined, undefined),

    mail(message) {
      const { template, locale, values } = message;
      const t = wordsOf(message);
      const blocks: Block[] = [];
      const moment = (iso: string, zone?: string | null) => momentIn(locale, iso, zone ?? 'UTC');
      const given = { ...blockWords(blocks), t, moment, template, values, branding, issuer, locale };
      views.part(`mail/${templates[template].view ?? template}`, given);
      const subject = oneLine(t(`mail.${template}.subject`));
      const dir = i18n.direction(locale);
      const frame = { t, locale, dir, branding, issuer, subject, blocks };
      return { subject, html: views.part('mail/layout', frame), text: views.part('mail/layout-text', frame) };
    },

    sms(message) {
      const { code } = message.values;
      const text = oneLine(wordsOf(message)(`mail.${message.template}.sms`));
      // The line by which browsers fill in a code on this site alone (WICG, origin-bound one-time codes).
      return { text: typeof code === 'string' ? `${text}\n\n@${host} #${code}` : text };
    },
  };
}

/** What a template calls; each adds one block. */
function blockWords(blocks: Block[]) {
  const add = (block: Block): void => {
    blocks.push(block);
  };
  return {
    paragraph: (text: string) => add({ kind: 'paragraph', text }),
    quiet: (text: string) => add({ kind: 'quiet', text }),
    code: (text: string) => add({ kind: 'code', text }),
    button: (label: string, href: string) => {
      if (!/^https?:\/\//.test(href)) throw new Error('a button of a mail leads to a web page');
      add({ kind: 'button', label, href });
    },
    facts: (facts: readonly { label: string; text: string | null | undefined }[]) => {
      const known = facts.flatMap(({ label, text }) => (text ? [{ label, text }] : []));
      if (known.length > 0) add({ kind: 'facts', facts: known });
    },
  };
}

/** What a sentence of the catalogue may name: words and numbers. */
function plain(values: Readonly<Record<string, unknown>>): Record<string, string | number> {
  const entries = Object.entries(values).filter(
    (entry): entry is [string, string | number] =>
      typeof entry[1] === 'string' || typeof entry[1] === 'number',
  );
  return Object.fromEntries(entries);
}

/** A header has one line, whatever a name in it holds. */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim();
}

/** In words, with its time zone: a mail is read anywhere. */
function momentIn(locale: string, iso: string, timeZone: string): string {
  const day = { day: 'numeric', month: 'long', year: 'numeric' } as const;
  const time = { hour: '2-digit', minute: '2-digit', timeZone, timeZoneName: 'short' } as const;
  return new Intl.DateTimeFormat(locale, { ...day, ...time }).format(new Date(iso));
}
