// The shape of an API key: product prefix, public id, secret, checksum. Whether a string is one can be told offline.
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ApiKeyId } from './ids.ts';

const PREFIX = 'gth';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 32 characters of base 62 are 190 random bits. */
const SECRET_LENGTH = 32;
const CHECKSUM_LENGTH = 6;

/** For scanners of code and logs: `gth_`, 26 characters of the public id, `_`, 32 secret and 6 checksum characters. */
export const API_KEY_PATTERN = /^gth_([0-9a-hjkmnp-tv-z]{26})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

export function newApiKey(id: ApiKeyId): string {
  const body = `${PREFIX}_${id.slice('key_'.length)}_${randomText(SECRET_LENGTH)}`;
  return `${body}${checksumOf(body)}`;
}

/** The public id, or undefined when the text cannot be a key of ours: the shape or the checksum does not fit. */
export function apiKeyIdOf(text: string): ApiKeyId | undefined {
  const id = API_KEY_PATTERN.exec(text)?.[1];
  if (id === undefined) return undefined;
  const body = text.slice(0, -CHECKSUM_LENGTH);
  // `as`: the pattern took nothing else for the id.
  return checksumOf(body) === text.slice(-CHECKSUM_LENGTH) ? (`key_${id}` as ApiKeyId) : undefined;
}

function checksumOf(body: string): string {
  let value = crc32(body);
  let text = '';
  for (let digit = 0; digit < CHECKSUM_LENGTH; digit += 1) {
    text = BASE62.charAt(value % 62) + text;
    value = Math.floor(value / 62);
  }
  return text;
}

/** Bytes of 248 and more are drawn again, so that every character is as likely as any other. */
function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < 248 && text.length < length) text += BASE62.charAt(byte % 62);
    }
  }
  return text;
}
