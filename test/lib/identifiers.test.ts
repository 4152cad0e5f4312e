// What is accepted as a mail address, user name or name, and when two of them are the same.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  foldCase,
  normalizeIdentifier,
  parseEmail,
  parseName,
  parseUsername,
} from '../../src/lib/identifiers.ts';

const anyText = fc.string({ unit: 'binary', maxLength: 300 });

describe('normalisation', () => {
  it('of a normalised identifier changes nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const once = normalizeIdentifier(text);
        if (once !== undefined) expect(normalizeIdentifier(once)).toBe(once);
      }),
      { numRuns: 5000 },
    );
  });

  it('of folded text changes nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(foldCase(foldCase(text))).toBe(foldCase(text));
      }),
      { numRuns: 5000 },
    );
  });

  it('never lets a user name become a mail address', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(parseUsername(text)?.normalized ?? '').not.toContain('@');
      }),
      { numRuns: 2000 },
    );
  });

  it('leaves nothing that PostgreSQL or a page could stumble over', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const parsed of [parseEmail(text), parseUsername(text)]) {
          expect(parsed?.value ?? '').not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\s]/u);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['Ada@Example.COM', 'ada@example.com'],
    ['  ada@example.com\n', 'ada@example.com'],
    ['ada＠example．com', 'ada@example.com'],
    ['ada@bücher.example', 'ada@xn--bcher-kva.example'],
    ['STRASSE@example.com', 'straße@example.com'],
    ['İstanbul', 'i̇stanbul'],
    ['ΟΔΟΣ', 'οδος'],
    ['Å', 'Å'],
    ['ﬁona', 'FIONA'],
  ])('takes %j and %j for the same', (one, other) => {
    expect(normalizeIdentifier(one)).toBe(normalizeIdentifier(other));
    expect(normalizeIdentifier(one)).toBeDefined();
  });
});

describe('a mail address', () => {
  it('is kept as typed beside its compared form', () => {
    expect(parseEmail(' Ada.L@Example.com ')).toEqual({
      kind: 'email',
      value: 'Ada.L@Example.com',
      normalized: 'ada.l@example.com',
    });
  });

  it.each(['admin@localhost', "o'brien+tag@example.com", 'ада@пример.example'])('accepts %s', (address) => {
    expect(parseEmail(address)).toBeDefined();
  });

  it.each([
    ['no at sign', 'ada'],
    ['no local part', '@example.com'],
    ['no domain', 'ada@'],
    ['two at signs', 'ada@x@example.com'],
    ['a space', 'a da@example.com'],
    ['a null byte', 'ada\0@example.com'],
    ['a line break', 'ada@example.com\r\nBcc: x@example.com'],
    ['a bidi control', 'ada\u202e@example.com'],
    ['a zero-width space', 'a\u200bda@example.com'],
    ['a soft hyphen', 'a\u00adda@example.com'],
    ['a Hangul filler', 'a\u3164da@example.com'],
    ['a lone surrogate', 'a\ud800@example.com'],
    ['an empty label', 'ada@example..com'],
    ['two dots', 'a..da@example.com'],
    ['a quoted local part', '"ada"@example.com'],
    ['an address literal', 'ada@[127.0.0.1]'],
    ['a name beside the address', 'Ada <ada@example.com>'],
    ['a local part of 65 characters', `${'a'.repeat(65)}@example.com`],
    ['more than 254 characters', `ada@${'a'.repeat(60)}.${'b.'.repeat(100)}com`],
    ['10,000 characters', `${'a'.repeat(10_000)}@example.com`],
  ])('is refused with %s', (_what, address) => {
    expect(parseEmail(address)).toBeUndefined();
  });
});

describe('a user name', () => {
  it.each(['ada', 'Ada.Lovelace', '愛', "d'arc", '<script>'])('accepts %s', (name) => {
    expect(parseUsername(name)).toBeDefined();
  });

  it.each([
    ['an at sign', 'ada@home'],
    ['a full-width at sign', 'ada＠home'],
    ['a small at sign', 'ada﹫home'],
    ['nothing in it', ' \t'],
    ['a no-break space', 'ada\u00a0l'],
    ['an ogham space', 'ada\u1680l'],
    ['a braille blank', 'ada\u2800l'],
    ['a null byte', 'ada\0'],
    ['the form of an account id', 'acc_01hzzzzzzzzzzzzzzzzzzzzzzz'],
    ['255 characters', 'a'.repeat(255)],
    ['a text that grows when normalised', '\ufdfa'.repeat(30)],
  ])('is refused with %s', (_what, name) => {
    expect(parseUsername(name)).toBeUndefined();
  });
});

describe('a display name', () => {
  it('is trimmed and composed', () => {
    expect(parseName('  Ame\u0301lie ')).toBe('Am\u00e9lie');
  });

  it('may hold markup and joiners, which pages escape', () => {
    expect(parseName('<b>علی\u200cرضا</b>')).toBe('<b>علی\u200cرضا</b>');
  });

  it.each([
    ['nothing', '  '],
    ['a control character', 'Ada\u0007'],
    ['a bidi override', 'Ada\u202e'],
    ['a null byte', 'Ada\0'],
    ['201 characters', 'a'.repeat(201)],
  ])('is refused with %s', (_what, name) => {
    expect(parseName(name)).toBeUndefined();
  });
});
