// Envelope encryption: what is sealed opens only under its key, in its row and unchanged.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVault, SealBroken } from '../../../src/platform/secrets/vault.ts';

const vault = createVault(randomBytes(32));

describe('vault', () => {
  it('A7 encrypts with AES-256-GCM bound to its row and decrypts', () => {
    const sealed = vault.seal(Buffer.from('a secret'), 'signing_keys.private_key:one');
    expect(sealed.includes('a secret')).toBe(false);
    expect(vault.open(sealed, 'signing_keys.private_key:one').toString()).toBe('a secret');
    expect(() => vault.open(sealed, 'signing_keys.private_key:two')).toThrow(SealBroken);
  });

  it('opens whatever it sealed, of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.string(), (bytes, row) => {
        const plaintext = Buffer.from(bytes);
        expect(vault.open(vault.seal(plaintext, row), row).equals(plaintext)).toBe(true);
      }),
    );
  });

  it('refuses a value with any one bit changed', () => {
    const sealed = vault.seal(Buffer.from('value'), 'row');
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => vault.open(changed, 'row')).toThrow(SealBroken);
    }
  });

  it('refuses every truncation', () => {
    const sealed = vault.seal(Buffer.from('value'), 'row');
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => vault.open(sealed.subarray(0, length), 'row')).toThrow(SealBroken);
    }
  });

  it('says when a value was sealed under another master key', () => {
    const other = createVault(randomBytes(32));
    const sealed = other.seal(Buffer.from('value'), 'row');
    expect(() => vault.open(sealed, 'row')).toThrow(
      expect.objectContaining({ reason: 'key', sealedUnder: other.keyId }),
    );
  });

  it('seals the same value differently each time', () => {
    const seal = () => vault.seal(Buffer.from('value'), 'row').toString('hex');
    expect(seal()).not.toBe(seal());
  });

  it('refuses a master key of another length', () => {
    expect(() => createVault(randomBytes(31))).toThrow(RangeError);
  });
});
