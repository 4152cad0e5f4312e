// Subject -> account, scope -> claims (OpenID Connect Core §5.4), pairwise subjects (§8.1), and what access tokens say.
import type {
  AccessToken,
  ClientCredentials,
  Account as EngineAccount,
  FindAccount,
  KoaContextWithOIDC,
} from 'oidc-provider';
import type { Facts } from '../../access/access.ts';
import type { Account, Accounts, Profile } from '../../accounts/accounts.ts';
import type { Api } from '../../apis/apis.ts';
import type { TokenClaim } from '../../apis/schema.ts';
import { reservedClaims } from '../../lib/static-claims.ts';
import { keyedHash } from '../../platform/secrets/tokens.ts';
import type { ClientSource } from '../client-source.ts';
import { organizationOf } from '../consent/grant-organization.ts';
import type { Cutoffs } from '../cutoffs.ts';

export function claimsByScope(profile: Pick<Profile, 'claimsUnder'>) {
  return {
    // When and how the person signed in goes into every ID token, so that an app can check what it asked for.
    openid: ['sub', 'auth_time', 'acr', 'amr'],
    profile: [...profile.claimsUnder('profile'), 'preferred_username', 'updated_at'],
    email: ['email', 'email_verified', ...profile.claimsUnder('email')],
    address: profile.claimsUnder('address'),
    phone: ['phone_number', 'phone_number_verified'],
    acr: null,
    iss: null,
    sid: null,
  };
}

/**
 * undefined for an account that is gone or suspended, or no member of the grant's organization, and for a sign-in from
 * before everything of it was ended (one that was under way when the password was replaced): the engine then refuses the
 * code, token or session.
 */
export function findAccount(deps: {
  accounts: Pick<Accounts, 'find' | 'profile'>;
  isCutOff: Cutoffs['isOver'];
  isMember: (accountId: string, organizationId: string) => Promise<boolean>;
}): FindAccount {
  return async (ctx, sub, token) => {
    const atSeconds = token === undefined ? ctx.oidc.session?.loginTs : signedInAt(token);
    if (atSeconds !== undefined && deps.isCutOff({ atSeconds, accountId: sub })) return undefined;
    // What was granted in an organization ends with the membership, and while the organization is suspended.
    const organizationId = token === undefined ? null : organizationOf(ctx.oidc.entities.Grant);
    if (organizationId !== null && !(await deps.isMember(sub, organizationId))) return undefined;
    const account = await deps.accounts.find(sub);
    return account?.status === 'active' ? engineAccount(account, deps.accounts.profile) : undefined;
  };
}

/** Codes, device codes and refresh tokens carry it. */
function signedInAt(token: object): number | undefined {
  return 'authTime' in token && typeof token.authTime === 'number' ? token.authTime : undefined;
}

function engineAccount(account: Account, profile: Pick<Profile, 'claimsOf'>): EngineAccount {
  return {
    accountId: account.id,
    async claims() {
      return present({
        sub: account.id,
        ...profile.claimsOf(account),
        preferred_username: account.username,
        updated_at: Math.floor(account.updatedAt.getTime() / 1000),
        email: account.email,
        email_verified: account.email === null ? null : account.emailVerified,
        phone_number: account.phoneNumber,
        phone_number_verified: account.phoneNumber === null ? null : account.phoneNumberVerified,
      });
    },
  };
}

// OpenID Connect Core §5.3.2: a claim without a value is left out, not sent as null.
function present(claims: Record<string, unknown> & { sub: string }) {
  const entries = Object.entries(claims).filter(([, value]) => value !== null);
  return { ...Object.fromEntries(entries), sub: claims.sub };
}

export function pairwiseSubject(salt: Buffer, accountId: string, sector: string): string {
  return keyedHash(salt, `${sector} ${accountId}`).toString('base64url');
}

/** What an API, a client or a key says in every token, under names that neither the protocol nor the server uses. */
export type StaticClaims = Readonly<Record<string, unknown>>;

export interface TokenSaying {
  readonly api: { readonly tokenClaims: readonly string[]; readonly claims: StaticClaims };
  readonly client?: { readonly claims: StaticClaims } | undefined;
  readonly key?: { readonly claims: StaticClaims } | undefined;
  /** Of whoever the token acts for. */
  readonly facts?: { readonly roles: readonly string[] } | undefined;
  readonly organizationId: string | null;
  /** What was granted: `permissions` is the same as a list, never more. */
  readonly scope: string | undefined;
}

/**
 * What an access token says beyond the protocol. The narrower record wins: key over client over API; what the server says
 * wins over all three.
 */
export function accessTokenClaims(saying: TokenSaying): Record<string, unknown> {
  const { api, client, key, facts, organizationId, scope } = saying;
  const fixed = { ...api.claims, ...client?.claims, ...key?.claims };
  const claims = Object.fromEntries(Object.entries(fixed).filter(([name]) => !reservedClaims.has(name)));
  const wants = (name: TokenClaim) => api.tokenClaims.includes(name);
  if (wants('permissions')) claims.permissions = scope?.split(' ') ?? [];
  if (wants('roles')) claims.roles = facts?.roles ?? [];
  if (wants('org_id') && organizationId !== null) claims.org_id = organizationId;
  return claims;
}

export interface AccessTokenDeps {
  readonly clientSource: Pick<ClientSource, 'registered'>;
  readonly apiOf: (audience: string) => Api | undefined;
  readonly factsOf: (accountId: string, organizationId: string | null) => Promise<Facts | undefined>;
  readonly factsOfClient: (clientId: string) => Promise<Facts | undefined>;
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
    facts: await (accountId
      ? deps.factsOf(accountId, organizationId)
      : deps.factsOfClient(engineClient.clientId)),
    organizationId,
    scope: token.scope,
  });
}
