// All SQL of the tables api_keys and api_key_secrets that managing keys needs: rows in, records out.
import type { ApiKeyId, ApiKeySecretId } from '../lib/ids.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { ApiKey, ApiKeyFilter, KeyScope, KeySecretView } from './schema.ts';

const { columns, rowOf, recordOf } = mapping<ApiKey>({
  id: 'plain',
  ownerKind: 'plain',
  accountId: 'plain',
  organizationId: 'plain',
  clientId: 'plain',
  parentId: 'plain',
  rootId: 'plain',
  depth: 'plain',
  name: 'plain',
  permissions: 'plain',
  apis: 'plain',
  allowedAddresses: 'plain',
  rateLimits: 'json',
  constraints: 'json',
  claims: 'json',
  notes: 'plain',
  status: 'plain',
  expiresAt: 'plain',
  revokedAt: 'plain',
  revokedReason: 'plain',
  endedAt: 'plain',
  lastUsedAt: 'plain',
  lastUsedAddress: 'plain',
  lastUsedUserAgent: 'plain',
  version: 'plain',
  createdAt: 'plain',
  updatedAt: 'plain',
});

export async function insertApiKey(db: Db, key: ApiKey): Promise<void> {
  await db('api_keys').insert(rowOf(key));
}

/** What is changed by its managers; what was used when is written by itself. */
export async function updateApiKey(db: Db, key: ApiKey): Promise<void> {
  const { id, last_used_at: _at, last_used_address: _from, last_used_user_agent: _by, ...row } = rowOf(key);
  // Of another end, notices are due again.
  const noticed = db.raw('case when expires_at is not distinct from ? then expiry_noticed_days end', [
    key.expiresAt,
  ]);
  await db('api_keys')
    .where({ id })
    .update({ ...row, expiry_noticed_days: noticed });
}

export async function findApiKey(db: Db, id: string, within: KeyScope): Promise<ApiKey | undefined> {
  const [row] = await scoped(db, within)
    .select(...columns)
    .where({ id });
  return row === undefined ? undefined : recordOf(row);
}

export async function lockApiKey(trx: Db, id: string, within: KeyScope): Promise<ApiKey | undefined> {
  const [row] = await scoped(trx, within)
    .select(...columns)
    .where({ id })
    .forUpdate();
  return row === undefined ? undefined : recordOf(row);
}

/** The newest first, before the one with the id `before`. */
export async function listApiKeys(
  db: Db,
  filter: ApiKeyFilter & KeyScope & { before?: string | undefined; limit: number; now: Date },
): Promise<ApiKey[]> {
  const query = scoped(db, filter)
    .select(...columns)
    .orderBy('id', 'desc')
    .limit(filter.limit);
  const { ownerKind, ownerId, parentId, state, everything, search, before, now } = filter;
  if (before !== undefined) query.where('id', '<', before);
  if (ownerKind !== undefined) query.where('owner_kind', ownerKind);
  if (ownerKind !== undefined && ownerId !== undefined) query.where(`${ownerKind}_id`, ownerId);
  if (parentId !== undefined) query.where('parent_id', parentId);
  if (everything) query.whereRaw(`permissions && array['*:*', '*:*:*']`);
  if (state === 'revoked') query.whereNotNull('revoked_at');
  else if (state !== undefined) query.whereNull('revoked_at');
  if (state === 'expired') query.where('expires_at', '<=', now);
  if (state === 'active' || state === 'disabled') {
    query
      .where('status', state)
      .where((either) => either.whereNull('expires_at').orWhere('expires_at', '>', now));
  }
  if (search !== undefined) {
    const beginning = `${search.toLowerCase().replaceAll(/[\\%_]/g, '\\$&')}%`;
    query.where((either) => either.where('id', search).orWhereRaw('lower(name) like ?', [beginning]));
  }
  return (await query).map(recordOf);
}

/** The key with the whole family below it, in the order of ids. */
export async function keysBelow(db: Db, id: ApiKeyId, limit: number): Promise<ApiKey[]> {
  const rows = await db('api_keys')
    .select(...columns)
    .whereIn('id', db('below').select('id'))
    .withRecursive('below', below(db, id))
    .orderBy('id')
    .limit(limit);
  return rows.map(recordOf);
}

export async function countChildren(trx: Db, parentId: ApiKeyId, now: Date): Promise<number> {
  const [row] = await trx('api_keys')
    .where({ parent_id: parentId })
    .whereNull('revoked_at')
    .where((either) => either.whereNull('expires_at').orWhere('expires_at', '>', now))
    .count({ count: '*' });
  return Number(row?.count ?? 0);
}

/** Working keys of an account that end before this time. */
export async function countEnding(db: Db, accountId: string, now: Date, before: Date): Promise<number> {
  const [row] = await db('api_keys')
    .where({ owner_kind: 'account', account_id: accountId, status: 'active' })
    .whereNull('revoked_at')
    .where('expires_at', '>', now)
    .where('expires_at', '<=', before)
    .count({ count: '*' });
  return Number(row?.count ?? 0);
}

