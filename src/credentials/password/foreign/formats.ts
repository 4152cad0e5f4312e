// Password hashes as other systems write them, read into one form: PHC strings, and bcrypt's own, which everybody writes alike.
// docs/import.md lists them. What would cost more than a sign-in may is not taken in.

export type StoredHash =
  | { algorithm: 'argon2'; cost: string; phc: string }
  | { algorithm: 'bcrypt'; cost: string; phc: string }
  | { algorithm: 'scrypt'; cost: string; logN: number; r: number; p: number; salt: Buffer; hash: Buffer }
  | { algorithm: 'pbkdf2'; cost: string; digest: string; iterations: number; salt: Buffer; hash: Buffer };

export type ForeignHash = { kind: 'taken'; stored: string } | { kind: 'unknown' } | { kind: 'costly' };

const LONGEST = 512;
// A flood of sign-ins must not be made worse by what was brought along: at most this much memory and about a second.
const MOST_MEMORY_KIB = 256 * 1024;
const MOST_ARGON2_KIB_PASSES = 2 * 1024 * 1024;
const MOST_ARGON2_LANES = 16;
const MOST_SCRYPT_LANES = 16;
const MOST_SCRYPT_BLOCKS = 2 ** 22;
const MOST_BCRYPT_ROUNDS = 14;
const MOST_PBKDF2_ITERATIONS = 2_500_000;

const B64 = '([A-Za-z0-9+/]{1,200})';
const ARGON2 = new RegExp(
  String.raw`^\$argon2(?:id|i|d)(?:\$v=(?:16|19))?\$m=(\d{1,8}),t=(\d{1,5}),p=(\d{1,3})\$${B64}\$${B64}$`,
);
// 2x marks hashes of a faulty implementation, for which no other gives the same result.
const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
const SCRYPT = new RegExp(String.raw`^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$${B64}\$${B64}$`);
const PBKDF2 = new RegExp(
  String.raw`^\$pbkdf2-(sha1|sha256|sha384|sha512)\$i=(\d{1,8})(?:,l=\d{1,3})?\$${B64}\$${B64}$`,
);
const SHORTEST_HASH = 16;
const LONGEST_HASH = 128;

/** What a stored hash says about itself; undefined when it is none that can be checked. */
export function parseStored(text: string): StoredHash | undefined {
  const argon2 = ARGON2.exec(text);
  if (argon2) return { algorithm: 'argon2', cost: text.slice(0, text.indexOf(argon2[4] ?? '')), phc: text };
  const bcrypt = BCRYPT.exec(text);
  if (bcrypt) return { algorithm: 'bcrypt', cost: `bcrypt ${bcrypt[1]}`, phc: text };
  return parseScrypt(text) ?? parsePbkdf2(text);
}

function parseScrypt(text: string): StoredHash | undefined {
  const [, logN, r, p, salt = '', hash = ''] = SCRYPT.exec(text) ?? [];
  if (logN === undefined || !isHash(hash)) return undefined;
  return {
    algorithm: 'scrypt',
    cost: `scrypt ${logN} ${r} ${p}`,
    logN: Number(logN),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

function parsePbkdf2(text: string): StoredHash | undefined {
  const [, digest, iterations, salt = '', hash = ''] = PBKDF2.exec(text) ?? [];
  if (digest === undefined || !isHash(hash)) return undefined;
  return {
    algorithm: 'pbkdf2',
    cost: `pbkdf2 ${digest} ${iterations}`,
    digest,
    iterations: Number(iterations),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

// A short one would match by chance.
function isHash(base64: string): boolean {
  const { length } = Buffer.from(base64, 'base64');
  return length >= SHORTEST_HASH && length <= LONGEST_HASH;
}

/** A hash of another system in the form in which it is kept. */
export function readForeignHash(text: string): ForeignHash {
  if (text.length > LONGEST) return { kind: 'unknown' };
  const stored = inOurSpelling(text);
  const parsed = parseStored(stored);
  if (parsed === undefined || isSenseless(parsed)) return { kind: 'unknown' };
  return isCostly(parsed) ? { kind: 'costly' } : { kind: 'taken', stored };
}

type Spelling = [pattern: RegExp, (parts: readonly string[]) => string];

/** passlib and Django, whose strings say the same in other words. */
const spellings: readonly Spelling[] = [
  [
    /^\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,8})\$([A-Za-z0-9./]+)\$([A-Za-z0-9./]+)$/,
    ([digest = 'sha1', iterations, salt = '', hash = '']) =>
      `$pbkdf2-${digest}$i=${iterations}$${salt.replaceAll('.', '+')}$${hash.replaceAll('.', '+')}`,
  ],
  [
    /^pbkdf2_(sha1|sha256)\$(\d{1,8})\$([^$]{1,128})\$([A-Za-z0-9+/]+)={0,2}$/,
    ([digest, iterations, salt = '', hash]) => `$pbkdf2-${digest}$i=${iterations}$${base64(salt)}$${hash}`,
  ],
  [
    /^scrypt\$(\d{1,8})\$([^$]{1,128})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/]+)={0,2}$/,
    ([n, salt = '', r, p, hash]) =>
      `$scrypt$ln=${Math.log2(Number(n))},r=${r},p=${p}$${base64(salt)}$${hash}`,
  ],
  [/^argon2(\$argon2.*)$/, ([phc = '']) => phc],
  [/^bcrypt\$(\$2[aby]\$.*)$/, ([phc = '']) => phc],
];

function inOurSpelling(text: string): string {
  for (const [pattern, write] of spellings) {
    const found = pattern.exec(text);
    if (found) return write(found.slice(1));
  }
  return text;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64').replaceAll('=', '');
}

function argon2Numbers(phc: string): [memoryKiB: number, iterations: number, lanes: number] {
  const [, memory, iterations, lanes] = ARGON2.exec(phc) ?? [];
  return [Number(memory), Number(iterations), Number(lanes)];
}

/** Its own algorithm would refuse it. */
function isSenseless(parsed: StoredHash): boolean {
  switch (parsed.algorithm) {
    case 'argon2': {
      const [memory, iterations, lanes] = argon2Numbers(parsed.phc);
      return lanes < 1 || iterations < 1 || memory < 8 * lanes;
    }
    case 'bcrypt':
      return Number(parsed.phc.slice(4, 6)) < 4;
    case 'scrypt':
      return parsed.logN < 1 || parsed.r < 1 || parsed.p < 1;
    case 'pbkdf2':
      return parsed.iterations < 1;
  }
}

function isCostly(parsed: StoredHash): boolean {
  switch (parsed.algorithm) {
    case 'argon2': {
      const [memory, iterations, lanes] = argon2Numbers(parsed.phc);
      return (
        memory > MOST_MEMORY_KIB || memory * iterations > MOST_ARGON2_KIB_PASSES || lanes > MOST_ARGON2_LANES
      );
    }
    case 'bcrypt':
      return Number(parsed.phc.slice(4, 6)) > MOST_BCRYPT_ROUNDS;
    case 'scrypt': {
      const blocks = 2 ** parsed.logN * parsed.r;
      return (
        blocks / 8 > MOST_MEMORY_KIB || blocks * parsed.p > MOST_SCRYPT_BLOCKS || parsed.p > MOST_SCRYPT_LANES
      );
    }
    case 'pbkdf2':
      return parsed.iterations > MOST_PBKDF2_ITERATIONS;
  }
}
