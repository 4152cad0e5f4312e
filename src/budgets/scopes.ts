// What a budget may be of, and who is above whom: read from the tables of other features, which are on every floor.
import type { OrganizationId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { BudgetScope, ScopeKind } from './schema.ts';

/** Where a scope belongs; undefined when there is no such thing. A token is known by nobody but its issuer. */
interface Place {
  readonly organizationId: OrganizationId | null;
  /** Its organization is part of what it is, and not chosen for the budget. */
  readonly fixed: boolean;
}

const PLACES: Readonly<Record<Exclude<ScopeKind, 'token'>, string>> = {
  organization: 'select id as organization_id, true as fixed from organizations where id = ?',
  team: 'select organization_id, true as fixed from teams where id = ?',
  account: 'select null as organization_id, false as fixed from accounts where id = ?',
  client: 'select null as organization_id, false as fixed from clients where id = ?',
  'api-key':
    'select organization_id, organization_id is not null as fixed from api_keys where id = ? and revoked_at is null',
};

async function placeOf(trx: Db, { kind, id }: BudgetScope): Promise<Place | undefined> {
  if (kind === 'token') return { organizationId: null, fixed: false };
  // Kept from being deleted until the budget is there: the foreign keys say so as well.
  const { rows } = await trx.raw<{ rows: { organization_id: OrganizationId | null; fixed: boolean }[] }>(
    PLACES[kind],
    [id],
  );
  const [row] = rows;
  return row && { organizationId: row.organization_id, fixed: row.fixed };
}

async function isMember(trx: Db, organizationId: string, accountId: string): Promise<boolean> {
  const row: unknown = await trx('organization_members')
    .select('account_id')
    .where({ organization_id: organizationId, account_id: accountId })
    .first();
  return row !== undefined;
}

async function organizationExists(trx: Db, id: string): Promise<boolean> {
  return (await trx('organizations').select('id').where({ id }).first()) !== undefined;
}

/** Where the budget counts and is managed. Whoever is bound to an organization sets budgets of what belongs to it. */
export async function organizationOf(
  trx: Db,
  { scope, organizationId }: { scope: BudgetScope; organizationId?: string | undefined },
  within: string | null,
): Promise<OrganizationId | null> {
  const place = await placeOf(trx, scope);
  if (place === undefined) throw failure('budget_scope_not_found');
  // What an organization as a whole may use is not for itself to say.
  if (scope.kind === 'organization' && scope.id === within) throw failure('organization_bound');
  const chosen = place.fixed ? place.organizationId : (organizationId ?? within);
  const isOther = organizationId !== undefined && organizationId !== chosen;
  if (isOther || (within !== null && chosen !== within)) throw failure('budget_scope_not_found');
  if (chosen === null) return null;
  if (!place.fixed && !(await belongsTo(trx, scope, chosen, within))) throw failure('budget_scope_not_found');
  return chosen as OrganizationId; // found among the organizations just now
}

/** A client or a key of no organization is nothing that an organization may look at. */
async function belongsTo(
  trx: Db,
  { kind, id }: BudgetScope,
  organization: string,
  within: string | null,
): Promise<boolean> {
  if (kind === 'account') return isMember(trx, organization, id);
  if (kind !== 'token' && within !== null) return false;
  return organizationExists(trx, organization);
}

/** The key itself and the keys it was made from. */
export async function lineOf(db: Db, keyId: string): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { id: string }[] }>(
    `with recursive line as (
       select id, parent_id, 0 as step from api_keys where id = ?
       union all
       select k.id, k.parent_id, line.step + 1 from api_keys k join line on k.id = line.parent_id where line.step < 100
     ) select id from line order by step`,
    [keyId],
  );
  return rows.map(({ id }) => id);
}

interface KeyRow {
  account_id: string | null;
  client_id: string | null;
  organization_id: string | null;
}

/** All whose budgets count when this one uses something. */
export async function chainOf(
  db: Db,
  scope: BudgetScope,
  organizationId: string | null,
): Promise<BudgetScope[]> {
  switch (scope.kind) {
    case 'api-key':
      return chainOfKey(db, scope.id);
    case 'account':
      return [scope, ...(await aboveAccount(db, scope.id, organizationId))];
    case 'team': {
      const place = await placeOf(db, scope);
      return [scope, ...organizationScope(place?.organizationId ?? null)];
    }
    default:
      return [scope, ...organizationScope(organizationId)];
  }
}

async function chainOfKey(db: Db, id: string): Promise<BudgetScope[]> {
  const line = await lineOf(db, id);
  const key: KeyRow | undefined = await db('api_keys')
    .select('account_id', 'client_id', 'organization_id')
    .where({ id })
    .first();
  const keys = line.map((keyId): BudgetScope => ({ kind: 'api-key', id: keyId }));
  if (key === undefined) return [{ kind: 'api-key', id }];
  const { account_id, client_id, organization_id } = key;
  if (account_id !== null)
    return [
      ...keys,
      { kind: 'account', id: account_id },
      ...(await aboveAccount(db, account_id, organization_id)),
    ];
  const client: BudgetScope[] = client_id === null ? [] : [{ kind: 'client', id: client_id }];
  return [...keys, ...client, ...organizationScope(organization_id)];
}

async function aboveAccount(
  db: Db,
  accountId: string,
  organizationId: string | null,
): Promise<BudgetScope[]> {
  if (organizationId === null) return [];
  const teams: { team_id: string }[] = await db('team_members')
    .select('team_id')
    .where({ organization_id: organizationId, account_id: accountId });
  return [
    ...teams.map(({ team_id }): BudgetScope => ({ kind: 'team', id: team_id })),
    ...organizationScope(organizationId),
  ];
}

function organizationScope(id: string | null): BudgetScope[] {
  return id === null ? [] : [{ kind: 'organization', id }];
}
