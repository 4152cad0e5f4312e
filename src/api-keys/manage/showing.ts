// Keys as their managers see them: with what is left of them now, and why they do not work where they do not.
import { parseId } from '../../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../../lib/page.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { failure } from '../../platform/errors.ts';
import type { ApiKey, ApiKeyFilter, KeySecretView, ShownKey } from '../schema.ts';
import { findApiKey, keysBelow, listApiKeys, secretsOf } from '../store.ts';
import type { KeyRights } from '../use/rights.ts';
import type { Authority } from './makers.ts';

export interface Showing {
  find(id: string, as: Authority): Promise<ShownKey | undefined>;
  list(filter: ApiKeyFilter, page: PageRequest, as: Authority): Promise<Page<ShownKey>>;
  familyOf(id: string, as: Authority): Promise<ShownKey[]>;
}

const PAGE_MAXIMUM = 200;
const FAMILY_MAXIMUM = 10_000;

export function createShowing(deps: { db: Db; clock: Clock; rights: KeyRights }): Showing {
  const { db, rights } = deps;

  async function show(keys: readonly ApiKey[]): Promise<ShownKey[]> {
    const secrets = await secretsOf(
      db,
      keys.map(({ id }) => id),
    );
    return Promise.all(keys.map((key) => showOne(key, secrets.get(key.id) ?? [])));
  }

  async function showOne(key: ApiKey, secrets: readonly KeySecretView[]): Promise<ShownKey> {
    const [inactiveReason = null, effective] = await Promise.all([
      rights.refusalOf(key),
      rights.effective(key),
    ]);
    const { apis, constraints, expiresAt } = effective ?? key;
    const permissions = effective?.permissions.texts ?? [];
    const shown = { permissions, apis, constraints, expiresAt };
    return { ...key, secrets, active: inactiveReason === null, inactiveReason, effective: shown };
  }

  async function found(id: string, { within }: Authority): Promise<ApiKey | undefined> {
    const keyId = parseId('key', id);
    return keyId && findApiKey(db, keyId, within);
  }

  return {
    async find(id, as) {
      const key = await found(id, as);
      const [shown] = key === undefined ? [] : await show([key]);
      return shown;
    },

    async list(filter, page, { within }) {
      const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
      const before = page.cursor === null ? undefined : decodeCursor(page.cursor, 1)?.[0];
      if (page.cursor !== null && before === undefined) {
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      }
      // PostgreSQL takes no null byte in text; nothing that is looked for has one.
      if (Object.values(filter).some((text) => typeof text === 'string' && text.includes('\0')))
        return { items: [], nextCursor: null };
      const now = deps.clock.now();
      const rows = await listApiKeys(db, { ...filter, ...within, before, limit: limit + 1, now });
      const { items, nextCursor } = pageOf(rows, limit, (key) => [key.id]);
      return { items: await show(items), nextCursor };
    },

    async familyOf(id, as) {
      const key = await found(id, as);
      if (key === undefined) throw failure('api_key_not_found');
      return show(await keysBelow(db, key.id, FAMILY_MAXIMUM));
    },
  };
}
