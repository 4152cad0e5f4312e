// What ends a token before its time, asked in one place: it was revoked, or what it came from is gone; and how much of its
// scope is held still.
import type { KnownKey } from '../../api-keys/schema.ts';
import type { KnownClient } from '../../clients/clients.ts';
import { openidScopes } from '../../clients/schema.ts';
import type { Cutoffs } from '../cutoffs.ts';
import { grantedScopes } from './grantable.ts';
import type { IssuedToken } from './issued.ts';
import type { Facts, Held, Rights } from './rights.ts';

export interface Alive {
  /** What of it is held now. */
  readonly scope: readonly string[];
  readonly roles: readonly string[];
  /** For whom it acts, as far as the token itself does not say it. */
  readonly belongs: Belongs;
}

interface Belongs {
  readonly accountId?: string | null;
  readonly organizationId?: string | null;
}

export interface Liveness {
  /** undefined: the token is worth nothing any more. */
  now(token: IssuedToken): Promise<Alive | undefined>;
}

export interface LivenessDeps {
  isCutOff: Cutoffs['isOver'];
  isRevoked: (jti: string) => boolean;
  /** Resolves when what is kept in memory is at most some seconds old; rejects when that cannot be said. */
  fresh: () => Promise<void>;
  knownClient: (id: string) => Promise<KnownClient | undefined>;
  aliveKey: (keyId: string, secretId: string) => Promise<KnownKey | undefined>;
  /** undefined for an account that is gone or suspended, or no member there. */
  factsOfAccount: (accountId: string, organizationId: string | null) => Promise<Facts | undefined>;
  findGrant: (id: string) => Promise<LiveGrant | undefined>;
  sessionHolds: (token: IssuedToken) => Promise<boolean>;
  rights: Rights;
}

/** What a person allowed; in one organization, or in none. */
export interface LiveGrant {
  readonly accountId: string;
  readonly clientId: string;
  readonly organizationId: string | null;
}

const openid: ReadonlySet<string> = new Set(openidScopes);

export function createLiveness(deps: LivenessDeps): Liveness {
  return {
    async now(token) {
      await deps.fresh();
      const { accountId, clientId, issuedAtSeconds: atSeconds } = token;
      if (deps.isRevoked(token.jti) || deps.isCutOff({ atSeconds, accountId, clientId })) return undefined;
      if (token.apiKeyId !== null) return ofKey(token, token.apiKeyId);
      const known = await deps.knownClient(clientId);
      if (known === undefined) return undefined;
      if (accountId !== null) return ofPerson(token, known, accountId);
      return held(token, (audience) => deps.rights.ofClient(known.client, audience));
    },
  };

  async function ofKey(token: IssuedToken, keyId: string): Promise<Alive | undefined> {
    const key = token.apiKeySecretId === null ? undefined : await deps.aliveKey(keyId, token.apiKeySecretId);
    if (key === undefined) return undefined;
    const { accountId, organizationId } = key;
    return held(token, (audience) => deps.rights.ofKey(key, audience), { accountId, organizationId });
  }

  /** A token of a person stands on what the person allowed, which is a row; and on a session, where it was bound to one. */
  async function ofPerson(
    token: IssuedToken,
    { client }: KnownClient,
    accountId: string,
  ): Promise<Alive | undefined> {
    const { grantId, clientId } = token;
    const grant = grantId === null ? undefined : await deps.findGrant(grantId);
    if (grant?.accountId !== accountId || grant.clientId !== clientId) return undefined;
    const [facts, isSignedIn] = await Promise.all([
      deps.factsOfAccount(accountId, grant.organizationId),
      token.sessionUid === null || deps.sessionHolds(token),
    ]);
    if (facts === undefined || !isSignedIn) return undefined;
    const { organizationId } = grant;
    return held(token, async (audience) => deps.rights.ofPerson(client, audience, facts), { organizationId });
  }

  /** Scopes of OpenID are what the person allowed; all others are permissions of APIs, and may be taken away. */
  async function held(
    token: IssuedToken,
    rightsAt: (audience: string) => Promise<Held | undefined>,
    belongs: Belongs = {},
  ): Promise<Alive | undefined> {
    const { audiences, scope } = token;
    if (audiences.length === 0) return { scope, roles: [], belongs };
    const rights = (await Promise.all(audiences.map(rightsAt))).filter((sets) => sets !== undefined);
    const roles = rights[0]?.roles;
    if (roles === undefined) return undefined;
    const asked = scope.filter((word) => !openid.has(word));
    const granted = new Set(rights.flatMap((sets) => grantedScopes({ ...sets, asked })));
    if (granted.size === asked.length) return { scope, roles, belongs };
    const left = scope.filter((word) => openid.has(word) || granted.has(word));
    return left.length === 0 ? undefined : { scope: left, roles, belongs };
  }
}
