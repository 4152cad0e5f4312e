// What a new password must be, and the shipped list.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createBlocklist } from '../../src/credentials/password/blocklist.ts';
import { isPatterned } from '../../src/credentials/password/patterns.ts';
import { refusalOf } from '../../src/credentials/password/policy.ts';

const blocklist = createBlocklist();
const rules = {
  minimumLength: 15,
  maximumLength: 256,
  contextWords: ['Gatehouse', 'ada.lovelace@example.com', 'Ada Lovelace', 'Müller-Lüdenscheidt'],
  isListed: (folded: string) => blocklist.has(folded),
};

describe('a new password', () => {
  it.each([
    ['fourteen chars', 'password_too_short'],
    ['ünïcödé 14 pts', 'password_too_short'],
    ['\u{1f511}'.repeat(14), 'password_too_short'],
    [`${'x9'.repeat(128)}y`, 'password_too_long'],
    ['mermermermermer12', 'password_common'],
    ['PasswordPassword', 'password_common'],
    ['abcdefghijklmnop', 'password_common'],
    ['123456789012345', 'password_common'],
    ['qwertyuiopasdfghjkl', 'password_common'],
    ['1qaz2wsx3edc4rfv', 'password_common'],
    ['qwertzuiopasdfghjklyxcvbnm', 'password_common'],
    ['aaaaaaaaaaaaaaaaaaaa', 'password_common'],
    ['abcabcabcabcabcabcab', 'password_common'],
    ['kx7!kx7!kx7!kx7!', 'password_common'],
    ['aaaaaaaaabbbbbbbbbccc', 'password_common'],
    ['iloveyoupassword', 'password_common'],
    ['gatehouse-gatehouse', 'password_contextual'],
    ['GateHouse123456', 'password_contextual'],
    ['ada.lovelace@example.com', 'password_contextual'],
    ['AdaLovelace2026!', 'password_contextual'],
    ['müllerlüdenscheidt', 'password_contextual'],
  ])('%j is refused: %s', async (password, code) => {
    expect(await refusalOf(password, rules)).toBe(code);
  });

  it.each([
    ['violet umbrella over a lighthouse'],
    ['correct horse battery staple'],
    ['               7 spaces'],
    ['fifteen letters'],
    ['schöne Grüße aus Graz'],
    ['密碼應該很長而且只有自己知道呢'],
    ['\u{1f511}\u{1f40e}\u{1f50b}'.repeat(7).concat('\u{1f9f7} and words')],
    ['my gatehouse has seven green doors'],
    ['v'.concat('8kQ-zp3#Lm2!Rt6w')],
  ])('%j is accepted', async (password) => {
    expect(await refusalOf(password, rules)).toBeUndefined();
  });

  it('of 8 characters is enough beside a second factor, where the list still holds', async () => {
    const short = { ...rules, minimumLength: 8 };
    expect(await refusalOf('kR7#pw2!', short)).toBeUndefined();
    expect(await refusalOf('kR7#pw2', short)).toBe('password_too_short');
    expect(await refusalOf('password1', short)).toBe('password_common');
    expect(await refusalOf('football', short)).toBe('password_common');
  });

  it('needs no mixture of characters', async () => {
    expect(await refusalOf('only lower case letters here', rules)).toBeUndefined();
    expect(await refusalOf('8301746529104738', rules)).toBeUndefined();
  });

  it('of 64 characters and more is accepted', async () => {
    const long = 'seventy-two clouds drift across the western mountains while nobody watches';
    expect(long.length).toBeGreaterThan(64);
    expect(await refusalOf(long, rules)).toBeUndefined();
  });
});

describe('patterns', () => {
  it('never mistake random characters for one', () => {
    const characters = fc.constantFrom(...'bdfhjlnprtvxz-+*/#BDFHJLNPRTVXZ248');
    fc.assert(
      fc.property(fc.array(characters, { minLength: 24, maxLength: 40 }), (list) => {
        const text = list.join('');
        if (new Set(text).size > 8) expect(isPatterned(text, 15)).toBe(false);
      }),
    );
  });

  it('are found however often a chunk is repeated', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, maxLength: 7 }),
        fc.integer({ min: 3, max: 20 }),
        (chunk, times) => {
          expect(isPatterned(chunk.repeat(times), 15)).toBe(true);
        },
      ),
    );
  });
});

describe('the shipped list', () => {
  let size = 0;
  beforeAll(async () => {
    size = await blocklist.size();
  });

  it('is sorted and holds more than 400,000 entries', async () => {
    expect(Number.isInteger(size)).toBe(true);
    expect(size).toBeGreaterThan(400_000);
  });

  it.each([
    'passwordpassword',
    'malyshka*******',
    'willemvanoranje1234',
    'WillemVanOranje1234',
    'andreasnygg_kk26',
    'password123456789',
    'ilovefootball',
    'football',
    'princess2019',
  ])('has %s', async (password) => {
    expect(await blocklist.has(password)).toBe(true);
  });

  it('has none of many random texts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 16, maxLength: 30 }), async (text) => {
        expect(await blocklist.has(`zq#${text}`)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
