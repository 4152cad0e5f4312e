// Envelope encryption: what is sealed opens only under its key, in its row and unchanged.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createVault, masterKeyId, SealBroken, sealedUnder } from '../../../src/platform/secrets/vault.ts';

const vault = createVault(randomBytes(32));
const row = 'server_secrets.sealed:row';

describe('vault', () => {
  it('A7 encrypts with AES-256-GCM bound to its row and decrypts', () => {
    const sealed = vault.seal(Buffer.from('a secret'), 'signing_keys.private_key:one');
    expect(sealed.includes('a secret')).toBe(false);
    expect(vault.open(sealed, 'signing_keys.private_key:one').toString()).toBe('a secret');
    expect(() => vault.open(sealed, 'signing_keys.private_key:two')).toThrow(SealBroken);
  });

  it('opens whatever it sealed, of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.string(), (bytes, name) => {
        const plaintext = Buffer.from(bytes);
        const place = `server_secrets.sealed:${name}` as const;
        expect(vault.open(vault.seal(plaintext, place), place).equals(plaintext)).toBe(true);
      }),
    );
  });

  it('refuses a value with any one bit changed', () => {
    const sealed = vault.seal(Buffer.from('value'), row);
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => vault.open(changed, row)).toThrow(SealBroken);
    }
  });

  it('refuses every truncation', () => {
    const sealed = vault.seal(Buffer.from('value'), row);
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => vault.open(sealed.subarray(0, length), row)).toThrow(SealBroken);
    }
  });

  it('says when a value was sealed under another master key', () => {
    const other = createVault(randomBytes(32));
    const sealed = other.seal(Buffer.from('value'), row);
    expect(() => vault.open(sealed, row)).toThrow(
      expect.objectContaining({ reason: 'key', sealedUnder: other.keyId }),
    );
  });

  it('seals the same value differently each time', () => {
    const seal = () => vault.seal(Buffer.from('value'), row).toString('hex');
    expect(seal()).not.toBe(seal());
  });

  it('wraps a value under a new master key without touching the value, again and again', () => {
    const keys = [randomBytes(32), randomBytes(32), randomBytes(32)] as const;
    const ring = createVault(keys[0], () => keys);
    const value = Buffer.from('the value itself');
    let sealed = ring.seal(value, row);
    const tail = sealed.subarray(-(12 + value.length + 16));
    for (const key of [keys[1], keys[2], keys[0]]) {
      ring.use(masterKeyId(key));
      sealed = ring.rewrap(sealed, row);
      expect(sealedUnder(sealed)).toBe(masterKeyId(key));
      expect(sealed.subarray(-tail.length)).toEqual(tail);
      // The keys of before are not needed any more.
      expect(createVault(key).open(sealed, row)).toEqual(value);
      expect(ring.rewrap(sealed, row)).toBe(sealed);
    }
  });

  it('refuses a re-wrapped value that was moved to another row, changed or cut short', () => {
    const [first, second] = [randomBytes(32), randomBytes(32)];
    const ring = createVault(first, () => [second]);
    const sealed = ring.seal(Buffer.from('value'), row);
    ring.use(masterKeyId(second));
    const moved = ring.rewrap(sealed, row);
    expect(() => ring.open(moved, 'server_secrets.sealed:other')).toThrow(SealBroken);
    expect(() => ring.rewrap(sealed, 'server_secrets.sealed:other')).toThrow(SealBroken);
    for (let bit = 0; bit < moved.length * 8; bit += 1) {
      const changed = Buffer.from(moved);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => ring.open(changed, row)).toThrow(SealBroken);
    }
    for (let length = 0; length < moved.length; length += 1) {
      expect(() => ring.open(moved.subarray(0, length), row)).toThrow(SealBroken);
    }
  });

  it('looks for master keys that came later when a value names one that it does not know', () => {
    const [first, second] = [randomBytes(32), randomBytes(32)];
    const come: Buffer[] = [];
    const node = createVault(first, () => come);
    const sealed = createVault(second).seal(Buffer.from('value'), row);
    expect(() => node.open(sealed, row)).toThrow(SealBroken);
    expect(node.use(masterKeyId(second))).toBe(false);
    come.push(second);
    expect(node.open(sealed, row).toString()).toBe('value');
    expect(node.keyId).toBe(masterKeyId(first));
  });

  it('refuses a master key of another length', () => {
    expect(() => createVault(randomBytes(31))).toThrow(RangeError);
  });
});
