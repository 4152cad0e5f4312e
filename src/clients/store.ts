// All SQL of the table clients: rows in, records out.
import type { ClientId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Client, ClientFilter } from './schema.ts';

interface ClientRow {
  id: string;
  name: string;
  kind: Client['kind'];
  status: Client['status'];
  redirect_uris: string[];
  post_logout_redirect_uris: string[];
  logo_uri: string | null;
  client_uri: string | null;
  policy_uri: string | null;
  tos_uri: string | null;
  grant_types: Client['grantTypes'];
  auth_method: Client['authMethod'];
  jwks: Client['jwks'];
  jwks_uri: string | null;
  first_party: boolean;
  scopes: string[];
  apis: Client['apis'];
  subject_type: Client['subjectType'];
  sector_identifier_uri: string | null;
  backchannel_logout_uri: string | null;
  backchannel_logout_session_required: boolean;
  cors_origins: string[];
  dpop_bound: boolean;
  require_par: boolean;
  pkce_exempt: boolean;
  may_introspect_any: boolean;
  id_token_algorithm: Client['idTokenAlgorithm'];
  access_token_lifetime_seconds: number | null;
  refresh_idle_seconds: number | null;
  refresh_absolute_seconds: number | null;
  system: boolean;
  version: number;
  created_at: Date;
  updated_at: Date;
}

const columns = [
  'id',
  'name',
  'kind',
  'status',
  'redirect_uris',
  'post_logout_redirect_uris',
  'logo_uri',
  'client_uri',
  'policy_uri',
  'tos_uri',
  'grant_types',
  'auth_method',
  'jwks',
  'jwks_uri',
  'first_party',
  'scopes',
  'apis',
  'subject_type',
  'sector_identifier_uri',
  'backchannel_logout_uri',
  'backchannel_logout_session_required',
  'cors_origins',
  'dpop_bound',
  'require_par',
  'pkce_exempt',
  'may_introspect_any',
  'id_token_algorithm',
  'access_token_lifetime_seconds',
  'refresh_idle_seconds',
  'refresh_absolute_seconds',
  'system',
  'version',
  'created_at',
  'updated_at',
] as const satisfies readonly (keyof ClientRow)[];

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
  const [row] = await db<ClientRow>('clients')
    .select(...columns)
    .where({ id });
  return row === undefined ? undefined : clientOf(row);
}

export async function lockClient(trx: Db, id: string): Promise<Client | undefined> {
  const [row] = await trx<ClientRow>('clients')
    .select(...columns)
    .where({ id })
    .forUpdate();
  return row === undefined ? undefined : clientOf(row);
}

export async function listClients(
  db: Db,
  filter: ClientFilter,
  after: string | undefined,
  limit: number,
): Promise<Client[]> {
  const query = db<ClientRow>('clients')
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
  return (await query).map(clientOf);
}

export async function anyClientUses(db: Db, audience: string): Promise<boolean> {
  const rows = await db<ClientRow>('clients')
    .select('id')
    .whereRaw('apis @> ?::jsonb', [JSON.stringify([{ audience }])])
    .limit(1);
  return rows.length > 0;
}

export async function clientsWantingLogout(db: Db, ids: readonly string[]): Promise<string[]> {
  return db<ClientRow>('clients').whereIn('id', ids).whereNotNull('backchannel_logout_uri').pluck('id');
}

function clientOf(row: ClientRow): Client {
  return {
    // Ids were checked when the row was written.
    id: row.id as ClientId,
    name: row.name,
    kind: row.kind,
    status: row.status,
    redirectUris: row.redirect_uris,
    postLogoutRedirectUris: row.post_logout_redirect_uris,
    logoUri: row.logo_uri,
    clientUri: row.client_uri,
    policyUri: row.policy_uri,
    tosUri: row.tos_uri,
    grantTypes: row.grant_types,
    authMethod: row.auth_method,
    jwks: row.jwks,
    jwksUri: row.jwks_uri,
    firstParty: row.first_party,
    scopes: row.scopes,
    apis: row.apis,
    subjectType: row.subject_type,
    sectorIdentifierUri: row.sector_identifier_uri,
    backchannelLogoutUri: row.backchannel_logout_uri,
    backchannelLogoutSessionRequired: row.backchannel_logout_session_required,
    corsOrigins: row.cors_origins,
    dpopBound: row.dpop_bound,
    requirePar: row.require_par,
    pkceExempt: row.pkce_exempt,
    mayIntrospectAny: row.may_introspect_any,
    idTokenAlgorithm: row.id_token_algorithm,
    accessTokenLifetimeSeconds: row.access_token_lifetime_seconds,
    refreshIdleSeconds: row.refresh_idle_seconds,
    refreshAbsoluteSeconds: row.refresh_absolute_seconds,
    system: row.system,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

function rowOf(client: Client) {
  return {
    id: client.id,
    name: client.name,
    kind: client.kind,
    status: client.status,
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    logo_uri: client.logoUri,
    client_uri: client.clientUri,
    policy_uri: client.policyUri,
    tos_uri: client.tosUri,
    grant_types: client.grantTypes,
    auth_method: client.authMethod,
    jwks: client.jwks === null ? null : JSON.stringify(client.jwks),
    jwks_uri: client.jwksUri,
    first_party: client.firstParty,
    scopes: client.scopes,
    apis: JSON.stringify(client.apis),
    subject_type: client.subjectType,
    sector_identifier_uri: client.sectorIdentifierUri,
    backchannel_logout_uri: client.backchannelLogoutUri,
    backchannel_logout_session_required: client.backchannelLogoutSessionRequired,
    cors_origins: client.corsOrigins,
    dpop_bound: client.dpopBound,
    require_par: client.requirePar,
    pkce_exempt: client.pkceExempt,
    may_introspect_any: client.mayIntrospectAny,
    id_token_algorithm: client.idTokenAlgorithm,
    access_token_lifetime_seconds: client.accessTokenLifetimeSeconds,
    refresh_idle_seconds: client.refreshIdleSeconds,
    refresh_absolute_seconds: client.refreshAbsoluteSeconds,
    system: client.system,
    version: client.version,
    created_at: client.createdAt,
    updated_at: client.updatedAt,
  };
}
