// The one place that says whether a token is alive: an access token of either format, or a refresh token.
import type { Seal } from '../../platform/secrets/seal.ts';
import type { SigningKeys } from '../../signing-keys/signing-keys.ts';
import { type IssuedToken, type LiveToken, type RefusedToken, wordsOf } from './issued.ts';
import type { Liveness } from './liveness.ts';
import type { StoredTokens } from './stored.ts';
import { openHandle } from './token-claims.ts';
import { createJwtVerifier, type JwtClaims } from './verify-jwt.ts';

export interface Tokens {
  /** Throws when what must be asked cannot be asked: then nothing is told to be alive. */
  inspect(token: string): Promise<LiveToken | RefusedToken>;
}

export interface TokensDeps {
  issuer: string;
  signingKeys: Pick<SigningKeys, 'snapshot' | 'onChange'>;
  handleSeal: Seal;
  stored: StoredTokens;
  liveness: Liveness;
  /** As whom a client knows an account. */
  subjectOf: (clientId: string, accountId: string) => Promise<string>;
}

// Longer than anything that is issued: not worth a hash.
const LONGEST = 16_384;

export function createTokens(deps: TokensDeps): Tokens {
  const jwts = createJwtVerifier<IssuedToken>({
    ...deps,
    read: (claims) => issuedJwt(claims, deps.handleSeal),
  });

  return {
    async inspect(token) {
      if (token === '' || token.length > LONGEST) return { refused: 'malformed' };
      const issued = token.includes('.') ? jwts.verify(token) : await deps.stored.find(token);
      if ('refused' in issued) return issued;
      if (issued.expiresAtSeconds <= Date.now() / 1000) return { refused: 'expired' };
      const scope = await deps.liveness.scopeNow(issued);
      return scope === undefined ? { refused: 'revoked' } : live(issued, scope);
    },
  };

  async function live(issued: IssuedToken, scope: readonly string[]): Promise<LiveToken> {
    const { subject: known, audiences, clientId, accountId } = issued;
    const subject = known ?? (accountId === null ? clientId : await deps.subjectOf(clientId, accountId));
    const audience = issued.kind === 'refresh' ? null : (audiences[0] ?? null);
    const text = scope.length === 0 ? undefined : scope.join(' ');
    return { ...issued, subject, audience, scope, claims: { ...issued.claims, sub: subject, scope: text } };
  }
}

function issuedJwt(claims: JwtClaims, seal: Seal): IssuedToken | RefusedToken {
  const { handle: sealed, ...told } = claims;
  const handle = openHandle(seal, claims.jti, sealed);
  // Signed with our key, but not made by us.
  if (handle === undefined) return { refused: 'unknown' };
  const { endsWithSession, sessionUid, ...belongings } = handle;
  const confirmation = confirmationOf(claims.cnf);
  return {
    ...belongings,
    kind: 'access',
    format: 'jwt',
    jti: claims.jti,
    sessionUid: endsWithSession ? sessionUid : null,
    audiences: [claims.aud],
    scope: wordsOf(claims.scope),
    issuedAtSeconds: claims.iat,
    expiresAtSeconds: claims.exp,
    confirmation,
    subject: claims.sub,
    claims: { ...told, token_type: confirmation === null ? 'Bearer' : 'DPoP' },
  };
}

function confirmationOf(cnf: unknown): IssuedToken['confirmation'] {
  if (typeof cnf !== 'object' || cnf === null) return null;
  return 'jkt' in cnf && typeof cnf.jkt === 'string' ? { jkt: cnf.jkt } : {};
}
