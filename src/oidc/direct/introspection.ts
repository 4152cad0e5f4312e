// Introspection (RFC 7662) of everything that is issued here: opaque and JWT access tokens, refresh tokens and API keys.
// Who may not know hears the same as of a token that does not exist.
import type { ApiKeys } from '../../api-keys/api-keys.ts';
import type { KnownKey } from '../../api-keys/schema.ts';
import type { Apis } from '../../apis/apis.ts';
import type { Audit } from '../../audit/audit.ts';
import type { Clients } from '../../clients/clients.ts';
import { API_KEY_PATTERN } from '../../lib/api-key-format.ts';
import type { Reply } from '../../platform/api/reply.ts';
import type { Tokens } from '../tokens/inspect.ts';
import type { LiveToken } from '../tokens/issued.ts';
import type { Rights } from '../tokens/rights.ts';
import { type Asker, isPublic } from './askers.ts';
import { introspected } from './reply.ts';

export type Introspection = (token: string, asker: Asker) => Promise<Reply>;

interface Told {
  readonly kind: string;
  readonly accountId: string | null;
  readonly clientId: string;
  /** undefined: not to this one. */
  readonly claims: Readonly<Record<string, unknown>> | undefined;
}

/** What a key that asks needs at the management API. */
const PERMISSION = 'api-keys:verify';

export function createIntrospection(deps: {
  issuer: string;
  managementAudience: string;
  tokens: Tokens;
  apis: Pick<Apis, 'known'>;
  clients: Pick<Clients, 'known'>;
  apiKeys: Pick<ApiKeys, 'authenticate' | 'known' | 'effective'>;
  rights: Pick<Rights, 'ofKey'>;
  audit: Pick<Audit, 'append'>;
}): Introspection {
  const inactive = introspected('{"active":false}');

  return async (token, asker) => {
    const told = await (API_KEY_PATTERN.test(token) ? ofKey(token, asker) : ofToken(token, asker));
    if (told === undefined) return inactive;
    await deps.audit.append({
      type: 'token.introspected',
      actor: { kind: 'client', id: asker.id },
      outcome: told.claims === undefined ? 'denied' : 'success',
      accountId: told.accountId,
      clientId: told.clientId,
      details: { kind: told.kind },
    });
    return told.claims === undefined
      ? inactive
      : introspected(JSON.stringify({ active: true, ...told.claims }));
  };

  async function ofToken(token: string, asker: Asker): Promise<Told | undefined> {
    const live = await deps.tokens.inspect(token);
    if ('refused' in live) return undefined;
    const { accountId, clientId, claims } = live;
    return {
      kind: kindOf(live),
      accountId,
      clientId,
      claims: (await mayKnow(asker, live)) ? claims : undefined,
    };
  }

  async function mayKnow(asker: Asker, { audience, organizationId }: LiveToken): Promise<boolean> {
    if (asker.kind === 'key') return keyMayAsk(asker.key, organizationId);
    if (isPublic(asker)) return false;
    return asker.client.mayIntrospectAny || (audience !== null && owns(asker.id, audience));
  }

  function owns(clientId: string, audience: string): boolean {
    return deps.apis.known(audience)?.ownerClientId === clientId;
  }

  /** One that is bound to an organization hears of what is bound to the same one. */
  async function keyMayAsk(key: KnownKey, organizationId: string | null): Promise<boolean> {
    if (key.organizationId !== null && key.organizationId !== organizationId) return false;
    const held = await deps.rights.ofKey(key, deps.managementAudience);
    return held?.entitlement.covers(PERMISSION) === true;
  }

  async function ofKey(text: string, asker: Asker): Promise<Told | undefined> {
    const key = await activeKey(text);
    if (key === undefined) return undefined;
    const scope = await shownScope(key, asker);
    const { accountId, id: clientId } = key;
    return { kind: 'ApiKey', accountId, clientId, claims: scope && claimsOf(key, scope) };
  }

  /** From where it may be used is asked by whoever it is presented to, not by whoever asks about it. */
  async function activeKey(text: string): Promise<KnownKey | undefined> {
    const found = await deps.apiKeys.authenticate(text, { address: null });
    if ('key' in found) return found.key;
    const isElsewhere = found.refused === 'address_not_allowed' && found.keyId !== undefined;
    return isElsewhere && found.keyId !== undefined ? deps.apiKeys.known(found.keyId) : undefined;
  }

  /** The owner of an API sees what the key may do there; undefined: nothing of it is any of the asker's business. */
  async function shownScope(key: KnownKey, asker: Asker): Promise<readonly string[] | undefined> {
    if (isPublic(asker)) return undefined;
    const mayAll =
      asker.kind === 'key' ? await keyMayAsk(asker.key, key.organizationId) : asker.client.mayIntrospectAny;
    if (mayAll && key.clientId === null) return (await deps.apiKeys.effective(key))?.permissions.texts;
    // What a client has at one of its APIs, its keys do not have at the others.
    if (mayAll) return scopeAt(key, (await deps.clients.known(key.clientId ?? ''))?.client.apis ?? []);
    if (asker.kind === 'key') return undefined;
    const own = asker.client.apis.filter(({ audience }) => owns(asker.id, audience));
    const texts = await scopeAt(key, own);
    return texts.length === 0 ? undefined : texts;
  }

  async function scopeAt(key: KnownKey, apis: readonly { readonly audience: string }[]): Promise<string[]> {
    const held = await Promise.all(apis.map(({ audience }) => deps.rights.ofKey(key, audience)));
    const texts = held.flatMap((sets) =>
      sets === undefined ? [] : sets.entitlement.intersect(sets.api).texts,
    );
    return [...new Set(texts)];
  }

  function claimsOf(key: KnownKey, scope: readonly string[]): Record<string, unknown> {
    const ids = { account: key.accountId, organization: key.organizationId, client: key.clientId };
    return {
      ...key.claims,
      sub: key.id,
      client_id: key.id,
      iss: deps.issuer,
      token_type: 'api_key',
      scope: scope.join(' '),
      exp: key.expiresAt === null ? undefined : Math.floor(key.expiresAt.getTime() / 1000),
      owner: { kind: key.ownerKind, id: ids[key.ownerKind] },
      org_id: key.organizationId ?? undefined,
    };
  }
}

/** As the engine's models are called, which the ledger has always said. */
function kindOf({ kind, accountId, apiKeyId }: LiveToken): string {
  if (kind === 'refresh') return 'RefreshToken';
  return accountId === null || apiKeyId !== null ? 'ClientCredentials' : 'AccessToken';
}
