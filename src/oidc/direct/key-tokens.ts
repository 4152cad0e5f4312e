// Tokens for API keys by the client credentials grant: a key is a client, so its token says sub = client_id = the id of the
// key (RFC 9068 §2.2), whose the key is, and never more than the key may do at that API.
import type { KnownKey } from '../../api-keys/schema.ts';
import type { Audit } from '../../audit/audit.ts';
import type { Usage } from '../../usage/usage.ts';
import { accessTokenClaims } from '../tokens/claims.ts';
import { grantedScopes } from '../tokens/grantable.ts';
import type { Held, Rights } from '../tokens/rights.ts';
import { audienceOf, SCOPE } from './client-credentials.ts';
import { type Fields, only } from './form.ts';
import type { KeyCaller } from './key-callers.ts';
import type { MachineTokens, Prepared } from './machine-tokens.ts';
import { createRemembered } from './remembered.ts';
import { type Answered, issued, type Refusal, refusal } from './reply.ts';

/** For a key that has proved itself. */
export type KeyTokens = (fields: Fields, caller: KeyCaller) => Promise<Answered>;

const REMEMBERED = 20_000;

export function createKeyTokens(deps: {
  /** Whose API a token is for when the key does not say it. */
  managementAudience: string;
  rights: Pick<Rights, 'ofKey'>;
  tokens: MachineTokens;
  audit: Pick<Audit, 'append'>;
  usage: Pick<Usage, 'count'>;
}): KeyTokens {
  const remembered = createRemembered<Prepared | Refusal>(REMEMBERED);

  async function prepared(caller: KeyCaller, fields: Fields): Promise<Prepared | Refusal> {
    const { key, secretId, secretEndsAt } = caller;
    const { scope = '' } = fields;
    if (Array.isArray(fields.resource)) return severalResources;
    if (typeof scope !== 'string') return twice;
    if (scope !== '' && !SCOPE.test(scope)) return malformedScope;
    const audience = audienceOf(fields, () => key.apis ?? []) ?? deps.managementAudience;
    const held = await deps.rights.ofKey(key, audience);
    if (held === undefined) return noSuchApi;
    const basis = [
      key,
      secretId,
      secretEndsAt,
      held.of,
      held.api,
      held.entitlement,
      held.roles.join(' '),
      held.expiresAt?.getTime(),
    ];
    return remembered.of(`${key.id} ${audience} ${scope}`, basis, () => prepare(caller, held, only(scope)));
  }

  function prepare({ key, secretId, secretEndsAt }: KeyCaller, held: Held, asked: string | undefined) {
    // Without a wish it is all that the key may do there.
    const granted =
      asked === undefined
        ? held.entitlement.intersect(held.api).texts
        : grantedScopes({ ...held, asked: asked.split(' ') });
    if (granted.length === 0) return asked === undefined ? noSuchApi : nothingLeft;
    const scope = granted.join(' ');
    const { organizationId } = key;
    const said = accessTokenClaims({ api: held.of, key, facts: held, organizationId, scope });
    const bound = organizationId === null ? {} : { organizationId };
    return deps.tokens.prepare({
      id: key.id,
      accountId: key.accountId,
      api: held.of,
      scope,
      lifetimeSeconds: held.of.tokenLifetimeSeconds,
      endsAt: Math.min(held.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY, secretEndsAt),
      claims: {
        ...said,
        owner: ownerOf(key),
        ...(organizationId === null ? {} : { org_id: organizationId }),
      },
      key: { apiKeyId: key.id, apiKeySecretId: secretId, ...bound },
    });
  }

  async function refuse({ key }: KeyCaller, refused: Refusal): Promise<Answered> {
    await deps.audit.append({
      type: 'request.refused',
      actor: { kind: 'client', id: key.id },
      outcome: 'denied',
      accountId: key.accountId,
      clientId: key.id,
      reason: refused.error,
      details: { route: 'token', grantType: 'client_credentials' },
    });
    return { reply: refusal(refused), clientId: key.id, accountId: key.accountId, outcome: refused.error };
  }

  return async (fields, caller) => {
    const { key } = caller;
    if (only(fields.grant_type) !== 'client_credentials') return refuse(caller, otherGrant);
    const machine = await prepared(caller, fields);
    if ('error' in machine) return refuse(caller, machine);
    const body = await deps.tokens.issue(machine);
    const { accountId, organizationId, clientId } = key;
    deps.usage.count({ apiKeyId: key.id, accountId, organizationId, clientId }, 'token');
    return { reply: issued(body), clientId: key.id, accountId };
  };
}

function ownerOf(key: KnownKey): { kind: string; id: string | null } {
  const ids = { account: key.accountId, organization: key.organizationId, client: key.clientId };
  return { kind: key.ownerKind, id: ids[key.ownerKind] };
}

const bad = (error: string, description: string): Refusal => ({ status: 400, error, description });

const otherGrant = bad('unauthorized_client', 'an API key takes part in the client_credentials grant only');
const severalResources = bad(
  'invalid_target',
  'only a single resource indicator value is supported for this grant type',
);
const twice = bad('invalid_request', "'scope' parameter must not be provided twice");
const malformedScope = bad('invalid_scope', 'scope contains invalid characters');
// One answer for "unknown" and "not yours": the registry of APIs is nobody's business (RFC 8707 §2).
const noSuchApi = bad(
  'invalid_target',
  'the requested resource is unknown or not allowed for this key: name one of its APIs with `resource`',
);
const nothingLeft = bad('invalid_scope', 'the key holds nothing of what was asked for');
