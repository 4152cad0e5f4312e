// All SQL of the table apis: rows in, records out.
import type { ApiId, ClientId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Api, ApiPermission } from './schema.ts';

interface ApiRow {
  id: string;
  audience: string;
  name: string;
  permissions: ApiPermission[];
  token_format: Api['tokenFormat'];
  token_lifetime_seconds: number;
  signing_algorithm: Api['signingAlgorithm'];
  owner_client_id: string | null;
  system: boolean;
  version: number;
  created_at: Date;
  updated_at: Date;
}

const columns = [
  'id',
  'audience',
  'name',
  'permissions',
  'token_format',
  'token_lifetime_seconds',
  'signing_algorithm',
  'owner_client_id',
  'system',
  'version',
  'created_at',
  'updated_at',
] as const satisfies readonly (keyof ApiRow)[];

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
    await db<ApiRow>('apis')
      .select(...columns)
      .where({ id }),
  );
}

export async function findApiByAudience(db: Db, audience: string): Promise<Api | undefined> {
  return one(
    await db<ApiRow>('apis')
      .select(...columns)
      .where({ audience }),
  );
}

export async function lockApi(trx: Db, id: ApiId): Promise<Api | undefined> {
  return one(
    await trx<ApiRow>('apis')
      .select(...columns)
      .where({ id })
      .forUpdate(),
  );
}

/** Keeps these APIs from being deleted until the transaction ends. */
export async function shareApis(trx: Db, audiences: readonly string[]): Promise<Api[]> {
  const rows = await trx<ApiRow>('apis')
    .select(...columns)
    .whereIn('audience', [...audiences])
    .orderBy('id')
    .forShare();
  return rows.map(apiOf);
}

export async function listApis(db: Db, after: string | undefined, limit: number): Promise<Api[]> {
  const query = db<ApiRow>('apis')
    .select(...columns)
    .orderBy('id')
    .limit(limit);
  if (after !== undefined) query.where('id', '>', after);
  return (await query).map(apiOf);
}

export async function allApis(db: Db): Promise<Api[]> {
  return (await db<ApiRow>('apis').select(...columns)).map(apiOf);
}

export async function clearOwner(trx: Db, clientId: ClientId, now: Date): Promise<ApiId[]> {
  const cleared = await trx<ApiRow>('apis')
    .where({ owner_client_id: clientId })
    .update({ owner_client_id: null, updated_at: now, version: trx.raw('version + 1') })
    .returning('id');
  return cleared.map((row) => row.id as ApiId);
}

function one(rows: ApiRow[]): Api | undefined {
  return rows[0] === undefined ? undefined : apiOf(rows[0]);
}

function apiOf(row: ApiRow): Api {
  return {
    // Ids were made by newId when the row was written.
    id: row.id as ApiId,
    audience: row.audience,
    name: row.name,
    permissions: row.permissions,
    tokenFormat: row.token_format,
    tokenLifetimeSeconds: row.token_lifetime_seconds,
    signingAlgorithm: row.signing_algorithm,
    ownerClientId: row.owner_client_id as ClientId | null,
    system: row.system,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function rowOf(api: Api) {
  return {
    id: api.id,
    audience: api.audience,
    name: api.name,
    permissions: JSON.stringify(api.permissions),
    token_format: api.tokenFormat,
    token_lifetime_seconds: api.tokenLifetimeSeconds,
    signing_algorithm: api.signingAlgorithm,
    owner_client_id: api.ownerClientId,
    system: api.system,
    version: api.version,
    created_at: api.createdAt,
    updated_at: api.updatedAt,
  };
}
