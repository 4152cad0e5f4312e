// Envelope encryption of secrets at rest: a random data key per value, wrapped by the master key, both bound to their row.
import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from 'node:crypto';

export interface Vault {
  /** First 8 bytes of a hash derived from the master key, hex: says which key sealed a value, tells nothing about it. */
  readonly keyId: string;
  /** `row` names the place of the value, like `signing_keys.private_key:kid`; a value moved elsewhere does not open. */
  seal(plaintext: Buffer, row: string): Buffer;
  /** Throws SealBroken when the row, the key or the bytes do not fit. */
  open(sealed: Buffer, row: string): Buffer;
}

export class SealBroken extends Error {
  /** `key`: sealed under another master key. `content`: changed bytes or another row. `format`: not a sealed value. */
  readonly reason: 'key' | 'content' | 'format';
  readonly sealedUnder: string | null;

  constructor(reason: SealBroken['reason'], row: string, sealedUnder: string | null) {
    super(`the sealed value of ${row} does not open: ${reasons[reason]}`);
    this.name = 'SealBroken';
    this.reason = reason;
    this.sealedUnder = sealedUnder;
  }
}

const reasons = {
  key: 'it was sealed under another master key',
  content: 'its bytes were changed or it belongs to another row',
  format: 'it is not in a known format',
} as const;

export const MASTER_KEY_BYTES = 32;

// Layout: version (1), master key id (8), wrapped data key (12 + 32 + 16), value (12 + n + 16).
// The version and the key id are there so that a later master key, or another cipher, can live beside this one.
const VERSION = 1;
const KEY_ID_BYTES = 8;
const HEADER_BYTES = 1 + KEY_ID_BYTES;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const DATA_KEY_BYTES = 32;
const WRAPPED_BYTES = IV_BYTES + DATA_KEY_BYTES + TAG_BYTES;

export function createVault(masterKey: Buffer): Vault {
  if (masterKey.length !== MASTER_KEY_BYTES) throw new RangeError('the master key has 32 bytes');
  // The master key itself encrypts nothing, so that its other uses can never meet this one.
  const wrappingKey = derive(masterKey, 'gatehouse.vault.wrap.v1');
  const keyId = hash('sha256', derive(masterKey, 'gatehouse.vault.key-id.v1'), 'buffer').subarray(
    0,
    KEY_ID_BYTES,
  );
  const header = Buffer.concat([Buffer.of(VERSION), keyId]);

  return {
    keyId: keyId.toString('hex'),

    seal(plaintext, row) {
      const dataKey = randomBytes(DATA_KEY_BYTES);
      const wrapped = encrypt(wrappingKey, dataKey, boundTo(header, 'key', row));
      return Buffer.concat([header, wrapped, encrypt(dataKey, plaintext, boundTo(header, 'value', row))]);
    },

    open(sealed, row) {
      if (sealed.length < HEADER_BYTES + WRAPPED_BYTES + IV_BYTES + TAG_BYTES || sealed[0] !== VERSION) {
        throw new SealBroken('format', row, null);
      }
      const sealedUnder = sealed.subarray(1, HEADER_BYTES);
      if (!sealedUnder.equals(keyId)) throw new SealBroken('key', row, sealedUnder.toString('hex'));
      const wrapped = sealed.subarray(HEADER_BYTES, HEADER_BYTES + WRAPPED_BYTES);
      const value = sealed.subarray(HEADER_BYTES + WRAPPED_BYTES);
      try {
        const dataKey = decrypt(wrappingKey, wrapped, boundTo(header, 'key', row));
        return decrypt(dataKey, value, boundTo(header, 'value', row));
      } catch {
        throw new SealBroken('content', row, keyId.toString('hex'));
      }
    },
  };
}

function derive(masterKey: Buffer, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, Buffer.alloc(0), label, 32));
}

function boundTo(header: Buffer, part: 'key' | 'value', row: string): Buffer {
  return Buffer.concat([header, Buffer.from(`${part}:${row}`)]);
}

function encrypt(key: Buffer, plaintext: Buffer, aad: Buffer): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, aad: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  return Buffer.concat([
    decipher.update(sealed.subarray(IV_BYTES, sealed.length - TAG_BYTES)),
    decipher.final(),
  ]);
}
