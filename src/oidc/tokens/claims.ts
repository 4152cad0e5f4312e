// Subject -> account, scope -> claims (OpenID Connect Core §5.4), and pairwise subjects (§8.1).
import type { Account as EngineAccount, FindAccount } from 'oidc-provider';
import type { Account, Accounts } from '../../accounts/accounts.ts';
import { keyedHash } from '../../platform/secrets/tokens.ts';
import { organizationOf } from '../consent/grants.ts';
import type { Cutoffs } from '../cutoffs.ts';

export const claimsByScope = {
  // When and how the person signed in goes into every ID token, so that an app can check what it asked for.
  openid: ['sub', 'auth_time', 'amr'],
  profile: [
    'name',
    'given_name',
    'family_name',
    'preferred_username',
    'picture',
    'locale',
    'zoneinfo',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  acr: null,
  iss: null,
  sid: null,
} as const;

/**
 * undefined for an account that is gone or suspended, or no member of the grant's organization, and for a sign-in from
 * before everything of it was ended (one that was under way when the password was replaced): the engine then refuses the
 * code, token or session.
 */
export function findAccount(deps: {
  accounts: Pick<Accounts, 'find'>;
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
    return account?.status === 'active' ? engineAccount(account) : undefined;
  };
}

/** Codes, device codes and refresh tokens carry it. */
function signedInAt(token: object): number | undefined {
  return 'authTime' in token && typeof token.authTime === 'number' ? token.authTime : undefined;
}

function engineAccount(account: Account): EngineAccount {
  return {
    accountId: account.id,
    async claims() {
      return present({
        sub: account.id,
        name: account.name,
        given_name: account.givenName,
        family_name: account.familyName,
        preferred_username: account.username,
        picture: account.picture,
        locale: account.locale,
        zoneinfo: account.zoneinfo,
        updated_at: Math.floor(account.updatedAt.getTime() / 1000),
        email: account.email,
        email_verified: account.email === null ? null : account.emailVerified,
      });
    },
  };
}

// OpenID Connect Core §5.3.2: a claim without a value is left out, not sent as null.
function present(claims: Record<string, string | number | boolean | null> & { sub: string }) {
  const entries = Object.entries(claims).filter(([, value]) => value !== null);
  return { ...Object.fromEntries(entries), sub: claims.sub };
}

export function pairwiseSubject(salt: Buffer, accountId: string, sector: string): string {
  return keyedHash(salt, `${sector} ${accountId}`).toString('base64url');
}

/** What an API, a client or a key says about itself in every token: free names, apart from the ones below. */
export type StaticClaims = Readonly<Record<string, unknown>>;

/**
 * Names that the protocol or the server gives a meaning: whoever reads a token decides by them, so that no registration
 * may say them. RFC 9068 §2.2, RFC 7662 §2.2, RFC 9449 §6, RFC 8693 §4, OpenID Connect Core §2.
 */
export const protocolClaims: ReadonlySet<string> = new Set([
  ...[
    'iss',
    'sub',
    'aud',
    'exp',
    'nbf',
    'iat',
    'jti',
    'typ',
    'client_id',
    'azp',
    'scope',
    'cnf',
    'act',
    'may_act',
  ],
  ...['authorization_details', 'auth_time', 'acr', 'amr', 'sid', 'nonce', 'at_hash', 'c_hash', 's_hash'],
  ...[
    'active',
    'token_type',
    'username',
    'permissions',
    'roles',
    'groups',
    'entitlements',
    'org_id',
    'owner',
  ],
  ...['handle', '__proto__'],
]);

/** What an API may want to read in its tokens beside `scope`. */
export const tokenClaimNames = ['permissions', 'roles', 'org_id'] as const;
export type TokenClaimName = (typeof tokenClaimNames)[number];

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
  const claims = Object.fromEntries(Object.entries(fixed).filter(([name]) => !protocolClaims.has(name)));
  const wants = (name: TokenClaimName) => api.tokenClaims.includes(name);
  if (wants('permissions')) claims.permissions = scope?.split(' ') ?? [];
  if (wants('roles')) claims.roles = facts?.roles ?? [];
  if (wants('org_id') && organizationId !== null) claims.org_id = organizationId;
  return claims;
}
