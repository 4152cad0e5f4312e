// Fast symmetric seal under a server secret, for things made at a high rate where a wrapped key per value would be too much.
import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';

const VERSION = 1;
const LABEL = Buffer.from('gatehouse.seal.v1');
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + SALT_BYTES + IV_BYTES;

/** AES-256-GCM; `context` says what is sealed and for whom, and must be the same when opening. */
export function sealWith(key: Buffer, plaintext: Buffer, context: string): Buffer {
  const salt = randomBytes(SALT_BYTES);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', messageKey(key, salt), iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(context));
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), salt, iv, sealed, cipher.getAuthTag()]);
}

/** The plaintext, or undefined when key, context or bytes do not fit; callers treat that as "not one of ours". */
export function openWith(key: Buffer, sealed: Buffer, context: string): Buffer | undefined {
  if (sealed.length < HEADER_BYTES + TAG_BYTES || sealed[0] !== VERSION) return undefined;
  const salt = sealed.subarray(1, 1 + SALT_BYTES);
  const iv = sealed.subarray(1 + SALT_BYTES, HEADER_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', messageKey(key, salt), iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  try {
    return Buffer.concat([
      decipher.update(sealed.subarray(HEADER_BYTES, sealed.length - TAG_BYTES)),
      decipher.final(),
    ]);
  } catch {
    return undefined;
  }
}

/**
 * A key per message lifts the limit of 2^32 random nonces under one GCM key (NIST SP 800-38D §8.3). Label, key and salt
 * have fixed lengths, so one hash over them is a sound derivation; HMAC would cost ten times as much per token.
 */
function messageKey(key: Buffer, salt: Buffer): Buffer {
  if (key.length !== KEY_BYTES) throw new RangeError('the key of a seal has 32 bytes');
  return hash('sha256', Buffer.concat([LABEL, key, salt]), 'buffer');
}
