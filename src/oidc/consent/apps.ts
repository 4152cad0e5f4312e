// What an account allows which client, taken together: by its grants, of all its sessions, and by what is remembered of its
// consent, by which the client would get the same again without asking.
import type { Db } from '../../platform/database/postgres.ts';
import { prepared, runPrepared } from '../../platform/database/prepared.ts';
import type { Sealing } from '../adapter/sealing.ts';
import { type Grant, type GrantRow, grantOf } from './granted.ts';

export interface ConnectedApp {
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** Permissions of APIs, and in which organization; null: in none. */
  readonly permissions: readonly {
    readonly audience: string;
    readonly organizationId: string | null;
    readonly names: readonly string[];
  }[];
  readonly since: Date;
  /** The last time that it was given a token that is kept; else when it was allowed. */
  readonly usedAt: Date;
}

interface ConsentRow {
  client_id: string;
  scopes: string[];
  resource_scopes: Record<string, string[]>;
  organization_scopes: Record<string, Record<string, string[]>>;
  granted_at: Date;
}

type UsedGrantRow = GrantRow & { used_at: Date };

/** One thing that was allowed, from wherever it is known. */
interface Allowed {
  clientId: string;
  scopes: readonly string[];
  permissions: ConnectedApp['permissions'];
  since: Date;
  usedAt: Date;
}

/** The one used last comes first. `clientId`: only this one. */
export async function connectedApps(
  { db, sealing }: { db: Db; sealing: Sealing },
  accountId: string,
  clientId: string | null = null,
): Promise<ConnectedApp[]> {
  const [grants, consents] = await Promise.all([
    runPrepared<UsedGrantRow>(db, GRANTS, [accountId, clientId, clientId]),
    runPrepared<ConsentRow>(db, CONSENTS, [accountId, clientId, clientId]),
  ]);
  const allowed = [
    ...grants.map((row) => ofGrant(grantOf(row, sealing), row.used_at)),
    ...consents.map(ofConsent),
  ];
  const byClient = new Map<string, ConnectedApp>();
  for (const one of allowed) byClient.set(one.clientId, together(byClient.get(one.clientId), one));
  return [...byClient.values()].sort((a, b) => b.usedAt.getTime() - a.usedAt.getTime());
}

// More grants than that has nobody who is not a machine.
const GRANTS = prepared(
  'oidc_grants_of_account',
  `select g.id, g.account_id, g.client_id, g.payload, g.created_at, g.expires_at,
    greatest(g.created_at, (select max(t.created_at) from oidc_tokens t where t.grant_id = g.id)) as used_at
  from oidc_grants g
  where g.account_id = ? and g.expires_at > now() and (?::text is null or g.client_id = ?) limit 1000`,
);

const CONSENTS = prepared(
  'consents_of_account',
  `select client_id, scopes, resource_scopes, organization_scopes, granted_at from consents
  where account_id = ? and (?::text is null or client_id = ?)`,
);

function ofGrant(
  { clientId, scopes, resourceScopes, organizationId, createdAt }: Grant,
  usedAt: Date,
): Allowed {
  return {
    clientId,
    scopes,
    permissions: permissionsOf(resourceScopes, organizationId),
    since: createdAt,
    usedAt,
  };
}

function ofConsent(row: ConsentRow): Allowed {
  const inOrganizations = Object.entries(row.organization_scopes).flatMap(([id, scopes]) =>
    permissionsOf(scopes, id),
  );
  return {
    clientId: row.client_id,
    scopes: row.scopes,
    permissions: [...permissionsOf(row.resource_scopes, null), ...inOrganizations],
    since: row.granted_at,
    usedAt: row.granted_at,
  };
}

function permissionsOf(
  scopes: Readonly<Record<string, string[]>>,
  organizationId: string | null,
): ConnectedApp['permissions'] {
  return Object.entries(scopes)
    .filter(([, names]) => names.length > 0)
    .map(([audience, names]) => ({ audience, organizationId, names }));
}

function together(before: ConnectedApp | undefined, more: Allowed): ConnectedApp {
  if (before === undefined) return more;
  const permissions = new Map(
    before.permissions.map((one) => [`${one.organizationId} ${one.audience}`, one]),
  );
  for (const one of more.permissions) {
    const key = `${one.organizationId} ${one.audience}`;
    const names = [...new Set([...(permissions.get(key)?.names ?? []), ...one.names])];
    permissions.set(key, { ...one, names });
  }
  return {
    clientId: before.clientId,
    scopes: [...new Set([...before.scopes, ...more.scopes])],
    permissions: [...permissions.values()],
    since: earlier(before.since, more.since),
    usedAt: earlier(before.usedAt, more.usedAt) === before.usedAt ? more.usedAt : before.usedAt,
  };
}

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}
