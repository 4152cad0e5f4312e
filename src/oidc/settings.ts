// The engine's configuration: features, lifetimes, cookies, routes and the policies of this folder, put together as data.
import {
  type Configuration,
  type Client as EngineClient,
  type ExternalSigningKey,
  errors,
} from 'oidc-provider';
import type { Accounts } from '../accounts/accounts.ts';
import type { Assurance } from '../assurance/assurance.ts';
import { allowedOrigins } from '../clients/clients.ts';
import { openidScopes } from '../clients/schema.ts';
import { strengths } from '../lib/strength.ts';
import type { Config } from '../platform/config/schema.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { ServerSecrets } from '../platform/secrets/server-secrets.ts';
import type { StateStore } from './adapter/adapter.ts';
import type { BrowserAccounts } from './browser-accounts.ts';
import type { ClientSource } from './client-source.ts';
import { grantLifetimeSeconds, loadExistingGrant } from './consent/grants.ts';
import {
  ORGANIZATION_PARAMETER,
  type OrganizationChoices,
  SELECT_ORGANIZATION,
} from './consent/organizations.ts';
import { cookieNames, cookieOptions } from './cookies.ts';
import type { Cutoffs } from './cutoffs.ts';
import type { EnginePages } from './pages/pages.ts';
import { prompts } from './prompts.ts';
import {
  type AccessTokenDeps,
  claimsByScope,
  claimsOfToken,
  findAccount,
  pairwiseSubject,
} from './tokens/claims.ts';
import { lifetimes } from './tokens/lifetimes.ts';
import type { Resources } from './tokens/resources.ts';
import { authenticationClaims } from './tokens/token-claims.ts';

export interface EngineDeps {
  readonly config: Config;
  readonly db: Db;
  readonly serverSecrets: ServerSecrets;
  readonly accounts: Accounts;
  readonly isCutOff: Cutoffs['isOver'];
  readonly clientSource: ClientSource;
  readonly browser: Pick<BrowserAccounts, 'hasOthers'>;
  readonly assurance: Pick<Assurance, 'missing'>;
  readonly resources: Resources;
  readonly organizations: OrganizationChoices;
  readonly isMember: (accountId: string, organizationId: string) => Promise<boolean>;
  /** Roles, and with them permissions, of an account. */
  readonly factsOf: AccessTokenDeps['factsOf'];
  readonly factsOfClient: AccessTokenDeps['factsOfClient'];
  readonly apiOf: AccessTokenDeps['apiOf'];
  readonly store: StateStore;
  readonly pages: EnginePages;
  readonly locales: readonly string[];
  readonly customizeJwt: NonNullable<NonNullable<Configuration['formats']>['customizers']>['jwt'];
  readonly outgoingFetch: NonNullable<Configuration['fetch']>;
}

export const routes = {
  authorization: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  introspection: '/introspect',
  revocation: '/revoke',
  pushed_authorization_request: '/par',
  device_authorization: '/device/authorize',
  code_verification: '/device',
  end_session: '/end-session',
  jwks: '/jwks',
  registration: '/register',
} as const;

