// The kinds of value a setting can have: how its text is read, and what to say when it cannot be.
import { createPublicKey } from 'node:crypto';
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { isCountry } from '../../lib/people/phone.ts';
import { parseRedisUrl, REDIS_URL_FORMS } from '../redis/url.ts';

export type Parsed<T> = { value: T } | { mistake: string };

export interface Kind<T> {
  /** For the documentation: 'whole number, 1 to 65535'. */
  readonly says: string;
  parse(text: string): Parsed<T>;
}

export const text: Kind<string> = { says: 'text', parse: (value) => ({ value }) };

/** A secret that two programs share: long enough that nobody guesses it, and fit for a header. */
export const secretText: Kind<string> = {
  says: '32 to 256 letters, digits and signs without spaces',
  parse: (value) =>
    /^[\x21-\x7e]{32,256}$/.test(value)
      ? { value }
      : { mistake: 'must be 32 to 256 letters, digits and signs: make one with `openssl rand -base64 32`' },
};

export const path: Kind<string> = { says: 'path', parse: (value) => ({ value }) };

export function wholeNumber(minimum: number, maximum: number): Kind<number> {
  return {
    says: `whole number, ${minimum} to ${maximum}`,
    parse(given) {
      const value = /^-?\d+$/.test(given) ? Number(given) : Number.NaN;
      if (value >= minimum && value <= maximum) return { value };
      return { mistake: `must be a whole number from ${minimum} to ${maximum}` };
    },
  };
}

export const share: Kind<number> = {
  says: 'number, 0 to 1',
  parse(given) {
    const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
    return value <= 1 ? { value } : { mistake: 'must be a number from 0 to 1, such as 0.1' };
  },
};

export const port = wholeNumber(0, 65535);

/** `auto`: one for each core that this process may use. */
export const workers: Kind<number> = {
  says: 'whole number, 1 to 256, or auto for one per core',
  parse(given) {
    if (given === 'auto') return { value: availableParallelism() };
    const parsed = wholeNumber(1, 256).parse(given);
    return 'value' in parsed ? parsed : { mistake: `${parsed.mistake}, or auto` };
  },
};

export function choice<const T extends string>(...words: readonly T[]): Kind<T> {
  const list = words.join(', ');
  return {
    says: `one of: ${list}`,
    parse(given) {
      const value = words.find((word) => word === given);
      return value === undefined ? { mistake: `must be one of: ${list}` } : { value };
    },
  };
}

/** RFC 8414 §2: no query, no fragment. The exact text is compared by every client, so one spelling is accepted. */
export const issuer: Kind<string> = {
  says: 'https URL without query, fragment and trailing slash; http only on loopback',
  parse(given) {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      return { mistake: 'must be a URL such as https://id.example.com' };
    }
    if (url.username !== '' || url.password !== '')
      return { mistake: 'must not contain a user name or password' };
    if (given.includes('?') || given.includes('#')) {
      return { mistake: 'must have no query and no fragment: remove everything from the ? or #' };
    }
    if (given.endsWith('/')) return { mistake: 'must not end with a slash: remove it' };
    const spelled = url.href.replace(/\/$/, '');
    if (spelled !== given) return { mistake: `must be written in its plain form: ${spelled}` };
    if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
      return { mistake: 'must start with https:// (http is accepted for localhost and 127.0.0.1 only)' };
    }
    return { value: given };
  },
};

export const postgresUrl: Kind<string> = {
  says: 'postgres:// URL',
  parse(given) {
    const fine = URL.canParse(given) && /^postgres(ql)?:$/.test(new URL(given).protocol);
    return fine
      ? { value: given }
      : { mistake: 'must be a URL such as postgres://user:password@host:5432/database' };
  },
};

export const redisUrl: Kind<string> = {
  says: REDIS_URL_FORMS,
  parse(given) {
    const parsed = parseRedisUrl(given);
    return 'mistake' in parsed ? parsed : { value: given };
  },
};

export const redisKeyPrefix: Kind<string> = {
  says: 'letters, digits and .:_/- (at most 64)',
  parse: (given) =>
    /^[\w.:/-]{1,64}$/.test(given)
      ? { value: given }
      : { mistake: 'must be 1 to 64 letters, digits and .:_/- (no braces: they place keys in a cluster)' },
};

