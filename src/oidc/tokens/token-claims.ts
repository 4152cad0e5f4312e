// What Gatehouse adds to access tokens: how the person signed in (RFC 9068 §2.2.1) and an opaque handle.
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Seal } from '../../platform/secrets/seal.ts';

/** What a JWT access token belongs to; found again from its handle also when `sub` is pairwise. */
export interface TokenHandle {
  accountId: string | null;
  /** The id of a key where it was made from one. */
  clientId: string;
  grantId: string | null;
  sessionUid: string | null;
  apiKeyId: string | null;
  apiKeySecretId: string | null;
  organizationId: string | null;
  /** Whether it ends with its session. */
  endsWithSession: boolean;
}

export interface SignedToken {
  jti: string;
  accountId?: string | undefined;
  clientId?: string | undefined;
  grantId?: string | undefined;
  sessionUid?: string | undefined;
  apiKeyId?: string | undefined;
  apiKeySecretId?: string | undefined;
  organizationId?: string | undefined;
  expiresWithSession?: boolean | undefined;
}

const MACHINE = 'handle:machine';
const REMEMBERED_MACHINES = 10_000;

/**
 * Makes the handles: sealed and bound to the token's `jti`, so that the server can open them without a database row per
 * token, and nobody else learns anything or can tell two tokens of one person from those of two. A machine's token
 * belongs to nobody but its client or key, which it names anyway: one sealed handle serves all of a machine's tokens.
 */
export function createHandles(seal: Seal): (token: SignedToken) => string {
  const machines = new Map<string, string>();

  const sealed = (text: string, context: string): string =>
    seal.seal(Buffer.from(text), context).toString('base64url');

  return (token) => {
    const text = textOf(token);
    if (token.accountId !== undefined || token.clientId === undefined)
      return sealed(text, `handle:${token.jti}`);
    const known = machines.get(text);
    if (known !== undefined) return known;
    if (machines.size >= REMEMBERED_MACHINES) machines.clear();
    const made = sealed(text, MACHINE);
    machines.set(text, made);
    return made;
  };
}

/** Parts are only ever added at the end: tokens of the release before must open, and ours in it. */
function textOf(token: SignedToken): string {
  const parts = [token.accountId, token.clientId, token.grantId, token.sessionUid];
  const { apiKeyId, apiKeySecretId, organizationId } = token;
  const bound = token.expiresWithSession ? '1' : '';
  return [...parts, apiKeyId, apiKeySecretId, organizationId, bound].map((part) => part ?? '').join('\n');
}

export function openHandle(seal: Seal, jti: string, handle: string): TokenHandle | undefined {
  const bytes = Buffer.from(handle, 'base64url');
  const opened = seal.open(bytes, `handle:${jti}`) ?? seal.open(bytes, MACHINE);
  if (!opened) return undefined;
  const [accountId, clientId, grantId, sessionUid, apiKeyId, apiKeySecretId, organizationId, bound] = opened
    .toString()
    .split('\n');
  if (!clientId) return undefined;
  return {
    accountId: accountId || null,
    clientId,
    grantId: grantId || null,
    sessionUid: sessionUid || null,
    apiKeyId: apiKeyId || null,
    apiKeySecretId: apiKeySecretId || null,
    organizationId: organizationId || null,
    endsWithSession: bound === '1',
  };
}

export function authenticationClaims(ctx: KoaContextWithOIDC): Record<string, unknown> | undefined {
  const { AuthorizationCode, RefreshToken, DeviceCode } = ctx.oidc.entities;
  const source = AuthorizationCode ?? DeviceCode ?? RefreshToken;
  if (!source?.accountId) return undefined;
  return { auth_time: source.authTime, acr: source.acr, amr: source.amr };
}
