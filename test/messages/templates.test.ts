// Every mail and text message, in every language, with the sample values of its table: nothing missing, nothing from afar.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { accentPalette } from '../../src/lib/colour.ts';
import { isTemplate, type MailTemplate, templateNames, templates } from '../../src/messages/templates.ts';
import { createWriting } from '../../src/messages/writing.ts';
import { createI18n } from '../../src/platform/i18n.ts';
import { createViews } from '../../src/platform/views.ts';
import { accessibilityFaults, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { needs } from '../support/tools.ts';

const root = join(import.meta.dirname, '..', '..');
const views = join(root, 'views');
const i18n = createI18n({ directories: [join(views, 'messages')] });
const writing = createWriting({
  views: createViews({ directories: [views] }),
  i18n,
  branding: { productName: 'Gatehouse', palette: accentPalette('#1f6f5c') },
  issuer: 'https://id.example.com',
});
const frame = ['layout', 'layout-text', 'block', 'notice'];
const sampleOf = (template: MailTemplate) => templates[template];
const everyMail = templateNames
  .filter((name) => !sampleOf(name).smsOnly)
  .flatMap((name) => i18n.locales.map((locale) => [name, locale] as const));
const everySms = templateNames
  .filter((name) => sampleOf(name).sms || sampleOf(name).smsOnly)
  .flatMap((name) => i18n.locales.map((locale) => [name, locale] as const));
const written = (template: MailTemplate, locale: string) =>
  writing.mail({ template, locale, values: sampleOf(template).values });

/** A key that came back as itself, a placeholder that nothing filled, or a value that is not there. */
const MISSING = /\bmail\.[a-z]|\{\w+\}|\bundefined\b|\bnull\b|\[object/;

describe.each(everyMail)('the mail %s in %s', (template, locale) => {
  it('has a subject of one line, and says the same as HTML and as text', () => {
    const { subject, html, text } = written(template, locale);
    expect(subject).toMatch(/^[^\r\n]{5,120}$/);
    for (const form of [subject, html.replace(/<style>[\s\S]*<\/style>/, ''), text])
      expect(form).not.toMatch(MISSING);
    expect(html).toContain(`<html lang="${locale}" dir="${i18n.direction(locale)}">`);
    expect(html.match(/<h1/g)).toHaveLength(1);
    for (const value of [sampleOf(template).values.code, sampleOf(template).values.link]) {
      if (value === undefined) continue;
      expect(text).toContain(value);
      expect(html).toContain(value);
    }
  });

  it('is small and loads nothing', () => {
    const { html, text } = written(template, locale);
    expect(Buffer.byteLength(html) + Buffer.byteLength(text)).toBeLessThan(100_000);
    expect(html).not.toMatch(/<(img|script|iframe|object|embed|link|video|form)\b|url\(|@import|\son\w+=/i);
  });

  it('escapes what it is given', () => {
    const values = Object.fromEntries(
      Object.entries(sampleOf(template).values).map(([name, value]) => [
        name,
        typeof value === 'string' && !/^https?:|^\d{4}-/.test(value)
          ? `<b>"x"</b>\r\nBcc: eve@example.com`
          : value,
      ]),
    );
    const { subject, html } = writing.mail({ template, locale, values });
    expect(html).not.toContain('<b>');
    expect(subject).not.toMatch(/[\r\n]/);
  });
});

describe.each(everySms.length > 0 ? everySms : [])('the text message %s in %s', (template, locale) => {
  it('fits into two parts of a text message, and lets phones fill in its code', () => {
    const { text } = writing.sms({ template, locale, values: sampleOf(template).values });
    expect(text).not.toMatch(MISSING);
    expect(text.length).toBeLessThan(300);
    const { code } = sampleOf(template).values;
    if (typeof code === 'string') expect(text.endsWith(`\n\n@id.example.com #${code}`)).toBe(true);
  });
});

describe('the table of templates', () => {
  it('has every template of views/mail, and the other way round', () => {
    const files = globSync('*.ejs', { cwd: join(views, 'mail') }).map((file) => file.replace(/\.ejs$/, ''));
    const mails = templateNames.filter((name) => !sampleOf(name).smsOnly && !sampleOf(name).view);
    expect(files.filter((name) => !frame.includes(name)).sort()).toEqual([...mails].sort());
  });

  it('has a sentence for nothing that no mail says', () => {
    const catalogue = JSON.parse(readFileSync(join(views, 'messages', 'en.json'), 'utf8')) as object;
    const said = globSync('mail/*.ejs', { cwd: views })
      .map((file) => readFileSync(join(views, file), 'utf8'))
      .join('\n');
    const silent = Object.keys(catalogue).filter((key) => {
      const [area, name = '', part = ''] = key.split('.');
      if (area !== 'mail') return false;
      if (isTemplate(name) && part === 'subject') return sampleOf(name).smsOnly === true;
      if (isTemplate(name) && part === 'sms') return !(sampleOf(name).sms || sampleOf(name).smsOnly);
      if (isTemplate(name) && part === 'lead' && sampleOf(name).view !== undefined) return false;
      return !said.includes(`'${key}'`) && !said.includes(key.replace(/\w+$/, '${'));
    });
    expect(silent).toEqual([]);
  });

  it('lets a folder of the operator replace a mail', () => {
    const own = createWriting({
      views: { part: (name) => (name === 'mail/layout-text' ? 'ours' : '') },
      i18n,
      branding: { productName: 'Gatehouse', palette: accentPalette('#1f6f5c') },
      issuer: 'https://id.example.com',
    });
    expect(own.mail({ template: 'verify-address', locale: 'en', values: {} }).text).toBe('ours');
  });
});

describe.skipIf(needs('chromium'))('mails in a browser', () => {
  const chromium = useChromium();

  // Those of one view differ in their sentences only.
  const looks = [...Map.groupBy(templateNames, (name) => sampleOf(name).view ?? name).values()]
    .flatMap(([name]) => name ?? [])
    .filter((name) => !sampleOf(name).smsOnly);

  it.each([
    ['dark, on a phone, in German', 'dark', 360, 'de'],
    ['light, on a desk, in English', 'light', 1280, 'en'],
  ] as const)(
    'have no accessibility fault and fit the window: %s',
    async (_case, colorScheme, width, locale) => {
      const { page } = await chromium.open({ colorScheme, viewport: { width, height: 800 } });
      for (const template of looks) {
        await page.setContent(written(template, locale).html);
        expect(await accessibilityFaults(page), template).toEqual([]);
        expect(await sidewaysScroll(page), template).toBe(0);
      }
    },
    120_000,
  );
});
