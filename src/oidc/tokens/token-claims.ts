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

/**
 * The handle is sealed and bound to the token's `jti`: the server can open it without a database row per token, and
 * nobody else learns anything from it.
 */
export function sealHandle(seal: Seal, token: SignedToken): string {
  const parts = [token.accountId, token.clientId, token.grantId, token.sessionUid].map((part) => part ?? '');
  return seal.seal(Buffer.from(parts.join('\n')), `handle:${token.jti}`).toString('base64url');
}

export function openHandle(seal: Seal, jti: string, handle: string): TokenHandle | undefined {
  const opened = seal.open(Buffer.from(handle, 'base64url'), `handle:${jti}`);
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
