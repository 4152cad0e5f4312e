// Prefixed, time-ordered identifiers, each its own type so that one cannot be passed for another.
import { randomBytes } from 'node:crypto';

type Id<Prefix extends string> = string & { readonly idPrefix: Prefix };

export type AccountId = Id<'acc'>;
export type ApiId = Id<'api'>;
export type ClientSecretId = Id<'sec'>;
export type EventId = Id<'evt'>;

/** A client id is public and may be chosen by the operator (`gatehouse-cli`), so it carries no fixed prefix. */
export type ClientId = string & { readonly idPrefix: 'client' };

interface Prefixes {
  acc: AccountId;
  api: ApiId;
  sec: ClientSecretId;
  evt: EventId;
  cli: ClientId;
}

// Crockford's base 32 in lower case: no i, l, o, u, so that an id survives being read aloud.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 48 bits of milliseconds and 80 random bits, like UUIDv7: new rows land at the end of an index. */
export function newId<P extends keyof Prefixes>(prefix: P): Prefixes[P] {
  const bytes = Buffer.concat([timeBytes(Date.now()), randomBytes(10)]);
  return `${prefix}_${encode(bytes)}` as Prefixes[P];
}

/** The typed id, or undefined when the text is not one of this kind. */
export function parseId<P extends Exclude<keyof Prefixes, 'cli'>>(
  prefix: P,
  text: string,
): Prefixes[P] | undefined {
  const pattern = new RegExp(`^${prefix}_[${ALPHABET}]{26}$`);
  return pattern.test(text) ? (text as Prefixes[P]) : undefined;
}

function timeBytes(milliseconds: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(milliseconds, 0, 6);
  return bytes;
}

function encode(bytes: Buffer): string {
  let value = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (let i = 0; i < 26; i += 1) {
    text = `${ALPHABET[Number(value & 31n)]}${text}`;
    value >>= 5n;
  }
  return text;
}
