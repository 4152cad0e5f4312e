// JWT access tokens of this server (RFC 9068 §4): signature, type, issuer, time. One that is presented again and again is
// verified once.
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import type { SigningKey, SigningKeys } from '../../signing-keys/signing-keys.ts';
import type { RefusedToken } from './issued.ts';

/** What every JWT access token of ours has; the rest is as it was signed. */
export interface JwtClaims {
  readonly jti: string;
  readonly sub: string;
  readonly client_id: string;
  readonly aud: string;
  readonly handle: string;
  readonly iat: number;
  readonly exp: number;
  readonly scope?: unknown;
  readonly cnf?: unknown;
}

export interface JwtVerifier<T> {
  /** What `read` made of the claims, once for each token. Time is not looked at: that is up to whoever knows the time. */
  verify(token: string): T | RefusedToken;
}

/** Each costs about two kilobytes with what was made of it. */
const REMEMBERED = 10_000;

export function createJwtVerifier<T extends { readonly expiresAtSeconds: number }>(deps: {
  issuer: string;
  signingKeys: Pick<SigningKeys, 'snapshot' | 'onChange'>;
  read: (claims: JwtClaims) => T | RefusedToken;
}): JwtVerifier<T> {
  const remembered = new Map<string, T>();
  let keys = publicKeys(deps.signingKeys.snapshot());
  // A key that was withdrawn takes every token with it that it signed.
  deps.signingKeys.onChange((current) => {
    keys = publicKeys(current);
    remembered.clear();
  });

  const isSigned = (parts: readonly string[]): boolean => {
    const [head = '', body = '', signature = ''] = parts;
    const header = jsonOf(head);
    // RFC 9068 §4: the type keeps ID tokens and logout tokens out, which the same keys sign.
    if (header?.typ !== 'at+jwt' || typeof header.kid !== 'string' || 'crit' in header) return false;
    const key = keys.get(header.kid);
    if (key === undefined || header.alg !== key.algorithm) return false;
    const signed = Buffer.from(`${head}.${body}`);
    const bytes = Buffer.from(signature, 'base64url');
    // Base64 has several spellings of the same bytes: only one of them was issued.
    if (bytes.toString('base64url') !== signature) return false;
    return verify('sha256', signed, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, bytes);
  };

  return {
    verify(token) {
      // The whole of it: a signature alone says nothing about what stands in front of it. And no token stays in memory.
      const digest = hash('sha256', token, 'base64url');
      const known = remembered.get(digest);
      if (known !== undefined) return known;
      const parts = token.split('.');
      if (parts.length !== 3 || !isSigned(parts)) return { refused: 'malformed' };
      const claims = jsonOf(parts[1] ?? '');
      if (claims === undefined || claims.iss !== deps.issuer || !isOurs(claims))
        return { refused: 'unknown' };
      const read = deps.read(claims);
      if (!('refused' in read) && read.expiresAtSeconds > Date.now() / 1000) remember(digest, read);
      return read;
    },
  };

  /** The oldest makes room; one that is presented often is soon back. */
  function remember(digest: string, value: T): void {
    const oldest = remembered.size >= REMEMBERED ? remembered.keys().next().value : undefined;
    if (oldest !== undefined) remembered.delete(oldest);
    remembered.set(digest, value);
  }
}

interface PublicKey {
  readonly algorithm: string;
  readonly publicKey: KeyObject;
}

function publicKeys(keys: readonly SigningKey[]): ReadonlyMap<string, PublicKey> {
  return new Map(
    keys.map(({ kid, algorithm, privateKey }) => [
      kid,
      { algorithm, publicKey: createPublicKey(privateKey) },
    ]),
  );
}

function jsonOf(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    // `as`: an object of JSON has string keys, and what they hold is not known yet.
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const texts = ['jti', 'sub', 'client_id', 'aud', 'handle'];
const times = ['iat', 'exp'];

function isOurs(claims: Record<string, unknown>): claims is Record<string, unknown> & JwtClaims {
  return (
    texts.every((name) => typeof claims[name] === 'string' && claims[name] !== '') &&
    times.every((name) => typeof claims[name] === 'number')
  );
}
