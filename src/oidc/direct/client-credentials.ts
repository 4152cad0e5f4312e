// The client credentials grant (RFC 6749 §4.4) without the engine, for machines with a secret that want a JWT: most of what
// a server like this one answers. All else, and whatever is refused, is the engine's.
import type { Client, Clients } from '../../clients/clients.ts';
import { accessTokenClaims } from '../tokens/claims.ts';
import { grantedScopes } from '../tokens/grantable.ts';
import type { Rights } from '../tokens/rights.ts';
import type { Presented } from './credentials.ts';
import { type Fields, only } from './form.ts';
import type { MachineTokens, Prepared } from './machine-tokens.ts';
import { createRemembered } from './remembered.ts';
import { type Answered, issued } from './reply.ts';

export type ClientCredentials = (
  fields: Fields,
  presented: Extract<Presented, { by: 'secret' }>,
) => Promise<Answered | undefined>;

/** RFC 6749 §3.3. */
export const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const REMEMBERED = 10_000;

export function createClientCredentials(deps: {
  clients: Pick<Clients, 'known' | 'secretMatches'>;
  rights: Pick<Rights, 'ofClient'>;
  tokens: MachineTokens;
}): ClientCredentials {
  const remembered = createRemembered<Prepared | undefined>(REMEMBERED);

  async function prepared(client: Client, audience: string, asked: string | undefined) {
    const held = await deps.rights.ofClient(client, audience);
    if (held === undefined || held.of.tokenFormat !== 'jwt') return undefined;
    const basis = [client, held.of, held.api, held.entitlement, held.roles];
    return remembered.of(`${client.id} ${audience} ${asked}`, basis, () => {
      const granted = asked === undefined ? [] : grantedScopes({ ...held, asked: asked.split(' ') });
      // It is the engine that says what nothing is left of, and what OpenID has to do with it.
      if (asked !== undefined && granted.length === 0) return undefined;
      const scope = granted.length === 0 ? undefined : granted.join(' ');
      const claims = accessTokenClaims({ api: held.of, client, facts: held, organizationId: null, scope });
      return deps.tokens.prepare({
        id: client.id,
        accountId: null,
        api: held.of,
        scope,
        lifetimeSeconds: client.accessTokenLifetimeSeconds ?? held.of.tokenLifetimeSeconds,
        endsAt: Number.POSITIVE_INFINITY,
        claims,
      });
    });
  }

  return async (fields, { clientId, secret }) => {
    const [known, isRight] = await Promise.all([
      deps.clients.known(clientId),
      deps.clients.secretMatches(clientId, secret),
    ]);
    const client = known?.client;
    if (!client || !isRight || !isPlainMachine(client)) return undefined;
    const audience = audienceOf(fields, () => client.apis.map((api) => api.audience));
    const { scope = '' } = fields;
    if (audience === undefined || typeof scope !== 'string' || (scope !== '' && !SCOPE.test(scope)))
      return undefined;
    const machine = await prepared(client, audience, only(scope));
    if (machine === undefined) return undefined;
    return { reply: issued(await deps.tokens.issue(machine)), clientId: client.id };
  };
}

/** The API that is named, or the only one that there is; undefined when it is not that simple (RFC 8707 §2.2). */
export function audienceOf(fields: Fields, all: () => readonly string[]): string | undefined {
  const { resource } = fields;
  if (resource !== undefined && resource !== '') return only(resource);
  const audiences = all();
  return audiences.length === 1 ? audiences[0] : undefined;
}

function isPlainMachine(client: Client): boolean {
  const { authMethod, dpopBound, grantTypes } = client;
  const usesSecret = authMethod === 'client_secret_basic' || authMethod === 'client_secret_post';
  return usesSecret && !dpopBound && grantTypes.includes('client_credentials');
}
