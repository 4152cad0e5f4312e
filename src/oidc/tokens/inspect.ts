// The one place that says whether a token is alive: an access token of either format, or a refresh token.

import type { Seal } from '../../platform/secrets/seal.ts';
import type { Liveness } from './liveness.ts';
import type { StoredTokens } from './stored.ts';
import { openHandle } from './token-claims.ts';
import type { JwtVerifier } from './verify-jwt.ts';

export interface LiveToken {
  readonly kind: 'access' | 'refresh';
  readonly format: 'jwt' | 'opaque';
  readonly jti: string;
  /** As whom its client knows the person, or the client or key itself. */
  readonly subject: string;
  readonly accountId: string | null;
  /** The id of a key where it was made from one. */
  readonly clientId: string;
  readonly apiKeyId: string | null;
  readonly organizationId: string | null;
  /** null: for userinfo only, or a refresh token. */
  readonly audience: string | null;
  /** What of it is still held now. */
  readonly scope: readonly string[];
  /** What introspection tells (RFC 7662 §2.2), beside `active`. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly issuedAtSeconds: number;
  readonly expiresAtSeconds: number;
  readonly confirmation: { readonly jkt?: string } | null;
  readonly grantId: string | null;
}

export interface RefusedToken {
  readonly refused: 'malformed' | 'expired' | 'revoked' | 'unknown';
}

export interface Tokens {
  /** Throws when what it must ask cannot be asked: then nothing is told to be alive. */
  inspect(token: string): Promise<LiveToken | RefusedToken>;
}

/** A token as it was issued: to be asked about is what became of it since. */
export interface IssuedToken {
  readonly kind: 'access' | 'refresh';
  readonly format: 'jwt' | 'opaque';
  readonly jti: string;
  readonly accountId: string | null;
  readonly clientId: string;
  readonly grantId: string | null;
  /** The session that it ends with. */
  readonly sessionUid: string | null;
  readonly apiKeyId: string | null;
  readonly apiKeySecretId: string | null;
  readonly organizationId: string | null;
  /** Of an access token at most one; of a refresh token all that it may become. */
  readonly audiences: readonly string[];
  readonly scope: readonly string[];
  readonly issuedAtSeconds: number;
  readonly expiresAtSeconds: number;
  readonly confirmation: { readonly jkt?: string } | null;
  /** Undefined where the client's own rule says it (pairwise). */
  readonly subject: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

// Longer than anything that is issued: whatever comes is not even hashed.
const LONGEST = 16_384;

export function createTokens(deps: {
  jwts: JwtVerifier;
  stored: StoredTokens;
  liveness: Liveness;
  handleSeal: Seal;
  subjectOf: (clientId: string, accountId: string) => Promise<string>;
}): Tokens {
  return {
    async inspect(token) {
      if (token === '' || token.length > LONGEST) return { refused: 'malformed' };
      const issued = token.includes('.') ? fromJwt(token) : await deps.stored.find(token);
      if ('refused' in issued) return issued;
      if (issued.expiresAtSeconds <= Date.now() / 1000) return { refused: 'expired' };
      const scope = await deps.liveness.scopeNow(issued);
      return scope === undefined ? { refused: 'revoked' } : live(issued, scope);
    },
  };

  function fromJwt(token: string): IssuedToken | RefusedToken {
    const verified = deps.jwts.verify(token);
    if ('refused' in verified) return verified;
    const { payload } = verified;
    verified.handle ??= openHandle(deps.handleSeal, payload.jti, payload.handle) ?? null;
    // Signed by us, and yet not one that this server knows how to ask about.
    if (verified.handle === null) return { refused: 'unknown' };
    return (verified.issued ??= issuedJwt(payload, verified.handle));
  }
}
