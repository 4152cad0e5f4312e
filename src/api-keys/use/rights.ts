// What a key may do here and now: its own permissions within its owner's and those of every key above it; and whether it is
// good at all. Nothing is copied from above when a key is made, so whatever is taken away above is gone below.
import type { Client } from '../../clients/clients.ts';
import { addressRanges } from '../../lib/ip.ts';
import { compilePermissions, type PermissionSet } from '../../lib/permission.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Effective, KeyOwner, KeyRefusal, KnownKey } from '../schema.ts';

export interface Facts {
  readonly permissions: PermissionSet;
  readonly roles: readonly string[];
}

/** Whose keys there are, and what they may do now. Answers of the same object mean that nothing changed. */
export interface Owners {
  /** undefined: gone, suspended, or not a member of that organization. */
  factsOf(
    subject: { kind: 'account' | 'client' | 'api-key'; id: string },
    organizationId: string | null,
  ): Promise<Facts | undefined>;
  organization(
    id: string,
  ): Promise<{ readonly status: string; readonly permissions: readonly string[] } | undefined>;
  /** undefined: gone or disabled. */
  client(id: string): Promise<{ readonly client: Pick<Client, 'apis'> } | undefined>;
}

export interface KeyRights {
  /** Undefined: it is good. The secret and the address are not looked at. */
  refusalOf(key: KnownKey): Promise<KeyRefusal | undefined>;
  /** `audience`: at this API; what the client that owns a key has at others does not count there. */
  effective(key: KnownKey, audience?: string): Promise<Effective | undefined>;
  /** What such an owner may do; undefined when there is none, or no longer. */
  ownerSet(owner: KeyOwner, audience?: string): Promise<PermissionSet | undefined>;
  /** Whether the address is in every list of the key and of those above it; null is in none. */
  admits(key: KnownKey, address: string | null): Promise<boolean>;
  /** The key and then its ancestors, the nearest first; undefined when one is gone. */
  chainOf(key: KnownKey): Promise<readonly KnownKey[] | undefined>;
}

export function createKeyRights(deps: {
  owners: Owners;
  clock: Clock;
  find: (id: string) => Promise<KnownKey | undefined>;
  hasRoles: (id: string) => Promise<boolean>;
}): KeyRights {
  const { owners, clock } = deps;
  const sets = createSets();
  const ranges = remembered((cidrs: readonly string[]) => addressRanges(cidrs));

  async function chainOf(key: KnownKey): Promise<readonly KnownKey[] | undefined> {
    if (key.parentId === null) return [key];
    const chain = [key];
    for (let at = key.parentId; at !== null; ) {
      const parent: KnownKey | undefined = await deps.find(at);
      if (parent === undefined) return undefined;
      chain.push(parent);
      at = parent.parentId as typeof at; // null ends the loop
    }
    return chain;
  }

  /** What the owner may do; undefined when there is no such owner any more. */
  async function ownerSet(key: KeyOwner, audience?: string): Promise<PermissionSet | undefined> {
    const { accountId, clientId, organizationId } = key;
    if (accountId !== null) {
      return (await owners.factsOf({ kind: 'account', id: accountId }, organizationId))?.permissions;
    }
    const organization = organizationId === null ? undefined : await owners.organization(organizationId);
    if (organizationId !== null && organization?.status !== 'active') return undefined;
    if (clientId !== null) return clientSet(clientId, organizationId, audience);
    return organization && sets.compiled(organization.permissions);
  }

  /** A client acting for itself: what it is registered for, and its roles, at the APIs that it is registered for. */
  async function clientSet(clientId: string, organizationId: string | null, audience: string | undefined) {
    const known = await owners.client(clientId);
    const facts = known && (await owners.factsOf({ kind: 'client', id: clientId }, organizationId));
    if (facts === undefined) return undefined;
    const entries =
      known?.client.apis.filter((api) => audience === undefined || api.audience === audience) ?? [];
    if (entries.length === 0) return sets.compiled(NOTHING);
    return entries.reduce(
      (set, { permissions }) => sets.union(set, sets.entitlement(permissions)),
      facts.permissions,
    );
  }

  function refusalOfOne(key: KnownKey): KeyRefusal | undefined {
    if (key.revokedAt !== null) return 'revoked';
    if (key.status === 'disabled') return 'disabled';
    return key.expiresAt !== null && key.expiresAt <= clock.now() ? 'expired' : undefined;
  }

  return {
    chainOf,
    ownerSet,

    async refusalOf(key) {
      const own = refusalOfOne(key);
      if (own !== undefined) return own;
      const chain = await chainOf(key);
      if (chain === undefined || chain.some((one) => refusalOfOne(one) !== undefined))
        return 'ancestor_inactive';
      return (await ownerSet(key)) === undefined ? 'owner_inactive' : undefined;
    },

    async effective(key, audience) {
      const chain = await chainOf(key);
      const owner = chain && (await ownerSet(key, audience));
      if (chain === undefined || owner === undefined) return undefined;
      let permissions = owner;
      let roles: readonly string[] = [];
      for (const one of chain.toReversed()) {
        const subject = { kind: 'api-key', id: one.id } as const;
        const facts = (await deps.hasRoles(one.id))
          ? await owners.factsOf(subject, one.organizationId)
          : undefined;
        const own = sets.compiled(one.permissions);
        permissions = sets.intersection(facts ? sets.union(own, facts.permissions) : own, permissions);
        // A role that says more than the key may do would be believed by those who look at roles.
        const isWhole = facts?.permissions.texts.every((text) => permissions.covers(text)) === true;
        roles = isWhole ? facts.roles : [];
      }
      return { permissions, roles, chain, ...boundsOf(chain) };
    },

    async admits(key, address) {
      const chain = await chainOf(key);
      return (
        chain?.every(
          ({ allowedAddresses: allowed }) =>
            allowed === null || (address !== null && ranges(allowed).includes(address)),
        ) === true
      );
    },
  };
}

