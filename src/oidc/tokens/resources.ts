// Resource indicators (RFC 8707): which API a token is for, and which of its permissions this client and person may have.
import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import type { Api, Apis } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import type { PermissionSet } from '../../lib/permission.ts';
import type { ClientSource } from '../client-source.ts';

export interface Resources {
  getResourceServerInfo(
    ctx: KoaContextWithOIDC,
    audience: string,
    client: Parameters<ClientSource['registered']>[0],
  ): Promise<ResourceServer>;
}

export interface Ask {
  readonly asked: Iterable<string>;
  /** What the API has. */
  readonly api: PermissionSet;
  /** What the client, or key, may have of it. */
  readonly entitlement: PermissionSet;
  /** What the person behind it holds, in the organization that was chosen; undefined where there is nobody. */
  readonly held?: PermissionSet | undefined;
}

/**
 * THE rule for scopes of APIs: one is granted when every set covers it. It may be narrower than what is registered
 * (`files:read:files:7` of `files:read`), never wider; what is too much is left out (RFC 6749 §3.3).
 */
export function grantedScopes({ asked, api, entitlement, held }: Ask): string[] {
  const sets = held === undefined ? [api, entitlement] : [api, entitlement, held];
  return [...new Set(asked)].filter((scope) => sets.every((set) => set.covers(scope)));
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
