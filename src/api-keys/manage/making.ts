// New keys and sub-keys, what of a key may be changed, and what must hold of both.
import type { Apis } from '../../apis/apis.ts';
import { definedFields } from '../../lib/fields.ts';
import { type ApiKeyId, newId, parseId } from '../../lib/ids.ts';
import { compilePermissions } from '../../lib/permission.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import { type ApiKey, ApiKeyChange, type Effective, type KeyOwner, NewApiKey } from '../schema.ts';
import { countChildren, lockApiKey } from '../store.ts';
import type { KeyRights, Owners } from '../use/rights.ts';
import {
  type Bounded,
  earliest,
  expiryOf,
  invalid,
  type KeySettings,
  parse,
  refuseUnheld,
  refuseWider,
} from './bounds.ts';
import type { Authority, Makers } from './makers.ts';
import type { OwnBounds } from './own-bounds.ts';

export interface Making {
  /** The record, not written yet. */
  prepare(trx: Db, input: NewApiKey, as: Authority): Promise<ApiKey>;
  /** The record as it would be; undefined when nothing of it changes. */
  changed(key: ApiKey, change: Omit<ApiKeyChange, 'version'>, as: Authority): Promise<ApiKey | undefined>;
}

export function createMaking(deps: {
  clock: Clock;
  apis: Pick<Apis, 'known'>;
  owners: Pick<Owners, 'client'>;
  makers: Makers;
  ownBounds: OwnBounds;
  rights: KeyRights;
  settings: KeySettings;
}): Making {
  const { clock, rights, makers, ownBounds, settings } = deps;

  async function parentFor(trx: Db, parentId: string, { caller, within }: Authority): Promise<ApiKey> {
    // A key that is presented is above what it makes, and not among the keys below it.
    const scope = caller?.apiKeyId === parentId ? {} : within;
    const id = parseId('key', parentId);
    const parent = id && (await lockApiKey(trx, id, scope));
    if (parent === undefined) throw failure('api_key_not_found');
    if ((await rights.refusalOf(parent)) !== undefined) throw failure('api_key_ended');
    if (parent.depth >= settings.subKeyDepth) {
      throw failure('api_key_sub_key_limit', { depth: settings.subKeyDepth });
    }
    // The row is locked: of two that make one at once, the second counts the first one's.
    if ((await countChildren(trx, parent.id, clock.now())) >= settings.subKeyCount) {
      throw failure('api_key_sub_key_limit', { count: settings.subKeyCount });
    }
    return parent;
  }

  async function refuseUnknownApis(wanted: Bounded, owner: KeyOwner): Promise<void> {
    const { apis } = wanted;
    if (apis === null || apis === undefined) return;
    const known = owner.clientId === null ? undefined : await deps.owners.client(owner.clientId);
    const listed = known?.client.apis.map(({ audience }) => audience);
    const wrong = apis.find((audience) => {
      return deps.apis.known(audience) === undefined || listed?.includes(audience) === false;
    });
    if (wrong !== undefined) throw invalid({ apis: `there is no API ${wrong} for this owner` });
  }

  /** Claims are believed by whoever reads a token, and no permission bounds them. */
  function refuseClaims({ claims }: Bounded, { caller }: Authority): void {
    if (claims === undefined || Object.keys(claims).length === 0 || caller === undefined) return;
    if (!caller.permissions.includes('api-keys:admin')) {
      throw failure('permission_denied', { permission: 'api-keys:admin' });
    }
  }

  /** All that must hold of what is asked for, for a new key or for a change. */
  async function refuse(
    wanted: Bounded & { permissions: readonly string[] },
    key: KeyOwner,
    of: Bounds,
    as: Authority,
  ) {
    await refuseUnknownApis(wanted, key);
    if (of.parent !== undefined) refuseWider(wanted, of.parent);
    refuseClaims(wanted, as);
    const owner = of.parent?.permissions ?? (await rights.ownerSet(key));
    if (owner === undefined) throw failure('api_key_ended');
    refuseUnheld(wanted.permissions, await makers.handing(owner, as));
  }

  return {
    async prepare(trx, input, as) {
      const { owner, organizationId, parentId, ...wanted } = parse(NewApiKey, input);
      const parent = parentId ? await parentFor(trx, parentId, as) : undefined;
      if (parent === undefined && as.within.ancestorId !== undefined) throw failure('api_key_not_found');
      await ownBounds.refuseBeside(parent, as);
      if (parent !== undefined && (owner ?? organizationId)) {
        throw invalid({ owner: 'a sub-key has the owner and the organization of the key above it' });
      }
      const whose = parent ?? (await makers.ownerFor({ owner, organizationId }, as));
      await makers.guard(trx, whose, as);
      const above = parent && (await rights.effective(parent));
      await refuse(wanted, whose, { parent: above }, as);
      const now = clock.now();
      const id = newId('key');
      const latest = earliest(above?.expiresAt ?? null, await ownBounds.endOf(as));
      const expiresAt = expiryOf(wanted.expiresAt, { settings, now, latest });
      const { name, permissions } = wanted;
      const said = { ...definedFields(wanted), name, permissions, expiresAt };
      return { ...newKey(id, whose, now), ...family(parent, id), ...said };
    },

    async changed(key, input, as) {
      const { version, ...given } = parse(ApiKeyChange, input);
      const fields = changedFields(key, definedFields(given));
      if (Object.keys(fields).length === 0) return undefined;
      const parent = await aboveOf(key);
      const before = compilePermissions(key.permissions);
      const added = fields.permissions?.filter((text) => !before.covers(text)) ?? [];
      await refuse({ ...fields, permissions: added }, key, { parent }, as);
      const now = clock.now();
      const latest = earliest(parent?.expiresAt ?? null, await ownBounds.endOf(as));
      const expiresAt =
        fields.expiresAt === undefined
          ? key.expiresAt
          : expiryOf(fields.expiresAt, { settings, now, latest });
      return { ...key, ...fields, expiresAt };
    },
  };

  async function aboveOf(key: ApiKey): Promise<Effective | undefined> {
    if (key.parentId === null) return undefined;
    const [, parent] = (await rights.chainOf(key)) ?? [];
    const above = parent && (await rights.effective(parent));
    if (above === undefined) throw failure('api_key_ended');
    return above;
  }
}