export function engineConfiguration(deps: EngineDeps, keys: ExternalSigningKey[]): Configuration {
  const { config, clientSource, pages, serverSecrets } = deps;
  const secure = config.issuer.startsWith('https:');
  const registered = clientSource.registered;

  return {
    adapter: deps.store.factory,
    jwks: { keys },
    routes,
    findAccount: findAccount(deps),
    claims: claimsByScope(deps.accounts.profile),
    scopes: [...openidScopes],
    // `none` is for pages of this server, which need no more than a signed-in browser (clients/engine-metadata.ts).
    responseTypes: ['code', 'none'],
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: async (_ctx, accountId, client) => pairwiseOf(serverSecrets, accountId, client),
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    enabledJWA: {
      clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
      idTokenSigningAlgValues: ['RS256', 'ES256'],
      userinfoSigningAlgValues: ['RS256', 'ES256'],
      introspectionSigningAlgValues: ['RS256', 'ES256'],
      authorizationSigningAlgValues: ['RS256', 'ES256'],
      dPoPSigningAlgValues: ['ES256', 'EdDSA', 'Ed25519'],
    },
    acrValues: [...strengths],
    discovery: {
      ui_locales_supported: [...deps.locales],
      prompt_values_supported: promptValues(config),
      // The engine has no such feature: pages/front-channel.ts.
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
    },
    cookies: cookies(secure, serverSecrets.get('cookie')),
    // RFC 9700 §2.1.1, OAuth 2.1 §4.1.1: PKCE for everyone. A confidential client that is exempted must send a nonce.
    pkce: {
      required: (ctx, client) =>
        !(registered(client).pkceExempt && client.clientAuthMethod !== 'none' && ctx.oidc.params?.nonce),
    },
    extraParams: { [ORGANIZATION_PARAMETER]: (ctx) => deps.resources.refuseHopeless(ctx) },
    interactions: {
      policy: prompts(deps),
      url: (ctx, interaction) =>
        `${new URL(ctx.oidc.issuer).pathname.replace(/\/$/, '')}/interaction/${interaction.uid}`,
    },
    loadExistingGrant: loadExistingGrant({ ...deps, tokens: config.tokens }),
    ttl: { ...lifetimes(config, registered), Grant: grantLifetimeSeconds(config.tokens) },
    rotateRefreshToken: async (ctx) => {
      await deps.resources.refuseRefresh(ctx);
      return true;
    },
    issueRefreshToken: async (_ctx, client, source) =>
      client.grantTypeAllowed('refresh_token') &&
      (source.scopes.has('offline_access') || registered(client).firstParty),
    // Offline access outlives the browser session by its meaning (OpenID Connect Core §11). So does a first-party native
    // app, whose sign-in has nothing to do with the browser that happened to show the page. All else ends at sign-out.
    expiresWithSession: async (ctx, source) => {
      if (source.scopes.has('offline_access')) return false;
      const client = ctx.oidc.client && registered(ctx.oidc.client);
      return !(client?.firstParty && client.kind === 'native');
    },
    extraTokenClaims: async (ctx, token) => ({
      ...(await claimsOfToken(ctx, token, deps)),
      ...authenticationClaims(ctx),
    }),
    formats: { customizers: { jwt: deps.customizeJwt } },
    clientBasedCORS: (_ctx, origin, client) => allowedOrigins(registered(client)).includes(origin),
    renderError: pages.renderError,
    fetch: deps.outgoingFetch,
    fetchResponseBodyLimits: { jwks_uri: 64 * 1024, sector_identifier_uri: 64 * 1024 },
    features: features(deps),
  };
}

/** Initiating User Registration via OpenID Connect 1.0 §4.1.3. */
function promptValues({ registration }: Config): string[] {
  const own = registration.mode === 'closed' ? [] : ['create'];
  return ['none', 'login', 'consent', 'select_account', SELECT_ORGANIZATION, ...own];
}

/** OpenID Connect Core §8.1: the engine resolves it; its typings leave it unnamed. */
function pairwiseOf(secrets: ServerSecrets, accountId: string, client: EngineClient): string {
  return pairwiseSubject(secrets.get('pairwise'), accountId, sectorOf(client));
}

/** As whom this client knows an account. */
export function subjectOf(secrets: ServerSecrets, client: EngineClient, accountId: string): string {
  return client.subjectType === 'pairwise' ? pairwiseOf(secrets, accountId, client) : accountId;
}

function sectorOf(client: EngineClient): string {
  const sector: unknown = client.sectorIdentifier;
  return typeof sector === 'string' && sector ? sector : client.clientId;
}

function features(deps: EngineDeps): NonNullable<Configuration['features']> {
  const { pages, serverSecrets } = deps;
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      deviceInfo: pages.deviceInfo,
      userCodeInputSource: pages.userCodeInput,
      userCodeConfirmSource: pages.userCodeConfirm,
      successSource: pages.deviceDone,
    },
    dPoP: { enabled: true, nonceSecret: serverSecrets.get('dpop-nonce') },
    externalSigningSupport: { enabled: true, ack: 'experimental-01' },
    introspection: {
      enabled: true,
      // It only finds out who asks: what is told is up to direct/introspection.ts.
      allowedPolicy: async () => false,
    },
    pushedAuthorizationRequests: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: deps.resources.getResourceServerInfo,
      defaultResource: async (ctx, client, oneOf) => {
        if (oneOf?.length === 1 && oneOf[0] !== undefined) return oneOf[0];
        if (oneOf) throw new errors.InvalidTarget('name one of the granted resources in the token request');
        // A machine has no userinfo to ask: its token is for its API, which needs no naming when there is one only.
        const audiences = deps.clientSource.registered(client).apis.map((api) => api.audience);
        const machine = ctx.oidc.params?.grant_type === 'client_credentials';
        return machine && audiences.length === 1 ? audiences[0] : undefined;
      },
    },
    revocation: {
      enabled: true,
      // As above: direct/revocation.ts.
      allowedPolicy: async () => false,
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: pages.logoutConfirm,
      postLogoutSuccessSource: pages.logoutDone,
    },
    userinfo: { enabled: true },
  };
}

function cookies(secure: boolean, key: Buffer): NonNullable<Configuration['cookies']> {
  const { session, interaction, resume } = cookieNames(secure);
  const { long, short } = cookieOptions(secure);
  return { keys: [key.toString('base64url')], names: { session, interaction, resume }, long, short };
}
