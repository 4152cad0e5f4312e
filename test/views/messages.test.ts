// The catalogue holds every sentence in every language, and every sentence that the pages and the error table ask for.

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errors } from '../../src/vocabulary/errors.ts';

const views = join(import.meta.dirname, '..', '..', 'views');
const read = (locale: string): Record<string, string> =>
  JSON.parse(readFileSync(join(views, 'messages', `${locale}.json`), 'utf8'));
const english = read('en');
const german = read('de');
const placeholders = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([all]) => all).sort();

// What a person can meet while using the hosted pages; the rest is only answered to programs.
const forPeople = [
  ...['internal_error', 'server_busy', 'database_unavailable', 'not_found', 'method_not_allowed'],
  ...['request_invalid', 'body_malformed', 'body_too_large', 'content_type_unsupported', 'rate_limited'],
  ...['form_expired', 'cross_site_request', 'identifier_taken', 'identifier_invalid', 'password_too_short'],
  ...[
    'password_too_long',
    'password_common',
    'password_contextual',
    'password_reused',
    'password_breached',
    'session_not_found',
  ],
  ...['setup_link_invalid', 'permission_denied', 'authentication_required'],
];

const oauthErrors = [
  ...['access_denied', 'invalid_client', 'invalid_redirect_uri', 'invalid_request', 'invalid_request_uri'],
  ...['unauthorized_client', 'unsupported_response_type', 'invalid_scope', 'invalid_target', 'server_error'],
  ...['temporarily_unavailable', 'session_not_found', 'other'],
];

describe('the message catalogue', () => {
  it('has the same keys in English and German, in the same order', () => {
    expect(Object.keys(german)).toEqual(Object.keys(english));
  });

  it('has the same placeholders in both languages, and no empty sentence', () => {
    for (const [key, text] of Object.entries(english)) {
      expect(placeholders(german[key] ?? ''), key).toEqual(placeholders(text));
      expect(text.trim(), key).not.toBe('');
      expect(german[key]?.trim(), key).not.toBe('');
    }
  });

  it('uses the quotation marks and apostrophes of each language', () => {
    for (const [key, text] of Object.entries(english)) expect(text, key).not.toMatch(/["'„]| {2}/);
    for (const [key, text] of Object.entries(german)) expect(text, key).not.toMatch(/["'”]|\bß?du\b| {2}/);
  });

  it('has every sentence that a template names', () => {
    for (const file of globSync('**/*.ejs', { cwd: views })) {
      const source = readFileSync(join(views, file), 'utf8');
      for (const [, key] of source.matchAll(/'([a-zA-Z]+(?:\.[a-zA-Z_]+)+)'/g)) {
        if (/\.(svg|css|js)$/.test(key ?? '')) continue;
        expect(Object.keys(english), `${file} asks for ${key}`).toContain(key);
      }
    }
  });

  it('has no sentence that nothing says', () => {
    const root = join(views, '..');
    const files = globSync(['views/**/*.{ejs,js}', 'src/**/*.ts', 'scripts/preview-samples.ts'], {
      cwd: root,
    });
    const sources = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
    // Keys with a changing end: `error.oauth.${code}`.
    const beginnings = [...sources.matchAll(/[`']([a-zA-Z.]+\.)\$\{/g)].map(
      ([, beginning = '']) => beginning,
    );
    const silent = Object.keys(english).filter(
      (key) => !sources.includes(`'${key}'`) && !beginnings.some((beginning) => key.startsWith(beginning)),
    );
    expect(silent).toEqual([]);
  });

  it('has a sentence for every error that a person can meet on a page', () => {
    for (const code of forPeople) {
      expect(Object.keys(errors)).toContain(code);
      expect(Object.keys(english)).toContain(`error.${code}`);
    }
    for (const code of oauthErrors) expect(Object.keys(english)).toContain(`error.oauth.${code}`);
  });

  it('does not tell at sign-in whether an account exists', () => {
    expect(english['login.error.refused']).toContain('That combination of name and password is not right.');
    for (const text of [english['login.error.refused'], english['login.error.locked']]) {
      expect(text).not.toMatch(/account|exist|unknown|suspended|locked/i);
    }
  });
});
