// The one place that says whether a token is alive: an access token of either format, or a refresh token.
import type { Seal } from '../../platform/secrets/seal.ts';
import type { SigningKeys } from '../../signing-keys/signing-keys.ts';
import { type IssuedToken, type LiveToken, type RefusedToken, wordsOf } from './issued.ts';
import type { Alive, Liveness } from './liveness.ts';
import type { StoredTokens } from './stored.ts';
import { openHandle } from './token-claims.ts';
import { createJwtVerifier, type JwtClaims } from './verify-jwt.ts';

export interface Tokens {
  /** Throws when what must be asked cannot be asked: then nothing is told to be alive. */
  inspect(token: string): Promise<LiveToken | RefusedToken>;
  /** As it was issued, whatever became of what it stands on: for its revocation. */
  issued(token: string): Promise<IssuedToken | RefusedToken>;
}

export interface InspectionDeps {
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

export function createInspection(deps: InspectionDeps): Tokens {
  const jwts = createJwtVerifier<IssuedToken>({
    ...deps,
    read: (claims) => issuedJwt(claims, deps.handleSeal),
  });

  async function issued(token: string): Promise<IssuedToken | RefusedToken> {
    if (token === '' || token.length > LONGEST) return { refused: 'malformed' };
    const found = token.includes('.') ? jwts.verify(token) : await deps.stored.find(token);
    if ('refused' in found) return found;
    return found.expiresAtSeconds <= Date.now() / 1000 ? { refused: 'expired' } : found;
  }

  return {
    issued,
    async inspect(token) {
      const found = await issued(token);
      if ('refused' in found) return found;
      const alive = found.isSpent ? undefined : await deps.liveness.now(found);
      return alive === undefined ? { refused: 'revoked' } : live(found, alive);
    },
  };

  async function live(issued: IssuedToken, { scope, roles, belongs }: Alive): Promise<LiveToken> {
    const { subject: known, audiences, clientId, accountId } = issued;
    const subject = known ?? (accountId === null ? clientId : await deps.subjectOf(clientId, accountId));
    const audience = issued.kind === 'refresh' ? null : (audiences[0] ?? null);
    const claims: Record<string, unknown> = { ...issued.claims, sub: subject, scope: undefined };
    if (scope.length > 0) claims.scope = scope.join(' ');
    // What a token said when it was made may be more than is held now (tokens/claims.ts).
    if ('permissions' in claims) claims.permissions = scope;
    if ('roles' in claims) claims.roles = roles;
    return { ...issued, ...belongs, subject, audience, scope, claims };
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
    isSpent: false,
    confirmation,
    subject: claims.sub,
    claims: { ...told, token_type: confirmation === null ? 'Bearer' : 'DPoP' },
  };
}

function confirmationOf(cnf: unknown): IssuedToken['confirmation'] {
  if (typeof cnf !== 'object' || cnf === null) return null;
  return 'jkt' in cnf && typeof cnf.jkt === 'string' ? { jkt: cnf.jkt } : {};
}