const NOTHING: readonly string[] = [];

/** What the lists of a family leave of each other. */
function boundsOf(
  chain: readonly KnownKey[],
): Pick<Effective, 'apis' | 'constraints' | 'claims' | 'expiresAt'> {
  const [key] = chain;
  if (chain.length === 1 && key !== undefined) {
    return { apis: key.apis, constraints: key.constraints, claims: key.claims, expiresAt: key.expiresAt };
  }
  let apis: readonly string[] | null = null;
  let expiresAt: Date | null = null;
  const constraints: Record<string, readonly string[]> = {};
  for (const one of chain) {
    apis = common(apis, one.apis);
    if (one.expiresAt !== null && (expiresAt === null || one.expiresAt < expiresAt))
      expiresAt = one.expiresAt;
    for (const [name, values] of Object.entries(one.constraints)) {
      constraints[name] = common(constraints[name] ?? null, values) ?? values;
    }
  }
  // A sub-key says what its family says: claims are not permissions, so they cannot be compared for being narrower.
  return { apis, constraints, expiresAt, claims: chain.at(-1)?.claims ?? {} };
}

function common(one: readonly string[] | null, other: readonly string[] | null): readonly string[] | null {
  if (one === null || other === null) return one ?? other;
  return one.filter((value) => other.includes(value));
}

/** Sets that were made once and what came of two of them; keys that look alike share all of it. */
function createSets() {
  const compiled = remembered((texts: readonly string[]) => compilePermissions(texts));
  return {
    compiled,
    // In a registration a lone star stands for all that the API has, now and later.
    entitlement: remembered((texts: readonly string[]) =>
      compilePermissions(texts.map((text) => (text === '*' ? '*:*' : text))),
    ),
    union: rememberedPair((one, other) => one.union(other)),
    intersection: rememberedPair((one, other) => one.intersect(other)),
  };
}

function remembered<In extends object, Out>(make: (from: In) => Out): (from: In) => Out {
  const made = new WeakMap<In, { readonly value: Out }>();
  return (from) => {
    const known = made.get(from);
    if (known !== undefined) return known.value;
    const value = make(from);
    made.set(from, { value });
    return value;
  };
}

function rememberedPair(make: (one: PermissionSet, other: PermissionSet) => PermissionSet) {
  const made = new WeakMap<PermissionSet, WeakMap<PermissionSet, PermissionSet>>();
  return (one: PermissionSet, other: PermissionSet): PermissionSet => {
    const byOther = made.get(one) ?? new WeakMap<PermissionSet, PermissionSet>();
    made.set(one, byOther);
    const known = byOther.get(other);
    if (known !== undefined) return known;
    const value = make(one, other);
    byOther.set(other, value);
    return value;
  };
}
