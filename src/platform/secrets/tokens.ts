// Random secrets and their hashes at rest.
import { createHmac, createSecretKey, hash, type KeyObject, randomBytes } from 'node:crypto';

/** 32 bytes are 256 bits: guessing is out of the question, so a fast hash at rest is enough (ASVS 6.5.2). */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString('base64url');
}

/** SHA-256, only for tokens with at least 128 random bits; anything a person chose needs Argon2id instead. */
export function hashToken(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

/** HMAC-SHA-256: the hashes in a stolen database cannot be tested against guesses without the key. */
export function keyedHash(key: Buffer | KeyObject, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** For hot paths: node:crypto prepares a Buffer anew for every hash, which costs four times the hash itself. */
export function preparedKey(key: Buffer): KeyObject {
  return createSecretKey(key);
}