interface Bounds {
  /** What is left of the key above; undefined for the first of a family. */
  readonly parent: Effective | undefined;
}

/** A key with nothing said about it. */
export function newKey(id: ApiKeyId, owner: KeyOwner, now: Date): Omit<ApiKey, 'name' | 'permissions'> {
  const { ownerKind, accountId, organizationId, clientId } = owner;
  return {
    ...{ id, ownerKind, accountId, organizationId, clientId, parentId: null, rootId: id, depth: 0 },
    ...{ apis: null, allowedAddresses: null, rateLimits: [], constraints: {}, claims: {}, notes: null },
    ...{ status: 'active', expiresAt: null, revokedAt: null, revokedReason: null, endedAt: null },
    ...{ lastUsedAt: null, lastUsedAddress: null, lastUsedUserAgent: null },
    ...{ version: 1, createdAt: now, updatedAt: now },
  };
}

function family(parent: ApiKey | undefined, id: ApiKeyId): Pick<ApiKey, 'parentId' | 'rootId' | 'depth'> {
  if (parent === undefined) return { parentId: null, rootId: id, depth: 0 };
  return { parentId: parent.id, rootId: parent.rootId, depth: parent.depth + 1 };
}

function changedFields<Change extends object>(key: ApiKey, change: Change): Partial<Change> {
  const before = new Map<string, unknown>(Object.entries(key));
  const changed = Object.entries(change).filter(
    ([field, value]) => JSON.stringify(before.get(field)) !== JSON.stringify(value),
  );
  return Object.fromEntries(changed) as Partial<Change>; // fields of the change itself
}
