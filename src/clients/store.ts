// All SQL of the table clients: rows in, records out.
import type { ClientId } from '../lib/ids.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Client, ClientFilter } from './schema.ts';

const { columns, rowOf, recordOf } = mapping<Client>({
  id: 'plain',
  name: 'plain',
  kind: 'plain',
  status: 'plain',
  redirectUris: 'plain',
  postLogoutRedirectUris: 'plain',
  logoUri: 'plain',
  clientUri: 'plain',
  policyUri: 'plain',
  tosUri: 'plain',
  grantTypes: 'plain',
  authMethod: 'plain',
  jwks: 'json',
  jwksUri: 'plain',
  firstParty: 'plain',
  scopes: 'plain',
  apis: 'json',
  subjectType: 'plain',
  sectorIdentifierUri: 'plain',
  backchannelLogoutUri: 'plain',
  backchannelLogoutSessionRequired: 'plain',
  frontchannelLogoutUri: 'plain',
  frontchannelLogoutSessionRequired: 'plain',
  corsOrigins: 'plain',
  dpopBound: 'plain',
  requirePar: 'plain',
  pkceExempt: 'plain',
  mayIntrospectAny: 'plain',
  idTokenAlgorithm: 'plain',
  accessTokenLifetimeSeconds: 'plain',
  refreshIdleSeconds: 'plain',
  refreshAbsoluteSeconds: 'plain',
  requiredAcr: 'plain',
  sessionIdleSeconds: 'plain',
  sessionAbsoluteSeconds: 'plain',
  defaultMaxAgeSeconds: 'plain',
  claims: 'json',
  rateLimits: 'json',
  system: 'plain',
  version: 'plain',
  createdAt: 'plain',
  updatedAt: 'plain',
});

export const clientColumns = columns;
export const clientOf = recordOf;

/** False when another client has this id. */
export async function insertClient(db: Db, client: Client): Promise<boolean> {
  const inserted = await db('clients').insert(rowOf(client)).onConflict('id').ignore().returning('id');
  return inserted.length === 1;
}

export async function updateClient(trx: Db, client: Client): Promise<void> {
  const { id, ...row } = rowOf(client);
  await trx('clients').where({ id }).update(row);
}

export async function deleteClient(trx: Db, id: ClientId): Promise<void> {
  await trx('clients').where({ id }).delete();
}

export async function findClient(db: Db, id: string): Promise<Client | undefined> {
  const [row] = await db('clients')
    .select(...columns)
    .where({ id });
  return row === undefined ? undefined : recordOf(row);
}

export async function lockClient(trx: Db, id: string): Promise<Client | undefined> {
  const [row] = await trx('clients')
    .select(...columns)
    .where({ id })
    .forUpdate();
  return row === undefined ? undefined : recordOf(row);
}

export async function listClients(
  db: Db,
  filter: ClientFilter,
  after: string | undefined,
  limit: number,
): Promise<Client[]> {
  const query = db('clients')
    .select(...columns)
    .orderBy('id')
    .limit(limit);
  if (after !== undefined) query.where('id', '>', after);
  if (filter.kind !== undefined) query.where('kind', filter.kind);
  if (filter.status !== undefined) query.where('status', filter.status);
  const { search } = filter;
  if (search !== undefined) {
    const beginning = `${search.toLowerCase().replaceAll(/[\\%_]/g, '\\$&')}%`;
    query.where((either) => either.where('id', search).orWhereRaw('lower(name) like ?', [beginning]));
  }
  return (await query).map(recordOf);
}

export async function anyClientUses(db: Db, audience: string): Promise<boolean> {
  const rows = await db('clients')
    .select('id')
    .whereRaw('apis @> ?::jsonb', [JSON.stringify([{ audience }])])
    .limit(1);
  return rows.length > 0;
}

export async function clientsWantingLogout(db: Db, ids: readonly string[]): Promise<string[]> {
  return db('clients').whereIn('id', ids).whereNotNull('backchannel_logout_uri').pluck('id');
}
