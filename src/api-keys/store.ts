// All SQL of the table api_keys. A key is active until it is revoked.
import type { AccountId, ApiKeyId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';

export interface ApiKey {
  id: ApiKeyId;
  accountId: AccountId;
  name: string;
  createdAt: Date;
}

interface ApiKeyRow {
  id: ApiKeyId;
  account_id: AccountId;
  name: string;
  hash: Buffer;
  created_at: Date;
  revoked_at: Date | null;
}

export async function insertApiKey(db: Db, key: ApiKey, hash: Buffer): Promise<void> {
  await db<ApiKeyRow>('api_keys').insert({
    id: key.id,
    account_id: key.accountId,
    name: key.name,
    hash,
    created_at: key.createdAt,
  });
}

export async function findActiveApiKey(
  db: Db,
  id: ApiKeyId,
): Promise<{ key: ApiKey; hash: Buffer } | undefined> {
  const row = await db<ApiKeyRow>('api_keys')
    .select('id', 'account_id', 'name', 'hash', 'created_at')
    .where({ id, revoked_at: null })
    .first();
  return (
    row && {
      key: { id: row.id, accountId: row.account_id, name: row.name, createdAt: row.created_at },
      hash: row.hash,
    }
  );
}

/** Revokes every active key of an account in one statement; answers which. */
export async function revokeApiKeysOf(db: Db, accountId: AccountId, at: Date): Promise<ApiKeyId[]> {
  const rows = await db<ApiKeyRow>('api_keys')
    .where({ account_id: accountId, revoked_at: null })
    .update({ revoked_at: at })
    .returning('id');
  return rows.map((row) => row.id);
}
