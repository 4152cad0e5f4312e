// What the engine's own access tokens say beyond the protocol: found out when one is made.
import type { AccessToken, ClientCredentials, KoaContextWithOIDC } from 'oidc-provider';
import type { Facts } from '../../access/access.ts';
import type { Api } from '../../apis/apis.ts';
import type { ClientSource } from '../client-source.ts';
import { organizationOf } from '../consent/grants.ts';
import { accessTokenClaims } from './claims.ts';

export interface AccessTokenDeps {
  readonly clientSource: Pick<ClientSource, 'registered'>;
  readonly apiOf: (audience: string) => Api | undefined;
  readonly factsOf: (accountId: string, organizationId: string | null) => Promise<Facts | undefined>;
}

/** Nothing for a token without an audience: that one is for userinfo, which says what there is to say. */
export async function claimsOfToken(
  ctx: KoaContextWithOIDC,
  token: AccessToken | ClientCredentials,
  deps: AccessTokenDeps,
): Promise<Record<string, unknown>> {
  const { client: engineClient, entities } = ctx.oidc;
  const api = typeof token.aud === 'string' ? deps.apiOf(token.aud) : undefined;
  if (!api || !engineClient) return {};
  const accountId = 'accountId' in token ? token.accountId : undefined;
  const organizationId = accountId ? organizationOf(entities.Grant) : null;
  return accessTokenClaims({
    api,
    client: deps.clientSource.registered(engineClient),
    facts: accountId ? await deps.factsOf(accountId, organizationId) : undefined,
    organizationId,
    scope: token.scope,
  });
}
