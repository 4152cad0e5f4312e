// Whether a password is the one of a stored hash: one of ours, or one that was brought along from another system.
import { type BinaryLike, pbkdf2, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { verify } from '@node-rs/argon2';
import { createBcrypt } from './foreign/bcrypt.ts';
import { parseStored, type StoredHash } from './foreign/formats.ts';

/** A password as typed, and in the form in which we hash it. */
export interface Candidate {
  typed: string;
  normalized: string;
}

export interface Matcher {
  /** False also for a hash of no known form. Slow: to be run in the hash pool. */
  matches(stored: string, candidate: Candidate): Promise<boolean>;
}

const derivePbkdf2 = promisify(pbkdf2);
const deriveScrypt: (
  password: BinaryLike,
  salt: BinaryLike,
  length: number,
  options: ScryptOptions,
) => Promise<Buffer> = promisify(scrypt);

export function createMatcher(): Matcher {
  const bcrypt = createBcrypt();

  async function matchesText(stored: StoredHash, password: string): Promise<boolean> {
    switch (stored.algorithm) {
      case 'argon2':
        return verify(stored.phc, Buffer.from(password));
      case 'bcrypt':
        return bcrypt(password, stored.phc);
      case 'scrypt': {
        const { logN, r, p, salt, hash } = stored;
        const N = 2 ** logN;
        // What it needs and some more: Node refuses what reaches its bound.
        const maxmem = 128 * N * r + 128 * r * p + 1024 * 1024;
        return timingSafeEqual(hash, await deriveScrypt(password, salt, hash.length, { N, r, p, maxmem }));
      }
      case 'pbkdf2': {
        const { salt, iterations, hash, digest } = stored;
        return timingSafeEqual(hash, await derivePbkdf2(password, salt, iterations, hash.length, digest));
      }
    }
  }

  return {
    async matches(text, { typed, normalized }) {
      const stored = parseStored(text);
      if (stored === undefined) return false;
      if (await matchesText(stored, normalized)) return true;
      // Other systems have hashed what was typed, as it came.
      return typed !== normalized && (await matchesText(stored, typed));
    },
  };
}

/** What it costs to look at the hash, as a word: hashes of one cost take one time. */
export function costOf(stored: string): string {
  return parseStored(stored)?.cost ?? 'none';
}
