// Resource indicators (RFC 8707): which API a token is for, and which of the asked permissions this client and person may have.
import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import type { Apis } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import type { ClientSource } from '../client-source.ts';
import { organizationOf } from '../consent/grant-organization.ts';
import { apiScopesIn, audiencesOf, type OrganizationChoices } from '../consent/organizations.ts';
import type { Entitlements } from './entitlements.ts';
import { type Grantable, grantedScopes, type Holder } from './grantable.ts';
import type { Rights } from './rights.ts';

type EngineClient = Parameters<ClientSource['registered']>[0];

export interface Resources {
  getResourceServerInfo(
    ctx: KoaContextWithOIDC,
    audience: string,
    client: EngineClient,
  ): Promise<ResourceServer>;
  /** Before anybody is asked anything: throws invalid_scope for what this client can never get, whoever signs in. */
  refuseHopeless(ctx: KoaContextWithOIDC): Promise<void>;
  /** Once somebody is signed in: throws invalid_scope when they can grant nothing of what is asked. */
  refuseEmpty(ctx: KoaContextWithOIDC): Promise<void>;
  /** Before a refresh token is used up: throws what would be thrown afterwards, when it would be lost. */
  refuseRefresh(ctx: KoaContextWithOIDC): Promise<void>;
}

export interface ResourcesDeps {
  apis: Pick<Apis, 'known'>;
  clientSource: Pick<ClientSource, 'registered'>;
  entitlements: Entitlements;
  grantable: Grantable;
  rights: Pick<Rights, 'ofClient'>;
  organizations: OrganizationChoices;
}

export function createResources(deps: ResourcesDeps): Resources {
  const { apis, clientSource, entitlements, grantable, organizations } = deps;

  async function grantedToMachine(client: Client, audience: string, asked: readonly string[]) {
    const held = await deps.rights.ofClient(client, audience);
    return held && grantedScopes({ ...held, asked });
  }

  const resources: Resources = {
    async getResourceServerInfo(ctx, audience, engineClient) {
      const client = clientSource.registered(engineClient);
      const ask = await askOf(ctx, audience, organizations);
      const { asked, before, holder } = ask;
      const api = apis.known(audience);
      const granted = await (ask.ofMachine
        ? grantedToMachine(client, audience, asked)
        : grantable.of(client, audience, asked, holder));
      if (!api || !granted) {
        // One answer for "unknown" and "not yours": the registry of APIs is nobody's business (RFC 8707 §2).
        throw new errors.InvalidTarget('the requested resource is unknown or not allowed for this client');
      }
      const { covers } = entitlements.ofApi(api);
      // At the token endpoint; an authorization request may ask several APIs, and is refused as a whole.
      const wanted = asked.filter((scope) => before.has(scope) || covers(scope));
      if (ctx.oidc.route === 'token' && wanted.length > 0 && granted.length === 0) {
        const possible = await grantable.of(client, audience, wanted, undefined);
        throw possible?.length ? notHeld(holder) : notRegistered();
      }
      return {
        audience: api.audience,
        scope: granted.join(' '),
        accessTokenFormat: api.tokenFormat,
        accessTokenTTL: client.accessTokenLifetimeSeconds ?? api.tokenLifetimeSeconds,
        jwt: { sign: { alg: api.signingAlgorithm } },
      };
    },

    async refuseHopeless({ oidc }) {
      const asked = apiScopesIn(oidc.requestParamScopes);
      const audiences = audiencesOf(oidc.params?.resource);
      if (!oidc.client || asked.length === 0 || audiences.length === 0) return;
      const client = clientSource.registered(oidc.client);
      const possible = await Promise.all(
        audiences.map((audience) => grantable.of(client, audience, asked, undefined)),
      );
      if (possible.flat().length === 0) throw notRegistered();
    },

    async refuseEmpty(ctx) {
      const { oidc } = ctx;
      // Whoever is to sign in next may be somebody else.
      if (!oidc.account || oidc.promptPending('login') || oidc.promptPending('select_account')) return;
      const chosen = await organizations.of(ctx);
      if (chosen?.kind === 'foreign') throw new errors.AccessDenied(NOT_A_MEMBER);
      const servers = Object.values(oidc.resourceServers ?? {});
      if (servers.length === 0 || apiScopesIn(oidc.requestParamScopes).length === 0) return;
      if (servers.every(({ scope }) => !scope)) throw notHeld(await organizations.holderOf(ctx));
    },

    async refuseRefresh(ctx) {
      const { client, params, entities } = ctx.oidc;
      const token = entities.RefreshToken;
      if (!client || !token) return;
      const scopes = params?.scope ? ctx.oidc.requestParamScopes : token.scopes;
      const [audience, ...more] = audiencesOf(
        params?.resource ?? (scopes.has('openid') ? [] : token.resource),
      );
      if (audience === undefined || more.length > 0) return;
      if (!token.resourceIndicators.has(audience)) throw new errors.InvalidTarget();
      await resources.getResourceServerInfo(ctx, audience, client);
    },
  };
  return resources;
}

const NOT_A_MEMBER =
  'the account is not a member of the organization; leave organization_id out to let the person choose';

// The engine's own error of this name repeats the scope that it is about; here that would be all of it.
const invalidScope = (sentence: string) => new errors.CustomOIDCProviderError('invalid_scope', sentence);

function notRegistered(): Error {
  return invalidScope(
    'none of the requested scopes is a permission of the requested API that this client is registered for',
  );
}

function notHeld(holder: Holder | undefined): Error {
  const inOne = holder?.organizations.length === 1 && holder.organizations[0] !== null;
  const where = inOne ? ' in this organization' : '';
  return invalidScope(
    `the account holds none of the requested permissions of the API${where}; it needs a role that has them`,
  );
}

interface AskAtApi {
  readonly asked: readonly string[];
  /** What was granted at this API before, when this is about a token. */
  readonly before: ReadonlySet<string>;
  readonly holder: Holder | undefined;
  /** A client for itself. */
  readonly ofMachine: boolean;
}

async function askOf(
  ctx: KoaContextWithOIDC,
  audience: string,
  organizations: OrganizationChoices,
): Promise<AskAtApi> {
  const { entities, params, requestParamScopes, route } = ctx.oidc;
  if (route !== 'token') {
    const holder = await organizations.holderOf(ctx);
    return { asked: apiScopesIn(requestParamScopes), before: new Set(), holder, ofMachine: false };
  }
  // What it was exchanged for may be narrowed by the request, and by whatever was taken away since.
  const source = entities.RefreshToken ?? entities.AuthorizationCode ?? entities.DeviceCode;
  const grant = entities.Grant;
  const accountId = source?.accountId;
  return {
    asked: apiScopesIn(source && !params?.scope ? source.scopes : requestParamScopes),
    before: new Set(grant?.getResourceScope(audience).split(' ')),
    holder: accountId ? { accountId, organizations: [organizationOf(grant)] } : undefined,
    ofMachine: source === undefined,
  };
}
