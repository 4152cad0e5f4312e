// All SQL of the table apis: rows in, records out.
import type { ApiId, ClientId } from '../lib/ids.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Api } from './schema.ts';

const {
  columns,
  rowOf,
  recordOf: asIs,
} = mapping<Api>({
  id: 'plain',
  audience: 'plain',
  name: 'plain',
  permissions: 'json',
  tokenFormat: 'plain',
  tokenLifetimeSeconds: 'plain',
  signingAlgorithm: 'plain',
  ownerClientId: 'plain',
  tokenClaims: 'plain',
  claims: 'json',
  system: 'plain',
  version: 'plain',
  createdAt: 'plain',
  updatedAt: 'plain',
});

/** The release before this one writes permissions that do not say whether everyone has them. */
function recordOf(row: Record<string, unknown>): Api {
  const api = asIs(row);
  return { ...api, permissions: api.permissions.map((one) => ({ ...one, everyone: one.everyone === true })) };
}

/** False when another API has this audience. */
export async function insertApi(db: Db, api: Api): Promise<boolean> {
  const inserted = await db('apis').insert(rowOf(api)).onConflict('audience').ignore().returning('id');
  return inserted.length === 1;
}

export async function updateApi(db: Db, api: Api): Promise<void> {
  const { id, ...row } = rowOf(api);
  await db('apis').where({ id }).update(row);
}

export async function deleteApi(db: Db, id: ApiId): Promise<void> {
  await db('apis').where({ id }).delete();
}

export async function findApi(db: Db, id: ApiId): Promise<Api | undefined> {
  return one(
    await db('apis')
      .select(...columns)
      .where({ id }),
  );
}

export async function findApiByAudience(db: Db, audience: string): Promise<Api | undefined> {
  return one(
    await db('apis')
      .select(...columns)
      .where({ audience }),
  );
}

export async function lockApi(trx: Db, id: ApiId): Promise<Api | undefined> {
  return one(
    await trx('apis')
      .select(...columns)
      .where({ id })
      .forUpdate(),
  );
}

/** Keeps these APIs from being deleted until the transaction ends. */
export async function shareApis(trx: Db, audiences: readonly string[]): Promise<Api[]> {
  const rows = await trx('apis')
    .select(...columns)
    .whereIn('audience', [...audiences])
    .orderBy('id')
    .forShare();
  return rows.map(recordOf);
}

export async function listApis(db: Db, after: string | undefined, limit: number): Promise<Api[]> {
  const query = db('apis')
    .select(...columns)
    .orderBy('id')
    .limit(limit);
  if (after !== undefined) query.where('id', '>', after);
  return (await query).map(recordOf);
}

export async function allApis(db: Db): Promise<Api[]> {
  return (await db('apis').select(...columns)).map(recordOf);
}

export async function clearOwner(trx: Db, clientId: ClientId, now: Date): Promise<ApiId[]> {
  const cleared = await trx('apis')
    .where({ owner_client_id: clientId })
    .update({ owner_client_id: null, updated_at: now, version: trx.raw('version + 1') })
    .returning('id');
  return cleared.map((row) => row.id as ApiId);
}

function one(rows: Record<string, unknown>[]): Api | undefined {
  return rows[0] === undefined ? undefined : recordOf(rows[0]);
}
