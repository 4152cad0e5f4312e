// Tokens of this server, seen from outside: put together from where they rest and what they stand on.
import type { Adapter } from 'oidc-provider';
import type { Access } from '../../access/access.ts';
import type { ApiKeys } from '../../api-keys/api-keys.ts';
import type { Clients } from '../../clients/clients.ts';
import type { Changes } from '../../platform/changes.ts';
import type { Seal } from '../../platform/secrets/seal.ts';
import type { SigningKeys } from '../../signing-keys/signing-keys.ts';
import type { StateStore } from '../adapter/adapter.ts';
import { organizationOf } from '../consent/grant-organization.ts';
import type { Cutoffs } from '../cutoffs.ts';
import { createInspection, type Tokens } from './inspect.ts';
import type { IssuedToken } from './issued.ts';
import { createLiveness, type LiveGrant } from './liveness.ts';
import type { RevokedTokens } from './revoked.ts';
import type { Rights } from './rights.ts';
import { createStoredTokens } from './stored.ts';

export interface TokensDeps {
  issuer: string;
  changes: Pick<Changes, 'poll' | 'silence'>;
  signingKeys: SigningKeys;
  handleSeal: Seal;
  store: Pick<StateStore, 'factory' | 'findToken'>;
  clients: Pick<Clients, 'known'>;
  apiKeys: Pick<ApiKeys, 'alive'>;
  access: Pick<Access, 'factsOf'>;
  cutoffs: Pick<Cutoffs, 'isOver'>;
  revoked: Pick<RevokedTokens, 'has'>;
  rights: Rights;
  /** As whom a client knows an account. */
  subjectOf: (clientId: string, accountId: string) => Promise<string>;
}

/** After so long, what other nodes may have ended is looked for before a token is believed. */
const LONGEST_SILENCE_MILLISECONDS = 4000;

export function createTokens(deps: TokensDeps): Tokens {
  const { changes, store } = deps;
  const grants = store.factory('Grant');
  const sessions = store.factory('Session');
  const liveness = createLiveness({
    isCutOff: deps.cutoffs.isOver,
    isRevoked: deps.revoked.has,
    async fresh() {
      if (changes.silence() > LONGEST_SILENCE_MILLISECONDS) await changes.poll();
    },
    knownClient: deps.clients.known,
    aliveKey: deps.apiKeys.alive,
    factsOfAccount: (id, organizationId) => deps.access.factsOf({ kind: 'account', id }, organizationId),
    findGrant: (id) => liveGrant(grants, id),
    sessionHolds: (token) => sessionHolds(sessions, token),
    rights: deps.rights,
  });
  return createInspection({ ...deps, stored: createStoredTokens(deps), liveness });
}

async function liveGrant(grants: Adapter, id: string): Promise<LiveGrant | undefined> {
  const grant = await grants.find(id);
  if (!grant?.accountId || !grant.clientId) return undefined;
  const { accountId, clientId } = grant;
  return { accountId, clientId, organizationId: organizationOf(grant) };
}

/** As the engine asks it at userinfo: it is still there, of the same person, and this grant is what it has for the client. */
async function sessionHolds(sessions: Adapter, token: IssuedToken): Promise<boolean> {
  const { sessionUid, accountId, clientId, grantId } = token;
  const session = sessionUid === null ? undefined : await sessions.findByUid(sessionUid);
  if (!session || (session.exp ?? 0) <= Date.now() / 1000) return false;
  return session.accountId === accountId && session.authorizations?.[clientId]?.grantId === grantId;
}
