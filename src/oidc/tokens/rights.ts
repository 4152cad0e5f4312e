// What people, machines and keys may have of an API now: the sets of the one rule for scopes (grantable.ts).

import type { Access } from '../../access/access.ts';
import type { ApiKeys } from '../../api-keys/api-keys.ts';
import type { KnownKey } from '../../api-keys/schema.ts';
import type { Api, Apis } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import type { PermissionSet } from '../../lib/permission.ts';
import type { Entitlements } from './entitlements.ts';
import type { Ask } from './grantable.ts';

/** From roles, and from being anybody. The same object as long as nothing changed. */
export interface Facts {
  readonly permissions: PermissionSet;
  readonly roles: readonly string[];
}

export interface Held extends Omit<Ask, 'asked'> {
  readonly of: Api;
  /** Of whoever the token acts for. */
  readonly roles: readonly string[];
  /** Of a key and those above it; null: never. */
  readonly expiresAt?: Date | null;
}

export interface Rights {
  /** A machine acting for itself: what it is registered for, and its roles, at the APIs that it is registered for. */
  ofClient(client: Client, audience: string): Promise<Held | undefined>;
  /** undefined as well when the key is not for this API. */
  ofKey(key: KnownKey, audience: string): Promise<Held | undefined>;
  ofPerson(client: Client, audience: string, facts: Facts): Held | undefined;
}

export interface RightsDeps {
  apis: Pick<Apis, 'known'>;
  entitlements: Entitlements;
  access: Pick<Access, 'factsOf'>;
  apiKeys: Pick<ApiKeys, 'effective'>;
}

export function createRights(deps: RightsDeps): Rights {
  const { apis, entitlements } = deps;
  const unions = new WeakMap<PermissionSet, WeakMap<PermissionSet, PermissionSet>>();

  /** Made once for each two: sets are never changed. */
  function union(one: PermissionSet, other: PermissionSet): PermissionSet {
    if (other.texts.length === 0) return one;
    const byOther = unions.get(one) ?? new WeakMap<PermissionSet, PermissionSet>();
    unions.set(one, byOther);
    const known = byOther.get(other) ?? one.union(other);
    byOther.set(other, known);
    return known;
  }

  return {
    async ofClient(client, audience) {
      const of = apis.known(audience);
      const registered = of && entitlements.ofClient(client, audience);
      const facts = registered && (await deps.access.factsOf({ kind: 'client', id: client.id }, null));
      if (!of || !registered || !facts) return undefined;
      const entitlement = union(registered, facts.permissions);
      return { of, api: entitlements.ofApi(of), entitlement, roles: facts.roles };
    },

    async ofKey(key, audience) {
      const of = apis.known(audience);
      const effective = of && (await deps.apiKeys.effective(key, audience));
      if (!of || !effective || effective.apis?.includes(audience) === false) return undefined;
      const { permissions: entitlement, roles, expiresAt } = effective;
      return { of, api: entitlements.ofApi(of), entitlement, roles, expiresAt };
    },

    ofPerson(client, audience, { permissions: held, roles }) {
      const of = apis.known(audience);
      const entitlement = of && entitlements.ofClient(client, audience);
      return of && entitlement && { of, api: entitlements.ofApi(of), entitlement, held, roles };
    },
  };
}
