// Envelope encryption of secrets at rest: a random data key per value, wrapped by a master key, both bound to their row.
import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes } from 'node:crypto';
import type { SealedPlace } from './sealed-columns.ts';

export interface Vault {
  /** The master key that wraps new values: see masterKeyId. */
  readonly keyId: string;
  /** Every master key at hand, after looking for new ones. */
  keyIds(): string[];
  /** Lets another master key wrap new values; false when it is not at hand. */
  use(keyId: string): boolean;
  seal(plaintext: Buffer, place: SealedPlace): Buffer;
  /** Throws SealBroken when the place, the key or the bytes do not fit. */
  open(sealed: Buffer, place: SealedPlace): Buffer;
  /** The same value under the master key in use: only its data key is wrapped anew. Throws SealBroken. */
  rewrap(sealed: Buffer, place: SealedPlace): Buffer;
}

export class SealBroken extends Error {
  /** `key`: sealed under another master key. `content`: changed bytes or another row. `format`: not a sealed value. */
  readonly reason: 'key' | 'content' | 'format';
  readonly sealedUnder: string | null;

  constructor(reason: SealBroken['reason'], place: string, sealedUnder: string | null) {
    super(`the sealed value of ${place} does not open: ${reasons[reason]}`);
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

// Layout 1: version (1), id of the master key (8), wrapped data key (12 + 32 + 16), value (12 + n + 16).
// Layout 2: the same with the id of the first master key (8) before the value, which stays bound to that one: a new master
// key rewrites what is in front of the value and leaves the value alone.
const SEALED = 1;
const REWRAPPED = 2;
const KEY_ID_BYTES = 8;
const HEADER_BYTES = 1 + KEY_ID_BYTES;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const DATA_KEY_BYTES = 32;
const WRAPPED_BYTES = IV_BYTES + DATA_KEY_BYTES + TAG_BYTES;
const VALUE_AT = HEADER_BYTES + WRAPPED_BYTES;

/** First 8 bytes of a hash derived from the master key, hex: says which key it is, tells nothing about it. */
export function masterKeyId(masterKey: Buffer): string {
  return hash('sha256', derive(masterKey, 'gatehouse.vault.key-id.v1'), 'buffer')
    .subarray(0, KEY_ID_BYTES)
    .toString('hex');
}

/** Which master key wraps a value, told without any key; undefined when it is not a sealed value. */
export function sealedUnder(sealed: Buffer): string | undefined {
  if (sealed.length < HEADER_BYTES || (sealed[0] !== SEALED && sealed[0] !== REWRAPPED)) return undefined;
  return sealed.subarray(1, HEADER_BYTES).toString('hex');
}

/** `others` is asked again when a value names a key that is not known: it may have come to the keys directory since. */
export function createVault(masterKey: Buffer, others: () => readonly Buffer[] = () => []): Vault {
  const wrappingKeys = new Map<string, Buffer>();

  const add = (key: Buffer): string => {
    if (key.length !== MASTER_KEY_BYTES) throw new RangeError('the master key has 32 bytes');
    const id = masterKeyId(key);
    // The master key itself encrypts nothing, so that its other uses can never meet this one.
    if (!wrappingKeys.has(id)) wrappingKeys.set(id, derive(key, 'gatehouse.vault.wrap.v1'));
    return id;
  };

  const wrappingKey = (id: string): Buffer | undefined => {
    if (!wrappingKeys.has(id)) others().forEach(add);
    return wrappingKeys.get(id);
  };

  let current = add(masterKey);
  others().forEach(add);

  const unwrap = (envelope: Envelope, place: string): Buffer => {
    const key = wrappingKey(envelope.wrappedBy);
    if (key === undefined) throw new SealBroken('key', place, envelope.wrappedBy);
    const header = headerOf(envelope.version, envelope.wrappedBy);
    return authentic(place, envelope, () => decrypt(key, envelope.wrapped, boundTo(header, 'key', place)));
  };

  const wrap = (dataKey: Buffer, header: Buffer, place: string): Buffer => {
    const key = wrappingKey(current);
    if (key === undefined) throw new Error('the master key in use is gone');
    return encrypt(key, dataKey, boundTo(header, 'key', place));
  };

  return {
    get keyId() {
      return current;
    },
    keyIds() {
      others().forEach(add);
      return [...wrappingKeys.keys()];
    },
    use(keyId) {
      if (wrappingKey(keyId) === undefined) return false;
      current = keyId;
      return true;
    },

    seal(plaintext, place) {
      const dataKey = randomBytes(DATA_KEY_BYTES);
      const header = headerOf(SEALED, current);
      const value = encrypt(dataKey, plaintext, boundTo(header, 'value', place));
      return Buffer.concat([header, wrap(dataKey, header, place), value]);
    },

    open(sealed, place) {
      const envelope = envelopeOf(sealed, place);
      const dataKey = unwrap(envelope, place);
      const boundHeader = headerOf(SEALED, envelope.sealedBy);
      return authentic(place, envelope, () =>
        decrypt(dataKey, envelope.value, boundTo(boundHeader, 'value', place)),
      );
    },

    rewrap(sealed, place) {
      const envelope = envelopeOf(sealed, place);
      if (envelope.wrappedBy === current) return sealed;
      const dataKey = unwrap(envelope, place);
      const header = headerOf(REWRAPPED, current);
      const sealedBy = Buffer.from(envelope.sealedBy, 'hex');
      return Buffer.concat([header, wrap(dataKey, header, place), sealedBy, envelope.value]);
    },
  };
}

interface Envelope {
  version: number;
  wrappedBy: string;
  wrapped: Buffer;
  /** The first master key: the value is bound to its name for ever. */
  sealedBy: string;
  value: Buffer;
}

function envelopeOf(sealed: Buffer, place: string): Envelope {
  const wrappedBy = sealedUnder(sealed);
  const valueAt = sealed[0] === REWRAPPED ? VALUE_AT + KEY_ID_BYTES : VALUE_AT;
  if (wrappedBy === undefined || sealed.length < valueAt + IV_BYTES + TAG_BYTES) {
    throw new SealBroken('format', place, null);
  }
  return {
    version: sealed[0] === REWRAPPED ? REWRAPPED : SEALED,
    wrappedBy,
    wrapped: sealed.subarray(HEADER_BYTES, VALUE_AT),
    sealedBy: sealed[0] === REWRAPPED ? sealed.subarray(VALUE_AT, valueAt).toString('hex') : wrappedBy,
    value: sealed.subarray(valueAt),
  };
}

function authentic(place: string, envelope: Envelope, decipher: () => Buffer): Buffer {
  try {
    return decipher();
  } catch {
    throw new SealBroken('content', place, envelope.wrappedBy);
  }
}

function headerOf(version: number, keyId: string): Buffer {
  return Buffer.concat([Buffer.of(version), Buffer.from(keyId, 'hex')]);
}

function derive(masterKey: Buffer, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, Buffer.alloc(0), label, 32));
}

function boundTo(header: Buffer, part: 'key' | 'value', place: string): Buffer {
  return Buffer.concat([header, Buffer.from(`${part}:${place}`)]);
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
