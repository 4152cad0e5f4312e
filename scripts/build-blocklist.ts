// Makes src/credentials/password/blocklist.bin from lists of leaked passwords and the rules below.
// Usage: node scripts/build-blocklist.ts LONG_PASSWORDS_DIRECTORY COMMON_PASSWORDS.json
// docs/decisions/0004-password-blocklist.md names the inputs, their licences and the figures.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocklistEntry, ENTRY_BYTES } from '../src/credentials/password/blocklist.ts';
import { foldCase } from '../src/lib/identifiers.ts';

const output = new URL('../src/credentials/password/blocklist.bin', import.meta.url);
const ALONE = 15;
const WITH_SECOND_FACTOR = 8;
const MAXIMUM = 256;

// What people put after a word when a rule wants more characters, and attackers after every word they have.
const endings = [
  ...['1', '2', '12', '123', '1234', '12345', '123456', '1234567', '12345678', '123456789', '1234567890'],
  ...[
    '!',
    '!!',
    '!!!',
    '1!',
    '12!',
    '123!',
    '1234!',
    '12345!',
    '123456!',
    '01',
    '007',
    '11',
    '69',
    '99',
    '111',
  ],
  ...[
    '123123',
    '321',
    '654321',
    '987654321',
    '000',
    '0000',
    '00000',
    '@123',
    '#123',
    '_123',
    '.',
    '?',
    '$',
    '@',
  ],
  ...Array.from({ length: 51 }, (_none, index) => String(1980 + index)),
];
const WORDS_WITH_ENDINGS = 1000;
const WORDS_IN_PAIRS = 130;
const separators = ['', ' ', '-', '_', '.'];
const phraseStarts = [
  'iloveyou',
  'ilove',
  'iam',
  'iamthe',
  'thisismy',
  'mypasswordis',
  'letmein',
  'welcometo',
  'passwordof',
];
const fillers = [
  'password',
  'passwort',
  'passphrase',
  'changeme',
  'welcome',
  'qwerty',
  'administrator',
  'letmein',
];

function main(): void {
  const [longDirectory, commonFile] = process.argv.slice(2);
  if (longDirectory === undefined || commonFile === undefined) {
    throw new Error('usage: node scripts/build-blocklist.ts LONG_PASSWORDS_DIRECTORY COMMON_PASSWORDS.json');
  }
  const common = readCommon(commonFile);
  const real = new Set<string>();
  for (const line of linesUnder(longDirectory)) addWhen(real, line, ALONE);
  for (const word of common) addWhen(real, word, WITH_SECOND_FACTOR);
  const derived = new Set<string>();
  for (const entry of derive(common)) {
    const folded = foldCase(entry);
    if (!real.has(folded)) addWhen(derived, entry, WITH_SECOND_FACTOR);
  }
  write([...real, ...derived]);
  report('real', real);
  report('derived', derived);
}

function readCommon(file: string): string[] {
  const words: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!Array.isArray(words)) throw new Error(`${file} is not a list`);
  return words.filter((word): word is string => typeof word === 'string');
}

function* derive(common: readonly string[]): Generator<string> {
  const words = common.filter((word) => /^\p{L}{4,}$/u.test(word));
  for (const word of words.slice(0, WORDS_WITH_ENDINGS)) {
    for (const ending of endings) yield word + ending;
    yield word + word;
    yield word + word + word;
    yield [...word].reverse().join('') + word;
    for (const start of phraseStarts) yield start + word;
    for (const filler of fillers) {
      yield filler + word;
      yield word + filler;
    }
  }
  for (const first of words.slice(0, WORDS_IN_PAIRS)) {
    for (const second of words.slice(0, WORDS_IN_PAIRS)) {
      for (const separator of separators) yield first + separator + second;
      // Three words are what it takes to reach fifteen characters; these are the ones tried first.
      yield `${first}${second}123`;
      yield `${first}${second}1234`;
    }
  }
}

function addWhen(entries: Set<string>, text: string, minimum: number): void {
  const folded = foldCase(text);
  const length = [...folded].length;
  if (length >= minimum && length <= MAXIMUM) entries.add(folded);
}

function* linesUnder(directory: string): Generator<string> {
  for (const name of readdirSync(directory).sort()) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) yield* linesUnder(path);
    else if (name.endsWith('.txt')) yield* readFileSync(path, 'utf8').split('\n');
  }
}

function write(entries: readonly string[]): void {
  const hashes = [...new Set(entries.map((entry) => blocklistEntry(entry).toString('hex')))].sort();
  const bytes = Buffer.from(hashes.join(''), 'hex');
  writeFileSync(output, bytes);
  console.log(`${bytes.length / ENTRY_BYTES} entries, ${bytes.length} bytes`);
}

function report(name: string, entries: ReadonlySet<string>): void {
  const long = [...entries].filter((entry) => [...entry].length >= ALONE).length;
  console.log(`${name}: ${entries.size}, of which ${long} have ${ALONE} or more characters`);
}

main();
