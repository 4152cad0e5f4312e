// A token as it was issued, and what is told of one that is alive.

export interface RefusedToken {
  readonly refused: 'malformed' | 'expired' | 'revoked' | 'unknown';
}

interface Token {
  readonly kind: 'access' | 'refresh';
  readonly format: 'jwt' | 'opaque';
  readonly jti: string;
  readonly accountId: string | null;
  /** The id of a key where it was made from one. */
  readonly clientId: string;
  readonly apiKeyId: string | null;
  readonly organizationId: string | null;
  readonly grantId: string | null;
  readonly scope: readonly string[];
  readonly issuedAtSeconds: number;
  readonly expiresAtSeconds: number;
  readonly confirmation: { readonly jkt?: string } | null;
  /** What introspection tells (RFC 7662 §2.2), beside `active`. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** What became of it since is yet to be asked. */
export interface IssuedToken extends Token {
  readonly apiKeySecretId: string | null;
  /** A refresh token that was exchanged for another one. */
  readonly isSpent: boolean;
  /** The session that it ends with. */
  readonly sessionUid: string | null;
  /** Of an access token at most one; of a refresh token all that it may be exchanged for. */
  readonly audiences: readonly string[];
  /** Undefined where the rule of the client says it (pairwise subjects). */
  readonly subject: string | undefined;
}

/** `scope`: what of it is still held now. */
export interface LiveToken extends Token {
  /** As whom its client knows the person; or the client or key itself. */
  readonly subject: string;
  /** null: for userinfo only, or a refresh token. */
  readonly audience: string | null;
}

export function wordsOf(scope: unknown): string[] {
  return typeof scope === 'string' && scope !== '' ? scope.split(' ') : [];
}
