// What ends a token before its time, asked in one place: it was revoked, or what it came from is gone; and how much of its
// scope is held still.
import type { Account } from '../../accounts/accounts.ts';
import type { KnownClient } from '../../clients/clients.ts';
import { openidScopes } from '../../clients/schema.ts';
import type { Cutoffs } from '../cutoffs.ts';
import type { IssuedToken } from './issued.ts';
import { grantedScopes } from './resources.ts';
import type { Rights } from './rights.ts';

export interface Liveness {
  /** The scope that is held now; undefined when the token is worth nothing any more. */
  scopeNow(token: IssuedToken): Promise<readonly string[] | undefined>;
}

export interface LivenessDeps {
  cutoffs: Pick<Cutoffs, 'isOver'>;
  isRevoked: (jti: string) => boolean;
  /** Resolves when what is kept in memory is at most some seconds old; rejects when that cannot be said. */
  fresh: () => Promise<void>;
  knownClient: (id: string) => Promise<KnownClient | undefined>;
  findAccount: (id: string) => Promise<Pick<Account, 'status'> | undefined>;
  keyIsAlive: (keyId: string, secretId: string) => Promise<boolean>;
  grantIsAlive: (id: string, of: { accountId: string | null; clientId: string }) => Promise<boolean>;
  sessionHolds: (token: IssuedToken) => Promise<boolean>;
  rights: Rights;
}

const openid: ReadonlySet<string> = new Set(openidScopes);

export function createLiveness(deps: LivenessDeps): Liveness {
  return {
    async scopeNow(token) {
      await deps.fresh();
      const { accountId, clientId, issuedAtSeconds: atSeconds } = token;
      if (deps.isRevoked(token.jti) || deps.cutoffs.isOver({ atSeconds, accountId, clientId }))
        return undefined;
      if (!(await holderIsAlive(token))) return undefined;
      if (accountId !== null && !(await personIsBehind(token, accountId))) return undefined;
      return held(token);
    },
  };

  async function holderIsAlive({ apiKeyId, apiKeySecretId, clientId }: IssuedToken): Promise<boolean> {
    if (apiKeyId === null) return (await deps.knownClient(clientId)) !== undefined;
    return apiKeySecretId !== null && deps.keyIsAlive(apiKeyId, apiKeySecretId);
  }

  /** A token of a person stands on what the person allowed, which is a row; and on a session, where it was bound to one. */
  async function personIsBehind(token: IssuedToken, accountId: string): Promise<boolean> {
    const { grantId, clientId } = token;
    if (grantId === null) return false;
    const [account, granted, held] = await Promise.all([
      deps.findAccount(accountId),
      deps.grantIsAlive(grantId, { accountId, clientId }),
      token.sessionUid === null || deps.sessionHolds(token),
    ]);
    return account?.status === 'active' && granted && held;
  }

  /** Scopes of OpenID are what the person allowed; all others are permissions of APIs, and may be taken away. */
  async function held(token: IssuedToken): Promise<readonly string[] | undefined> {
    const { audiences, scope } = token;
    if (audiences.length === 0) return scope;
    const all = await Promise.all(audiences.map((audience) => deps.rights(token, audience)));
    const rights = all.filter((sets) => sets !== undefined);
    if (rights.length === 0) return undefined;
    const asked = scope.filter((word) => !openid.has(word));
    const granted = new Set(rights.flatMap((sets) => grantedScopes({ ...sets, asked })));
    if (granted.size === asked.length) return scope;
    const left = scope.filter((word) => openid.has(word) || granted.has(word));
    return left.length === 0 ? undefined : left;
  }
}
