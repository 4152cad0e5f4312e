// What Gatehouse adds to access tokens: how the person signed in (RFC 9068 §2.2.1) and an opaque handle.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Seal } from '../../platform/secrets/seal.ts';

/** What a JWT access token belongs to; found again from its handle also when `sub` is pairwise. */
export interface TokenHandle {
  accountId: string | null;
  clientId: string;
  grantId: string | null;
  sessionUid: string | null;
}

interface SignedToken {
  jti: string;
  accountId?: string | undefined;
  clientId?: string | undefined;
  grantId?: string | undefined;
  sessionUid?: string | undefined;
}

const MACHINE = 'handle:machine';
const REMEMBERED_MACHINES = 10_000;

/**
 * Makes the handles: sealed and bound to the token's `jti`, so that the server can open them without a database row per
 * token, and nobody else learns anything or can tell two tokens of one person from those of two. A machine's token
 * belongs to nobody but its client, which it names anyway: one sealed handle serves all of a machine's tokens.
 */
export function createHandles(seal: Seal): (token: SignedToken) => string {
  const machines = new Map<string, string>();

  const sealed = (token: SignedToken, context: string): string => {
    const parts = [token.accountId, token.clientId, token.grantId, token.sessionUid].map(
      (part) => part ?? '',
    );
    return seal.seal(Buffer.from(parts.join('\n')), context).toString('base64url');
  };

  return (token) => {
    if (token.accountId !== undefined || token.clientId === undefined)
      return sealed(token, `handle:${token.jti}`);
    const known = machines.get(token.clientId);
    if (known !== undefined) return known;
    if (machines.size >= REMEMBERED_MACHINES) machines.clear();
    const made = sealed({ jti: token.jti, clientId: token.clientId }, MACHINE);
    machines.set(token.clientId, made);
    return made;
  };
}

export function openHandle(seal: Seal, jti: string, handle: string): TokenHandle | undefined {
  const bytes = Buffer.from(handle, 'base64url');
  const opened = seal.open(bytes, `handle:${jti}`) ?? seal.open(bytes, MACHINE);
  if (!opened) return undefined;
  const [accountId, clientId, grantId, sessionUid] = opened.toString().split('\n');
  if (!clientId) return undefined;
  return {
    accountId: accountId || null,
    clientId,
    grantId: grantId || null,
    sessionUid: sessionUid || null,
  };
}

export function authenticationClaims(ctx: KoaContextWithOIDC): Record<string, unknown> | undefined {
  const { AuthorizationCode, RefreshToken, DeviceCode } = ctx.oidc.entities;
  const source = AuthorizationCode ?? DeviceCode ?? RefreshToken;
  if (!source?.accountId) return undefined;
  return { auth_time: source.authTime, acr: source.acr, amr: source.amr };
}