export const smtpUrl: Kind<string> = {
  says: 'smtp:// or smtps:// URL',
  parse(given) {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    const fine = url !== undefined && /^smtps?:$/.test(url.protocol) && url.hostname !== '';
    if (!fine) return { mistake: 'must be a URL such as smtps://user:password@mail.example.com' };
    if (!/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
      return { mistake: 'must end after the host or port: write / ? # in a password as %2F %3F %23' };
    return { value: given };
  },
};

/** RFC 5322 §3.4: one address, with or without a name. Nothing in it can end the header. */
export const mailbox: Kind<string> = {
  says: 'mail address, or a name and one in angle brackets',
  parse: (given) =>
    /^([^\p{Cc}<>"@]{1,200} <[^\s\p{Cc}<>"@]+@[^\s\p{Cc}<>"@]+>|[^\s\p{Cc}<>"@]+@[^\s\p{Cc}<>"@]+)$/u.test(
      given,
    )
      ? { value: given }
      : { mistake: 'must be a mail address such as id@example.com or Example <id@example.com>' },
};

/** Standard Webhooks, "Symmetric": 24 to 64 bytes. */
export const webhookSecret: Kind<string> = {
  says: 'whsec_ and 24 to 64 bytes in base64',
  parse(given) {
    const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(given)?.[1] ?? '';
    const { length } = Buffer.from(base64, 'base64');
    return length >= 24 && length <= 64
      ? { value: given }
      : {
          mistake:
            'must be whsec_ and 24 to 64 bytes in base64: make one with `echo whsec_$(openssl rand -base64 32)`',
        };
  },
};

export const httpUrl: Kind<string> = {
  says: 'https URL',
  parse(given) {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    const fine = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
    return fine ? { value: given } : { mistake: 'must be an https URL (http on loopback only)' };
  },
};

/** What the pages' content security policy lets an image come from. */
export const imageUrl: Kind<string> = {
  says: 'https URL, data: URL of an image, or path that starts with /',
  parse(given) {
    const fine =
      /^data:image\/[a-z+.-]+[;,]/.test(given) || /^\/[^/]/.test(given) || /^https:\/\/[^/]/.test(given);
    return fine
      ? { value: given }
      : { mistake: 'must be an https URL, a data: URL of an image, or a path that starts with /' };
  },
};

export const colour: Kind<string> = {
  says: 'colour as #rrggbb',
  parse: (given) =>
    /^#[0-9a-f]{6}$/i.test(given)
      ? { value: given.toLowerCase() }
      : { mistake: 'must be a colour such as #3455db: a # and six hexadecimal digits' },
};

export const masterKey: Kind<string> = {
  says: '32 bytes in base64',
  parse(given) {
    const bytes = Buffer.from(given, 'base64');
    const fine =
      bytes.length === 32 && bytes.toString('base64').replace(/=+$/, '') === given.replace(/=+$/, '');
    return fine
      ? { value: given }
      : { mistake: 'must be 32 bytes in base64: make one with `openssl rand -base64 32`' };
  },
};

export const masterKeys: Kind<readonly string[]> = {
  says: '32 bytes in base64 each, comma-separated',
  parse(given) {
    const parts = given.split(',').map((part) => masterKey.parse(part.trim()));
    const wrong = parts.find((part) => 'mistake' in part);
    if (wrong !== undefined) return wrong;
    return { value: parts.flatMap((part) => ('value' in part ? [part.value] : [])) };
  },
};

export const publicKeys: Kind<readonly string[]> = {
  says: 'id=base64, separated by commas',
  parse(given) {
    const list = given
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    const wrong = list.find((part) => !isNamedKey(part));
    if (wrong === undefined) return { value: Object.freeze(list) };
    return { mistake: 'must be an id, =, and a public key of P-256 in base64 (SPKI), separated by commas' };
  },
};

export const words: Kind<readonly string[]> = {
  says: 'words, separated by commas',
  parse: (given) => ({
    value: Object.freeze(
      given
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== ''),
    ),
  }),
};

export const networks: Kind<readonly string[]> = {
  says: 'addresses or CIDR ranges, separated by commas',
  parse(given) {
    const list = given
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    const wrong = list.find((part) => !isNetwork(part));
    if (wrong === undefined) return { value: Object.freeze(list) };
    return { mistake: `has "${wrong}", which is not an address or CIDR range such as 10.0.0.0/8` };
  },
};

/** Of phone numbers. */
export const countries: Kind<readonly string[]> = {
  says: 'two-letter country codes (ISO 3166), separated by commas',
  parse(given) {
    const list = given.toUpperCase().split(/[\s,]+/);
    const known = list.filter((code) => code !== '');
    const wrong = known.find((code) => !isCountry(code));
    if (wrong === undefined) return { value: Object.freeze(known) };
    return { mistake: `has "${wrong}", which is no country code such as AT` };
  },
};

/** RFC 8252 §7.3 and RFC 6761 §6.3: these names never leave the machine. */
export function isLoopbackHost(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    /^127(\.\d{1,3}){3}$/.test(host) ||
    host === '[::1]' ||
    host === '::1'
  );
}

function isNamedKey(given: string): boolean {
  const [, base64 = ''] = /^[\w.:/+-]{1,200}?=([A-Za-z0-9+/]+={0,2})$/.exec(given) ?? [];
  try {
    const key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    return false;
  }
}

function isNetwork(given: string): boolean {
  const [address = '', bits, ...rest] = given.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  if (bits === undefined) return true;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}
