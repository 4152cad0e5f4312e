// What a credential that is good may be used for: address, API, constraints and permissions, as pure rules.

import type { KnownKey } from '../api-keys/api-keys.ts';
import type { Api } from '../apis/apis.ts';
import { type AddressRanges, addressRanges } from '../lib/ip.ts';
import { compilePermissions, type PermissionSet } from '../lib/permission.ts';
import type { ErrorCode } from '../vocabulary/errors.ts';
import type { Identity } from './identity.ts';

export interface Wanted {
  readonly permissions: readonly string[];
  readonly api: string | undefined;
  /** Tokens are refused where no API is named: one for another API is not for this request (RFC 9068 §4). */
  readonly tokensNeedApi: boolean;
  /** Where the request that is asked about comes from; null: not told. */
  readonly address: string | null;
  /** What the request is for, to be compared with the constraints of keys. */
  readonly values: Readonly<Record<string, string>>;
}

export interface Violation {
  readonly code: ErrorCode;
  readonly details?: Readonly<Record<string, string>>;
}

export interface Checks {
  /** The first rule that is broken, or what it may do at the API that was asked for. */
  check(identity: Identity, wanted: Wanted): Violation | { readonly granted: PermissionSet };
  /** Whether every key behind it may be used from there. */
  admits(identity: Identity, address: string | null): boolean;
}

export function createChecks({ apis }: { apis: { known(audience: string): Api | undefined } }): Checks {
  const ranges = new WeakMap<readonly string[], AddressRanges>();
  const ofApis = new WeakMap<object, PermissionSet>();
  const common = new WeakMap<PermissionSet, WeakMap<PermissionSet, PermissionSet>>();

  const rangesOf = (list: readonly string[]) => remembered(ranges, list, () => addressRanges(list));

  /** An address that is not known is in no list. */
  const isFrom = (address: string | null, { allowedAddresses }: KnownKey) =>
    allowedAddresses === null || (address !== null && rangesOf(allowedAddresses).includes(address));

  const admits: Checks['admits'] = ({ chain }, address) => chain.every((key) => isFrom(address, key));

  /** At one API nothing is held that it does not know. */
  function heldAt({ permissions }: Identity, api: Api): PermissionSet {
    const registered = remembered(ofApis, api.permissions, () =>
      compilePermissions(api.permissions.map(({ name }) => name)),
    );
    const known = remembered(common, permissions, () => new WeakMap());
    return remembered(known, registered, () => permissions.intersect(registered));
  }

  return {
    admits,
    check(identity, { permissions, api: audience, tokensNeedApi, address, values }) {
      if (!admits(identity, address)) return { code: 'address_not_allowed' };
      const api = audience === undefined ? undefined : apis.known(audience);
      if (!isForApi(identity, audience, tokensNeedApi)) return { code: 'api_not_allowed' };
      if (audience !== undefined && api === undefined) return { code: 'api_not_allowed' };
      for (const [name, allowed] of Object.entries(identity.constraints)) {
        if (!allowed.includes(values[name] ?? '')) {
          return { code: 'constraint_violated', details: { constraint: name } };
        }
      }
      const granted = api === undefined ? identity.permissions : heldAt(identity, api);
      const missing = permissions.find((permission) => !granted.covers(permission));
      if (missing !== undefined) return { code: 'permission_missing', details: { permission: missing } };
      return { granted };
    },
  };
}

/** Who does not say which API is meant asks for any that it is good for: a token for userinfo alone is good for none. */
function isForApi({ apis, kind }: Identity, audience: string | undefined, tokensNeedApi: boolean): boolean {
  if (apis === null) return true;
  if (audience !== undefined) return apis.includes(audience);
  return apis.length > 0 && !(tokensNeedApi && kind === 'token');
}

function remembered<K extends object, V>(known: WeakMap<K, V>, key: K, make: () => V): V {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}
