// What an API has and what a client may have of it, as sets: compiled once for every version of the two records.
import type { Api } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import { compilePermissions, type PermissionSet } from '../../lib/permission.ts';

export interface Entitlements {
  /** Everything that the API is registered with. */
  ofApi(api: Pick<Api, 'permissions'>): PermissionSet;
  /** What the client is registered for; undefined when it is not registered for this API at all. */
  ofClient(client: Pick<Client, 'apis'>, audience: string): PermissionSet | undefined;
}

export function createEntitlements(): Entitlements {
  const ofApis = new WeakMap<object, PermissionSet>();
  const ofEntries = new WeakMap<object, PermissionSet>();

  return {
    ofApi: ({ permissions }) => remembered(ofApis, permissions, () => permissions.map(({ name }) => name)),
    ofClient(client, audience) {
      const entry = client.apis.find((one) => one.audience === audience);
      // In a registration a lone star stands for all that the API has, now and later.
      return (
        entry &&
        remembered(ofEntries, entry, () => entry.permissions.map((name) => (name === '*' ? '*:*' : name)))
      );
    },
  };
}

function remembered(
  sets: WeakMap<object, PermissionSet>,
  key: object,
  texts: () => readonly string[],
): PermissionSet {
  const known = sets.get(key);
  if (known !== undefined) return known;
  const made = compilePermissions(texts());
  sets.set(key, made);
  return made;
}
