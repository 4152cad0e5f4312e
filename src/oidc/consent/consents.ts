// Remembered consent: what a person allowed a client, kept across sessions. A grant belongs to one session and dies with it,
// so that signing out on one device never ends what another device was given.
import { compilePermissions } from '../../lib/permission.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { OrganizationChoice } from './choice.ts';

export interface Consent {
  scopes: string[];
  claims: string[];
  /** Audience of an API -> the permissions allowed there. */
  resourceScopes: Record<string, string[]>;
}

/**
 * Who allowed whom. What OpenID Connect tells is about the person, whatever organization they act in; permissions of APIs
 * are about what is the organization's, so that allowing them in one is no answer for another.
 */
export interface ConsentKey {
  readonly accountId: string;
  readonly clientId: string;
  readonly organizationId: OrganizationChoice;
}

type ResourceScopes = Consent['resourceScopes'];

export async function findConsent(db: Db, key: ConsentKey): Promise<Consent | undefined> {
  const { accountId, clientId, organizationId } = key;
  const row = await db('consents')
    .select('scopes', 'claims', 'resource_scopes', 'organization_scopes')
    .where({ account_id: accountId, client_id: clientId })
    .first();
  if (!row) return undefined;
  const resourceScopes: ResourceScopes =
    organizationId === null ? row.resource_scopes : (row.organization_scopes[organizationId] ?? {});
  return { scopes: row.scopes, claims: row.claims, resourceScopes };
}

/** Adds to what was allowed before, in the caller's transaction; taking away is `removeConsents`. */
export async function rememberConsent(
  db: Db,
  { accountId, clientId, organizationId }: ConsentKey,
  consent: Consent,
): Promise<void> {
  const key = { account_id: accountId, client_id: clientId };
  // The row is there and locked before it is read: of two tabs that allow at once, neither takes back the other's.
  await db('consents').insert(key).onConflict(['account_id', 'client_id']).ignore();
  const before = await db('consents')
    .select('scopes', 'claims', 'resource_scopes', 'organization_scopes')
    .where(key)
    .forUpdate()
    .first();
  // Taken back by somebody between the two statements: it stays so.
  if (!before) return;
  await db('consents')
    .where(key)
    .update({
      scopes: union(before.scopes, consent.scopes),
      claims: union(before.claims, consent.claims),
      ...withScopes(before, organizationId, consent.resourceScopes),
      updated_at: db.fn.now(),
    });
}

function withScopes(
  before: { resource_scopes: ResourceScopes; organization_scopes: Record<string, ResourceScopes> },
  organizationId: OrganizationChoice,
  added: ResourceScopes,
): Record<string, string> {
  if (organizationId === null) {
    return { resource_scopes: JSON.stringify(unionByAudience(before.resource_scopes, added)) };
  }
  const own = unionByAudience(before.organization_scopes[organizationId] ?? {}, added);
  return { organization_scopes: JSON.stringify({ ...before.organization_scopes, [organizationId]: own }) };
}

export async function removeConsents(
  db: Db,
  where: { accountId?: string; clientId?: string },
): Promise<number> {
  const columns = {
    ...(where.accountId === undefined ? {} : { account_id: where.accountId }),
    ...(where.clientId === undefined ? {} : { client_id: where.clientId }),
  };
  if (Object.keys(columns).length === 0) return 0;
  return db('consents').where(columns).delete();
}

/** Whether everything in `asked` was allowed before. */
export function covers(consent: Consent, asked: Consent): boolean {
  return (
    isSubset(asked.scopes, consent.scopes) &&
    isSubset(asked.claims, consent.claims) &&
    Object.entries(asked.resourceScopes).every(([audience, scopes]) => {
      // Whoever allowed all files has allowed this one.
      const allowed = compilePermissions(consent.resourceScopes[audience] ?? []);
      return scopes.every((scope) => allowed.covers(scope));
    })
  );
}

function isSubset(part: readonly string[], whole: readonly string[]): boolean {
  const known = new Set(whole);
  return part.every((item) => known.has(item));
}

function union(left: readonly string[], right: readonly string[]): string[] {
  return [...new Set([...left, ...right])];
}

function unionByAudience(left: Record<string, string[]>, right: Record<string, string[]>) {
  const audiences = union(Object.keys(left), Object.keys(right));
  return Object.fromEntries(
    audiences.map((audience) => [audience, union(left[audience] ?? [], right[audience] ?? [])]),
  );
}