/** Every active key of an account, or of those the ones in an organization; locked, as they end together. */
export async function activeKeysOf(trx: Db, accountId: string, organizationId?: string): Promise<ApiKey[]> {
  const rows = await trx('api_keys')
    .select(...columns)
    .where({
      owner_kind: 'account',
      account_id: accountId,
      ...(organizationId !== undefined && { organization_id: organizationId }),
    })
    .whereNull('revoked_at')
    .orderBy('id')
    .forUpdate();
  return rows.map(recordOf);
}

export async function deleteKeysOfClient(trx: Db, clientId: string): Promise<ApiKeyId[]> {
  const rows = await trx('api_keys').where({ client_id: clientId }).delete().returning('id');
  return rows.map((row) => row.id as ApiKeyId);
}

export interface NewKeySecret {
  id: ApiKeySecretId;
  keyId: ApiKeyId;
  hash: Buffer;
  pepperVersion: number;
  createdAt: Date;
}

export async function insertSecret(trx: Db, secret: NewKeySecret): Promise<void> {
  await trx('api_key_secrets').insert({
    id: secret.id,
    key_id: secret.keyId,
    hash: secret.hash,
    pepper_version: secret.pepperVersion,
    created_at: secret.createdAt,
    retires_at: null,
  });
}

/** Gives every working secret an end; one that ends sooner keeps its own. Answers which. */
export async function retireSecrets(
  trx: Db,
  keyId: ApiKeyId,
  at: Date,
  now: Date,
): Promise<ApiKeySecretId[]> {
  const rows = await working(trx, keyId, now)
    .update({ retires_at: trx.raw('least(retires_at, ?::timestamptz)', [at]) })
    .returning('id');
  return rows.map((row) => row.id as ApiKeySecretId);
}

export async function countWorkingSecrets(trx: Db, keyId: ApiKeyId, now: Date): Promise<number> {
  return (await working(trx, keyId, now).select('id')).length;
}

function working(db: Db, keyId: ApiKeyId, now: Date) {
  return db('api_key_secrets')
    .where({ key_id: keyId })
    .where((either) => either.whereNull('retires_at').orWhere('retires_at', '>', now));
}

/** The newest first. */
export async function secretsOf(db: Db, ids: readonly ApiKeyId[]): Promise<Map<ApiKeyId, KeySecretView[]>> {
  const rows: { id: ApiKeySecretId; key_id: ApiKeyId; created_at: Date; retires_at: Date | null }[] =
    await db('api_key_secrets')
      .select('id', 'key_id', 'created_at', 'retires_at')
      .whereIn('key_id', ids)
      .orderBy('id', 'desc');
  const byKey = new Map<ApiKeyId, KeySecretView[]>();
  for (const { id, key_id: keyId, created_at: createdAt, retires_at: retiresAt } of rows) {
    byKey.set(keyId, [...(byKey.get(keyId) ?? []), { id, createdAt, retiresAt }]);
  }
  return byKey;
}

/** How many secrets are hashed under each version of the pepper. */
export async function countByPepper(db: Db): Promise<Map<number, number>> {
  const rows: { pepper_version: number; count: string }[] = await db('api_key_secrets')
    .select('pepper_version')
    .count({ count: '*' })
    .groupBy('pepper_version');
  return new Map(rows.map((row) => [row.pepper_version, Number(row.count)]));
}

/** Only as long as it is the hash that was compared: of two that rewrite at once, one does. */
export async function rewriteHash(
  db: Db,
  secret: {
    id: string;
    from: { hash: Buffer; pepperVersion: number };
    to: { hash: Buffer; pepperVersion: number };
  },
): Promise<void> {
  await db('api_key_secrets')
    .where({ id: secret.id, hash: secret.from.hash, pepper_version: secret.from.pepperVersion })
    .update({ hash: secret.to.hash, pepper_version: secret.to.pepperVersion });
}

/** Whatever else a query asks: it sees no key outside of the scope. */
function scoped(db: Db, { organizationId, accountId, clientId, ancestorId }: KeyScope) {
  const query = db('api_keys');
  if (organizationId !== undefined) query.where({ organization_id: organizationId });
  if (accountId !== undefined) query.where({ owner_kind: 'account', account_id: accountId });
  if (clientId !== undefined) query.where({ owner_kind: 'client', client_id: clientId });
  if (ancestorId !== undefined) {
    query
      .withRecursive('below', below(db, ancestorId))
      .whereIn('id', db('below').select('id').whereNot('id', ancestorId));
  }
  return query;
}

function below(db: Db, id: string) {
  return db.raw(
    `select id from api_keys where id = ? union all
     select k.id from api_keys k join below b on k.parent_id = b.id`,
    [id],
  );
}
