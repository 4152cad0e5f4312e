// Random tokens, hashes and the fast seal.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSeal } from '../../../src/platform/secrets/seal.ts';
import { hashToken, keyedHash, randomToken } from '../../../src/platform/secrets/tokens.ts';

describe('tokens', () => {
  it('makes tokens of 256 bits in base64url', () => {
    expect(randomToken()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(randomToken(16)).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(randomToken()).not.toBe(randomToken());
  });

  it('hashes differently under different keys', () => {
    expect(hashToken('x')).toHaveLength(32);
    expect(keyedHash(Buffer.alloc(32, 1), 'x').equals(keyedHash(Buffer.alloc(32, 2), 'x'))).toBe(false);
  });
});

describe('seal', () => {
  const key = randomBytes(32);

  it('opens what it sealed, only in the same context and under the same key', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.string(), (bytes, context) => {
        const sealed = createSeal(key).seal(Buffer.from(bytes), context);
        expect(createSeal(key).open(sealed, context)?.equals(Buffer.from(bytes))).toBe(true);
        expect(createSeal(key).open(sealed, `${context}x`)).toBeUndefined();
        expect(createSeal(randomBytes(32)).open(sealed, context)).toBeUndefined();
      }),
    );
  });

  it('answers undefined for changed, short and foreign bytes', () => {
    const seal = createSeal(key);
    const sealed = seal.seal(Buffer.from('value'), 'context');
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(seal.open(changed, 'context')).toBeUndefined();
      expect(seal.open(sealed.subarray(0, at), 'context')).toBeUndefined();
    }
  });
});
