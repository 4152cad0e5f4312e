// The list of accounts, a page at a time: by state, and by the beginning of what they are called.
import { foldCase } from '../lib/identifiers.ts';
import { type AccountId, parseId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { Account, AccountFilter } from './schema.ts';
import * as store from './store.ts';

export async function listPage(db: Db, filter: AccountFilter, page: PageRequest): Promise<Page<Account>> {
  const before = page.cursor === null ? undefined : cursorId(page.cursor);
  const search = filter.search?.trim() || undefined;
  if (search !== undefined && (search.includes('\0') || !search.isWellFormed())) {
    return { items: [], nextCursor: null };
  }
  const rows = await store.listAccounts(db, {
    status: filter.status,
    identifierPrefix: search && foldCase(search),
    namePrefix: search,
    id: search && parseId('acc', search),
    before,
    limit: page.limit + 1,
  });
  return pageOf(rows, page.limit, (account) => [account.id]);
}

function cursorId(cursor: string): AccountId {
  const [id] = decodeCursor(cursor, 1) ?? [];
  const parsed = id === undefined ? undefined : parseId('acc', id);
  if (parsed === undefined) {
    throw failure('request_invalid', { fields: { cursor: 'The cursor is not one of this list.' } });
  }
  return parsed;
}
