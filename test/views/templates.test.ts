// Every template renders in every state and language, escapes what it is given, and obeys the page's content policy.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createPreview, renderSample } from '../../scripts/preview-pages.ts';
import { type Sample, samples } from '../../scripts/preview-samples.ts';

const assets = join(import.meta.dirname, '..', '..', 'views', 'assets');
const preview = createPreview();
const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(2)>\u0000{client}<%= 7 * 7 %>`;
// These choose a sentence or a picture and never come from outside.
const chosenByUs = /^(error|hint|way|kind|reason|outcome|headingKey|messageKey|sentenceKey|fieldErrors)$/;

// HTML, §4.10.18.7.1: a token that is none of these does nothing. `webauthn` stands last, beside one of the others.
const autofillFields = [
  ...['off', 'on', 'name', 'honorific-prefix', 'given-name', 'additional-name', 'family-name', 'nickname'],
  ...['username', 'new-password', 'current-password', 'one-time-code', 'webauthn', 'organization', 'photo'],
  ...['street-address', 'address-line1', 'address-level1', 'address-level2', 'country', 'country-name'],
  ...['postal-code', 'language', 'bday', 'sex', 'url', 'tel', 'tel-national', 'email'],
];

/** The model with every text in it replaced, but for those that the server itself chooses. */
function poisoned(value: unknown, poison: string): unknown {
  if (typeof value === 'string') return poison;
  if (Array.isArray(value)) return value.map((item) => poisoned(item, poison));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      chosenByUs.test(key) ? inner : poisoned(inner, poison),
    ]),
  );
}

const withModel = (sample: Sample, poison: string): Sample => ({
  ...sample,
  model: poisoned(sample.model, poison) as Record<string, unknown>,
});

describe.each(samples.map((sample) => [sample.name, sample] as const))('%s', (_name, sample) => {
  it.each(['en', 'de'])('renders in %s with one heading and one main part', (locale) => {
    const html = renderSample(preview, sample, { locale });
    expect(html).toContain(`<html lang="${locale}" dir="ltr" id="page">`);
    expect(html.match(/<h1>/g)).toHaveLength(1);
    expect(html.match(/<main /g)).toHaveLength(1);
    const named = sample.titleKey !== null;
    expect(html).toMatch(named ? /<title>[^<]+ · Gatehouse<\/title>/ : /<title>Gatehouse<\/title>/);
    expect(html).not.toMatch(/undefined|\[object |>null<|\{\w+\}(?![^<]*<\/style>)/);
  });

  it('gives every form the token against forged requests', () => {
    const html = renderSample(preview, sample, { locale: 'en' });
    for (const form of html.match(/<form[\s\S]*?<\/form>/g) ?? []) {
      expect(form).toContain('method="post"');
      expect(form).toContain('name="csrf"');
    }
  });

  it('tells password managers and browsers what each field is for', () => {
    const html = renderSample(preview, sample, { locale: 'en' });
    for (const [tag] of html.matchAll(/<(?:input|select|textarea)\b[^>]*>/g)) {
      if (/type="(?:hidden|radio|checkbox|submit)"/.test(tag)) continue;
      expect(tag).toMatch(/autocomplete="[^"]+"/);
      for (const token of /autocomplete="([^"]*)"/.exec(tag)?.[1]?.split(' ') ?? []) {
        expect(autofillFields, tag).toContain(token);
      }
    }
  });

  it('asks for nothing that the content policy forbids', () => {
    const html = renderSample(preview, sample, { locale: 'en', nonce: 'n0nce' });
    expect(html).not.toMatch(/\sstyle=|\son\w+=|javascript:/i);
    for (const [tag] of html.matchAll(/<(?:script|style)[^>]*>/g)) expect(tag).toContain('nonce="n0nce"');
  });

  it('escapes hostile text wherever it appears', () => {
    const html = renderSample(preview, withModel(sample, hostile), { locale: 'en' });
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('<img src=x');
    expect(html).not.toContain(`"'>`);
    expect(html).not.toContain('>49<');
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    '//evil.example',
    '/\\evil.example',
  ])('makes no link to %s', (address) => {
    const html = renderSample(preview, withModel(sample, address), { locale: 'en' });
    for (const [, href] of html.matchAll(/<a[^>]*href="([^"]*)"/g))
      expect(href).toMatch(/^(https?:\/\/|\/(?!\/)|#[a-z-]+$)/);
  });
});

describe('a form', () => {
  it('leads below the path of the issuer, and is left alone when it has a full address', () => {
    const login = samples[0] as Sample;
    const settings = { locale: 'en', basePath: '/id' };
    const html = renderSample(
      preview,
      { ...login, model: { ...login.model, action: '/x', cancelAction: 'https://id.example/c?a="' } },
      settings,
    );
    expect(html).toContain('action="/id/x"');
    expect(html).toContain('action="https://id.example/c?a=&#34;"');
  });

  it('carries the set-up link along', () => {
    const setup = samples.find(({ name }) => name === 'setup-errors') as Sample;
    expect(renderSample(preview, setup, { locale: 'en' })).toContain('name="setup_link" value="sample"');
  });
});

describe('the layout', () => {
  const login = samples[0] as Sample;

  it('says in the title that a form was refused', () => {
    const refused = samples.find(({ name }) => name === 'login-refused') as Sample;
    expect(renderSample(preview, refused, { locale: 'en' })).toContain(
      '<title>Error: Sign in · Gatehouse</title>',
    );
  });

  it('shows the logo and the accent colour of the operator', () => {
    const html = renderSample(preview, login, {
      locale: 'en',
      accentColor: '#8a1c4a',
      logoUrl: '/brand"/.svg',
    });
    expect(html).toContain('<img src="/brand&#34;/.svg" alt="">');
    expect(html).toContain('--button:#8a1c4a');
  });

  it('never puts a typed password back into the page', () => {
    const html = renderSample(
      preview,
      { ...login, model: { ...login.model, password: 'canary' } },
      { locale: 'en' },
    );
    expect(html).not.toContain('canary');
    expect(html).toMatch(/<input[^>]*type="password"(?![^>]*value=)/);
  });
});

describe('what a page is made of', () => {
  const read = (name: string) => readFileSync(join(assets, name), 'utf8');
  const shared = ['app.css', 'dark.css', 'contrast.css', 'account.css', 'app.js'];

  it('loads nothing from elsewhere', () => {
    for (const name of shared) expect(read(name), name).not.toMatch(/url\(|@import|@font-face|https?:/);
  });

  it.each(samples.map((sample) => [sample.name, sample] as const))(
    'is less than 50 kB with all that it loads: %s',
    (_name, sample) => {
      const html = renderSample(preview, sample, { locale: 'de' });
      const all = [html, ...shared.map(read)].join('');
      expect(Buffer.byteLength(all)).toBeLessThan(50 * 1000);
    },
  );
});
