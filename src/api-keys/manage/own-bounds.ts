// What a key may not do to keys: get out of its own bounds by changing itself, or by one that it makes, changes or rotates.
import { failure } from '../../platform/errors.ts';
import type { KnownKey } from '../schema.ts';
import type { KeyRights } from '../use/rights.ts';
import type { Authority } from './makers.ts';

/** Of a caller that is no key, and holds no token of one, none of this is asked. */
export interface OwnBounds {
  /** Throws api_key_bound where the key that asks is bound, and this one neither is that key nor below it. */
  refuseBeside(key: KnownKey | undefined, as: Authority): Promise<void>;
  /** Throws api_key_not_by_itself for the key that asks and those above it. */
  refuseItself(key: KnownKey, as: Authority): Promise<void>;
  /** The end of the key that asks: what it makes or prolongs does not outlast it. */
  endOf(as: Authority): Promise<Date | null>;
}

export function createOwnBounds(deps: {
  rights: Pick<KeyRights, 'chainOf'>;
  find: (id: string) => Promise<KnownKey | undefined>;
}): OwnBounds {
  async function asking({ caller }: Authority): Promise<KnownKey | undefined> {
    if (caller === undefined || caller.apiKeyId === null) return undefined;
    const key = await deps.find(caller.apiKeyId);
    if (key === undefined) throw failure('permission_denied');
    return key;
  }

  async function isAtOrAbove(id: string, key: KnownKey): Promise<boolean> {
    return (await deps.rights.chainOf(key))?.some((one) => one.id === id) === true;
  }

  return {
    async refuseBeside(key, as) {
      const own = await asking(as);
      if (own === undefined || !isBound(own)) return;
      if (key === undefined || !(await isAtOrAbove(own.id, key))) {
        throw failure('api_key_bound', { parentId: own.id });
      }
    },

    async refuseItself(key, as) {
      const own = await asking(as);
      if (own !== undefined && (await isAtOrAbove(key.id, own))) throw failure('api_key_not_by_itself');
    },

    async endOf(as) {
      return (await asking(as))?.expiresAt ?? null;
    },
  };
}

/** By what a key beside it would not have. Its organization, its end and its permissions bind what it makes in any case. */
function isBound({ parentId, apis, allowedAddresses, rateLimits, constraints }: KnownKey): boolean {
  const lists = rateLimits.length + Object.keys(constraints).length;
  return parentId !== null || apis !== null || allowedAddresses !== null || lists > 0;
}
