// Opaque access tokens and refresh tokens as they rest: from their row, in one statement with those of other requests.
import type { AdapterPayload } from 'oidc-provider';
import type { FoundToken } from '../adapter/adapter.ts';
import { type IssuedToken, type RefusedToken, wordsOf } from './issued.ts';

export interface StoredTokens {
  find(token: string): Promise<IssuedToken | RefusedToken>;
}

export function createStoredTokens(deps: {
  issuer: string;
  findToken: (id: string) => Promise<FoundToken | undefined>;
}): StoredTokens {
  return {
    async find(token) {
      const found = await deps.findToken(token);
      if (found === undefined) return { refused: 'unknown' };
      // One that was exchanged, or is of a model that is not for presenting.
      if (found.consumed || !(found.model in kinds)) return { refused: 'revoked' };
      return issuedFrom(deps.issuer, token, found.payload, kinds[found.model as keyof typeof kinds]);
    },
  };
}

const kinds = { AccessToken: 'access', ClientCredentials: 'access', RefreshToken: 'refresh' } as const;

/** What the engine's models leave in a payload, and what our own issuing adds (client-credentials.ts). */
interface StoredPayload extends AdapterPayload {
  readonly apiKeyId?: string;
  readonly apiKeySecretId?: string;
  readonly organizationId?: string;
}

function issuedFrom(
  issuer: string,
  token: string,
  payload: StoredPayload,
  kind: IssuedToken['kind'],
): IssuedToken | RefusedToken {
  const { clientId, iat, exp, aud, scope, jkt, sid } = payload;
  if (clientId === undefined || iat === undefined || exp === undefined) return { refused: 'unknown' };
  const confirmation = jkt === undefined ? null : { jkt };
  const accountId = payload.accountId ?? null;
  const audience = typeof aud === 'string' ? aud : undefined;
  return {
    kind,
    format: 'opaque',
    jti: payload.jti ?? token,
    accountId,
    clientId,
    grantId: payload.grantId ?? null,
    sessionUid: payload.expiresWithSession ? (payload.sessionUid ?? null) : null,
    apiKeyId: payload.apiKeyId ?? null,
    apiKeySecretId: payload.apiKeySecretId ?? null,
    organizationId: payload.organizationId ?? null,
    audiences: kind === 'refresh' ? [payload.resource ?? []].flat() : [audience ?? []].flat(),
    scope: wordsOf(scope),
    issuedAtSeconds: iat,
    expiresAtSeconds: exp,
    confirmation,
    subject: accountId === null ? clientId : undefined,
    claims: {
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
