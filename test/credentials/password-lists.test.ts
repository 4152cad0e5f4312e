// Lists of breached passwords on this machine: searched where they lie, and refused when they are none.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openBreachFile } from '../../src/credentials/password/breach-file.ts';
import { openBreachLists } from '../../src/credentials/password/breached.ts';

const directory = mkdtempSync(join(tmpdir(), 'gatehouse-breaches-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
function fileOf(text: string): string {
  count += 1;
  const path = join(directory, `list-${count}.txt`);
  writeFileSync(path, text);
  return path;
}

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex').toUpperCase();
const listed = Array.from({ length: 5000 }, (_, at) => `password number ${at}`);
const sorted = listed.map((text, at) => `${sha1(text)}:${1 + ((at * 7919) % 1_000_000)}`).sort();

/** The first and the last of the list are among them. */
const byHash = [...listed].sort((a, b) => (sha1(a) < sha1(b) ? -1 : 1));
const some = byHash.filter((_password, at) => at < 3 || at > 4996 || at % 50 === 0);

describe('a list of hashes', () => {
  it.each([
    ['line feeds', `${sorted.join('\n')}\n`],
    ['both line ends', `${sorted.join('\r\n')}\r\n`],
    ['no end of its last line', sorted.join('\n')],
    ['small letters and no counts', sorted.map((line) => line.slice(0, 40).toLowerCase()).join('\n')],
  ])('with %s finds each of its passwords, and nothing else', async (_name, text) => {
    const check = openBreachFile(fileOf(text));
    for (const password of some) {
      expect([await check(password), await check(`${password}!`)]).toEqual([true, false]);
    }
  });

  it.each([1, 2, 3])('of %d lines is searched to its ends', async (length) => {
    const few = listed.slice(0, length);
    const check = openBreachFile(fileOf(`${few.map(sha1).sort().join('\n')}\n`));
    for (const password of few) expect(await check(password)).toBe(true);
    for (const password of listed.slice(10, 40)) expect(await check(password)).toBe(false);
  });

  it('may be replaced while it is used', async () => {
    const path = fileOf(`${sha1('before')}:1\n`);
    const check = openBreachFile(path);
    writeFileSync(path, `${sha1('after')}:1\n`);
    expect([await check('before'), await check('after')]).toEqual([false, true]);
  });

  it.each([
    ['in the order of its counts', [...sorted].reverse().join('\n'), 'is not in the order of its hashes'],
    ['of NTLM hashes', `${'0'.repeat(32)}:7\n`, 'has NTLM hashes'],
    [
      'with other lines among them',
      `${sorted.slice(0, 99).join('\n')}\nnonsense\n`,
      'that are not SHA-1:count',
    ],
  ])('%s is refused at the start', (_name, text, sentence) => {
    expect(() => openBreachFile(fileOf(text))).toThrow(sentence);
  });

  it('that cannot be read is refused at the start, and fails where it goes later', async () => {
    expect(() => openBreachFile(join(directory, 'none.txt'))).toThrow('PASSWORD_BREACH_FILE');
    expect(() => openBreachFile(directory)).toThrow('cannot be read');
    const path = fileOf(`${sha1('here')}:1\n`);
    const check = openBreachFile(path);
    rmSync(path);
    await expect(check('here')).rejects.toThrow();
  });
});

describe('a list of plain passwords', () => {
  it('is held in memory', async () => {
    const check = openBreachFile(fileOf('one password\r\nanother one\n\n'));
    expect([await check('one password'), await check('another one'), await check('')]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('is refused when it is long', () => {
    expect(() => openBreachFile(fileOf('x'.repeat(17 * 1024 * 1024)))).toThrow('too long');
  });
});

it('the list on disk is asked before the service, which may not be needed', () => {
  const settings = { breachRangeTimeoutSeconds: 1, breachRangeUrl: 'https://range.example.com' };
  expect(openBreachLists({ ...settings, breachFile: undefined }, fetch)).toHaveLength(1);
  expect(openBreachLists({ ...settings, breachFile: fileOf('x\n') }, fetch)).toHaveLength(2);
  const none = { ...settings, breachRangeUrl: undefined, breachFile: undefined };
  expect(openBreachLists(none, fetch)).toHaveLength(0);
});
