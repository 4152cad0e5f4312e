// Any string explained offline: keys of ours, what becomes of them on the way, and those of others.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { program } from '../../src/cli.ts';
import { explain } from '../../src/compromise/explain.ts';
import { API_KEY_PATTERN, newApiKey } from '../../src/lib/api-key-format.ts';
import { newId } from '../../src/lib/ids.ts';
import { runCommandLine } from '../../src/platform/command-line/run.ts';
import { testTerminal } from '../support/terminal.ts';

const id = newId('key');
const key = newApiKey(id);
const lastChanged = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;

describe('explain', () => {
  it.each([
    ['a whole key', key, 'key', true],
    ['a key in quotes and blanks', ` "${key}"\n`, 'key', true],
    ['a key in a header', `Authorization: Bearer ${key}`, 'surrounded', true],
    ['a key in a setting', `API_KEY=${key};`, 'surrounded', true],
    ['a key that was cut off', key.slice(0, -1), 'truncated', true],
    ['a key of which only the id is left', key.slice(0, 30), 'truncated', true],
    ['a key in lower case', key.toLowerCase(), 'case_changed', true],
    ['a key in upper case', key.toUpperCase(), 'case_changed', true],
    ['a key with a changed character', lastChanged, 'checksum_wrong', true],
    ['a key with something added', `${key}x`, 'too_long', true],
    ['a key with a sentence after it', `${key}. Keep it safe`, 'surrounded', true],
    ['a key with a strange character', `${key.slice(0, 40)}-${key.slice(41)}`, 'characters_changed', true],
    ['the id of a key', id, 'key_id', false],
    ['a JWT', 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0123.c2lnbmF0dXJl', 'jwt', false],
    ['nothing', '  ', 'empty', false],
    ['a word', 'hunter2', 'unknown', false],
  ])('knows %s', (_what, text, finding, ours) => {
    expect(explain(text)).toMatchObject({ finding, ours, product: null });
  });

  it.each([
    ['Stripe', `sk_live_${'4eC39HqLyjWDarjtT1zdp7dc'}`],
    ['GitHub', `ghp_${'a1B2'.repeat(9)}`],
    ['GitHub', `github_pat_${'a1B2'.repeat(9)}`],
    ['GitLab', `glpat-${'a1B2'.repeat(5)}`],
    ['Amazon Web Services', 'AKIAIOSFODNN7EXAMPLE'],
    ['Google Cloud', `AIza${'Sy1_'.repeat(9)}`.slice(0, 39)],
    ['Slack', `xoxb-${'1234-'.repeat(4)}abc`],
    ['OpenAI', `sk-proj-${'a1B2'.repeat(9)}`],
    ['Anthropic', `sk-ant-api03-${'a1B2'.repeat(9)}`],
    ['npm', `npm_${'a1B2'.repeat(9)}`],
  ])('knows a key of %s by its beginning', (product, text) => {
    expect(explain(text)).toMatchObject({ finding: 'other_product', ours: false, product, keyId: null });
  });

  it('reads the public id as long as it is whole', () => {
    for (const text of [key, lastChanged, key.toUpperCase(), key.slice(0, 31), `x ${key}`]) {
      expect(explain(text).keyId).toBe(id);
    }
    expect(explain(key.slice(0, 20)).keyId).toBeNull();
  });

  it('says something about every string, and never quotes it', () => {
    const texts = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.nat(80), fc.string({ maxLength: 3 }))
        .map(([at, put]) => key.slice(0, at) + put + key.slice(at + 1)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const told = explain(text);
        expect(told.sentence.length).toBeGreaterThan(10);
        expect(JSON.stringify(told)).not.toContain(key.slice(31));
        if (told.finding === 'key')
          expect(API_KEY_PATTERN.test(text.trim().replace(/^["'`]|["'`]$/g, ''))).toBe(true);
      }),
    );
  });
});

describe('gatehouse key inspect', () => {
  it('AK2 explains without server, call or configuration, from the line and from standard input', async () => {
    const whole = testTerminal('');
    expect(await runCommandLine(program, ['key', 'inspect', key], whole)).toBe(0);
    const piped = testTerminal(`${lastChanged}\n`);
    expect(await runCommandLine(program, ['key', 'inspect', '--json'], piped)).toBe(1);
    expect(JSON.parse(piped.out())).toMatchObject({ finding: 'checksum_wrong', ours: true, keyId: id });
    for (const said of [whole.out(), whole.err(), piped.out(), piped.err()]) {
      expect(said).not.toContain(key.slice(31, -1));
    }
  });
});

describe('the documented pattern', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/api-keys.md'), 'utf8');
  const patterns = [...page.matchAll(/\\b\(?(gth_[^\s'"`]*?)\)?\\b/g)].map(([, text]) => text ?? '');

  it('AK2 finds keys in every rule file of docs/api-keys.md, and nothing that only looks like one', () => {
    expect(patterns.length).toBeGreaterThanOrEqual(3);
    for (const pattern of patterns) {
      const rule = new RegExp(`\\b(${pattern})\\b`, 'g');
      for (let turn = 0; turn < 50; turn += 1) {
        const one = newApiKey(newId('key'));
        expect(`token: "${one}", x=${one}\n${one}`.match(rule)).toEqual([one, one, one]);
      }
      expect(key.toUpperCase().match(rule)).toBeNull();
      expect(key.slice(0, -1).match(rule)).toBeNull();
      expect(`${key}x`.match(rule)).toBeNull();
      expect(id.match(rule)).toBeNull();
    }
  });

  it('has an example whose checksum fits', () => {
    const examples = [...page.matchAll(/\bgth_[0-9a-z]{26}_[0-9A-Za-z]{38}\b/g)].map(([text]) => text);
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) expect(explain(example).finding).toBe('key');
  });
});
