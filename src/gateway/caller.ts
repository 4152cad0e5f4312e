// Callers of the management API: what stands behind a credential, in the words of our own vocabulary.
import type { Access } from '../access/access.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { Client, Clients } from '../clients/clients.ts';
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import type { Caller, SignedIn } from '../platform/api/route.ts';
import { permissions as permissionTable } from '../vocabulary/permissions.ts';
import type { Identity } from './identity.ts';

export interface CallerDeps {
  /** Of the management API. */
  audience: string;
  access: Pick<Access, 'factsOf'>;
  apiKeys: Pick<ApiKeys, 'effective'>;
  clients: Pick<Clients, 'known'>;
}

const everything = Object.keys(permissionTable);

/** Undefined for what is good, but not here. */
export function createCallers(deps: CallerDeps): (identity: Identity) => Promise<Caller | undefined> {
  const names = new WeakMap<PermissionSet, readonly string[]>();
  const entitlements = new WeakMap<Client['apis'], WeakMap<PermissionSet, PermissionSet>>();

  function namesIn(set: PermissionSet): readonly string[] {
    const known = names.get(set);
    if (known !== undefined) return known;
    const covered = everything.filter((name) => set.covers(name));
    names.set(set, covered);
    return covered;
  }

  /** Of every API: a token is for this one alone, but whoever stands behind it hands out what is theirs. */
  async function heldBy(identity: Identity): Promise<PermissionSet | undefined> {
    const { chain, accountId, organizationId, clientId } = identity;
    const [key] = chain;
    if (key !== undefined) return (await deps.apiKeys.effective(key))?.permissions;
    if (accountId !== null) {
      return (await deps.access.factsOf({ kind: 'account', id: accountId }, organizationId))?.permissions;
    }
    const known = await deps.clients.known(clientId);
    const facts = known && (await deps.access.factsOf({ kind: 'client', id: clientId }, organizationId));
    return facts && heldByClient(known.client.apis, facts.permissions);
  }

  function heldByClient(apis: Client['apis'], facts: PermissionSet): PermissionSet {
    const known = entitlements.get(apis) ?? new WeakMap<PermissionSet, PermissionSet>();
    entitlements.set(apis, known);
    const found = known.get(facts);
    if (found !== undefined) return found;
    // In a registration a lone star stands for all of that API: here for its name at ours, and nothing at the others.
    const own = apis.flatMap(({ audience, permissions }) =>
      permissions.flatMap((text) => (text === '*' ? (audience === deps.audience ? everything : []) : [text])),
    );
    const made = compilePermissions(own).union(facts);
    known.set(facts, made);
    return made;
  }

  return async (identity) => {
    const { apis, accountId, organizationId, clientId, chain, permissions } = identity;
    if (apis !== null && !apis.includes(deps.audience)) return undefined;
    // Presenting it without its proof is what its holder protects against (RFC 9449 §7.1).
    if (identity.boundTo !== null) return undefined;
    const held = await heldBy(identity);
    if (held === undefined) return undefined;
    return {
      kind: accountId === null ? 'client' : 'account',
      id: accountId ?? clientId,
      clientId,
      permissions: namesIn(permissions),
      held,
      accountId,
      organizationId,
      apiKeyId: chain[0]?.id ?? null,
      ...signedInOf(identity),
    };
  };
}

/** What a token tells of the sign-in that it came from. One that was made with a key came from none. */
function signedInOf({ claims, accountId, chain }: Identity): { signedIn?: SignedIn } {
  const { auth_time: at, amr } = claims;
  if (typeof at !== 'number' || accountId === null || chain.length > 0) return {};
  return { signedIn: { at: new Date(at * 1000), amr: Array.isArray(amr) ? amr.map(String) : [] } };
}
