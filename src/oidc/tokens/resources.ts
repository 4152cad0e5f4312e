// Resource indicators (RFC 8707): which API a token is for, and which of its permissions this client and person may have.
import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import type { Api, Apis } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import type { ClientSource } from '../client-source.ts';

export interface Resources {
  getResourceServerInfo(
    ctx: KoaContextWithOIDC,
    audience: string,
    client: Parameters<ClientSource['registered']>[0],
  ): Promise<ResourceServer>;
}

/** The permissions of one API that a client is registered for. */
export function entitledPermissions(client: Client, api: Api): string[] | undefined {
  const entitlement = client.apis.find((entry) => entry.audience === api.audience);
  if (!entitlement) return undefined;
  const all = api.permissions.map((permission) => permission.name);
  return entitlement.permissions.includes('*')
    ? all
    : all.filter((name) => entitlement.permissions.includes(name));
}

/** What a person may be granted of it; the management API belongs to administrators. */
export function grantable(permissions: string[], api: Api, person: { admin: boolean } | undefined): string[] {
  return api.system && person && !person.admin ? [] : permissions;
}

export function createResources(deps: {
  apis: Apis;
  clientSource: ClientSource;
  isAdmin: (accountId: string) => Promise<boolean>;
}): Resources {
  return {
    async getResourceServerInfo(ctx, audience, engineClient) {
      const api = deps.apis.known(audience);
      const client = deps.clientSource.registered(engineClient);
      const entitled = api && entitledPermissions(client, api);
      if (!api || !entitled) {
        // One answer for "unknown" and "not yours": the registry of APIs is nobody's business (RFC 8707 §2).
        throw new errors.InvalidTarget('the requested resource is unknown or not allowed for this client');
      }
      // An authorization request is asked about its resources before the account of the session is loaded.
      const accountId = ctx.oidc.account?.accountId ?? ctx.oidc.session?.accountId;
      const person = accountId && api.system ? { admin: await deps.isAdmin(accountId) } : undefined;
      return {
        audience: api.audience,
        scope: grantable(entitled, api, person).join(' '),
        accessTokenFormat: api.tokenFormat,
        accessTokenTTL: client.accessTokenLifetimeSeconds ?? api.tokenLifetimeSeconds,
        jwt: { sign: { alg: api.signingAlgorithm } },
      };
    },
  };
}
