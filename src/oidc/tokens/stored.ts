// Opaque access tokens and refresh tokens as they rest: from their row, in one statement with those of other requests.
import type { AdapterPayload } from 'oidc-provider';
import { hashToken } from '../../platform/secrets/tokens.ts';
import type { FoundToken, StateStore } from '../adapter/adapter.ts';
import { shortHash } from '../adapter/events.ts';
import { type IssuedToken, type RefusedToken, wordsOf } from './issued.ts';

export interface StoredTokens {
  find(token: string): Promise<IssuedToken | RefusedToken>;
}

export function createStoredTokens(deps: {
  issuer: string;
  store: Pick<StateStore, 'findToken'>;
}): StoredTokens {
  return {
    async find(token) {
      const found = await deps.store.findToken(token);
      if (found === undefined) return { refused: 'unknown' };
      const kind = kinds.get(found.model);
      return kind === undefined ? { refused: 'unknown' } : issuedFrom(deps.issuer, token, found, kind);
    },
  };
}

const kinds = new Map<string, IssuedToken['kind']>([
  ['AccessToken', 'access'],
  ['ClientCredentials', 'access'],
  ['RefreshToken', 'refresh'],
]);

/** What the engine's models leave in a payload, and what our own issuing adds (client-credentials.ts). */
interface StoredPayload extends AdapterPayload {
  readonly apiKeyId?: string;
  readonly apiKeySecretId?: string;
  readonly organizationId?: string;
}

function issuedFrom(
  issuer: string,
  token: string,
  found: FoundToken,
  kind: IssuedToken['kind'],
): IssuedToken | RefusedToken {
  const payload: StoredPayload = found.payload;
  const { clientId, iat, exp, aud, scope, jkt, sid } = payload;
  if (clientId === undefined || iat === undefined || exp === undefined) return { refused: 'unknown' };
  const confirmation = jkt === undefined ? null : { jkt };
  const accountId = payload.accountId ?? null;
  const audience = typeof aud === 'string' ? aud : undefined;
  return {
    kind,
    format: 'opaque',
    // The id of such a token is the token itself, which nobody is to keep.
    jti: shortHash(hashToken(token)),
    accountId,
    clientId,
    grantId: payload.grantId ?? null,
    sessionUid: payload.expiresWithSession ? (payload.sessionUid ?? null) : null,
    apiKeyId: payload.apiKeyId ?? null,
    apiKeySecretId: payload.apiKeySecretId ?? null,
    isSpent: found.consumed,
    organizationId: payload.organizationId ?? null,
    audiences: kind === 'refresh' ? [payload.resource ?? []].flat() : [audience ?? []].flat(),
    scope: wordsOf(scope),
    issuedAtSeconds: iat,
    expiresAtSeconds: exp,
    confirmation,
    subject: accountId === null ? clientId : undefined,
    claims: {
      // Of an access token it is among what we added to it; a refresh token has it of the engine.
      ...(kind === 'refresh' && { auth_time: payload.authTime, acr: payload.acr, amr: payload.amr }),
      ...payload.extra,
      client_id: clientId,
      exp,
      iat,
      sid,
      iss: issuer,
      aud: audience,
      cnf: confirmation ?? undefined,
      token_type: kind === 'refresh' ? undefined : confirmation ? 'DPoP' : 'Bearer',
    },
  };
}
