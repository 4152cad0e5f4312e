// Who stands behind a credential, key or token: one shape for both, or why it is not good.
import type { ApiKeys, Effective, KeyRefusal, KnownKey } from '../api-keys/api-keys.ts';
import { ownerOf } from '../api-keys/schema.ts';
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import type { LiveToken, RefusedToken, Tokens } from '../oidc/oidc.ts';
import type { ErrorCode } from '../vocabulary/errors.ts';

export interface Identity {
  readonly kind: 'key' | 'token';
  /** The id of the key, or the `sub` of the token. */
  readonly subject: string;
  /** The id of the key where it is one, or the token was made with one. */
  readonly clientId: string;
  readonly accountId: string | null;
  readonly organizationId: string | null;
  readonly owner: { readonly kind: 'account' | 'organization' | 'client'; readonly id: string } | null;
  /** The audiences it is good for; null: all. */
  readonly apis: readonly string[] | null;
  readonly permissions: PermissionSet;
  readonly roles: readonly string[];
  readonly constraints: Readonly<Record<string, readonly string[]>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** The key behind it and those above that one, the nearest first; empty when there is none. */
  readonly chain: readonly KnownKey[];
  /** The `jti`; null for a key. */
  readonly tokenId: string | null;
  readonly expiresAt: Date | null;
  /** The thumbprint of the key that the token is bound to. */
  readonly boundTo: string | null;
}

export interface Refused {
  readonly refused: ErrorCode;
  /** Of a key whose secret was right. */
  readonly keyId: string | null;
}

/** How a credential is used: where from, null when that is not known, and at which API, when that is. */
export interface Use {
  readonly address: string | null;
  readonly api?: string | undefined;
}

export interface Identities {
  /** Any string. */
  ofCredential(presented: string, use: Use): Promise<Identity | Refused>;
  ofKey(presented: string, use: Use): Promise<Identity | Refused>;
  ofToken(presented: string): Promise<Identity | Refused>;
}

export interface IdentityDeps {
  apiKeys: Pick<ApiKeys, 'authenticate' | 'effective' | 'known'>;
  tokens: Tokens;
}

/** What every key begins with (lib/api-key-format.ts); no token does. */
const KEY_PREFIX = 'gth_';

export function createIdentities({ apiKeys, tokens }: IdentityDeps): Identities {
  const scopes = createScopes();

  async function ofKey(presented: string, { address, api }: Use): Promise<Identity | Refused> {
    const found = await apiKeys.authenticate(presented, { address });
    if ('refused' in found) return { refused: keyCodes[found.refused], keyId: found.keyId ?? null };
    const effective = await apiKeys.effective(found.key, api);
    if (effective === undefined) return { refused: 'credential_owner_inactive', keyId: found.key.id };
    return keyIdentity(found.key, effective);
  }

  async function ofToken(presented: string): Promise<Identity | Refused> {
    const token = await tokens.inspect(presented);
    if ('refused' in token) return { refused: tokenCodes[token.refused], keyId: null };
    // A refresh token opens nothing but the token endpoint.
    if (token.kind === 'refresh') return { refused: 'not_recognised', keyId: null };
    if (token.apiKeyId === null) return tokenIdentity(token, scopes(token.scope));
    const key = await apiKeys.known(token.apiKeyId);
    const effective = key && (await apiKeys.effective(key, token.audience ?? undefined));
    if (key === undefined || effective === undefined) {
      return { refused: 'credential_revoked', keyId: token.apiKeyId };
    }
    return {
      ...tokenIdentity(token, scopes(token.scope)),
      owner: ownerOf(key),
      accountId: key.accountId,
      constraints: effective.constraints,
      chain: effective.chain,
    };
  }

  return {
    ofKey,
    ofToken,
    ofCredential: (presented, use) =>
      presented.startsWith(KEY_PREFIX) ? ofKey(presented, use) : ofToken(presented),
  };
}

const keyCodes: Readonly<Record<KeyRefusal, ErrorCode>> = {
  malformed: 'not_recognised',
  unknown: 'not_recognised',
  revoked: 'credential_revoked',
  disabled: 'credential_disabled',
  expired: 'credential_expired',
  retired: 'credential_retired',
  owner_inactive: 'credential_owner_inactive',
  ancestor_inactive: 'credential_parent_inactive',
  address_not_allowed: 'address_not_allowed',
};

const tokenCodes: Readonly<Record<RefusedToken['refused'], ErrorCode>> = {
  malformed: 'not_recognised',
  unknown: 'not_recognised',
  expired: 'credential_expired',
  revoked: 'credential_revoked',
};

function keyIdentity(key: KnownKey, effective: Effective): Identity {
  return {
    kind: 'key',
    subject: key.id,
    clientId: key.id,
    accountId: key.accountId,
    organizationId: key.organizationId,
    owner: ownerOf(key),
    apis: effective.apis,
    permissions: effective.permissions,
    roles: effective.roles,
    constraints: effective.constraints,
    claims: effective.claims,
    chain: effective.chain,
    tokenId: null,
    expiresAt: effective.expiresAt,
    boundTo: null,
  };
}

function tokenIdentity(token: LiveToken, permissions: PermissionSet): Identity {
  const { roles } = token.claims;
  return {
    kind: 'token',
    subject: token.subject,
    clientId: token.clientId,
    accountId: token.accountId,
    organizationId: token.organizationId,
    owner: null,
    apis: token.audience === null ? [] : [token.audience],
    permissions,
    roles: Array.isArray(roles) ? roles.map(String) : [],
    constraints: {},
    claims: token.claims,
    chain: [],
    tokenId: token.jti,
    expiresAt: new Date(token.expiresAtSeconds * 1000),
    boundTo: token.confirmation?.jkt ?? null,
  };
}

const MOST_SCOPES = 10_000;

/** Many tokens carry the same scope: each is compiled once. */
function createScopes(): (scope: readonly string[]) => PermissionSet {
  let known = new Map<string, PermissionSet>();
  return (scope) => {
    const text = scope.join(' ');
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= MOST_SCOPES) known = new Map();
    const made = compilePermissions(scope);
    known.set(text, made);
    return made;
  };
}
