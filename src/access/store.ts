// All SQL of roles and what they inherit: rows in, records out.
import type { OrganizationId, RoleId } from '../lib/ids.ts';
import type { Strength } from '../lib/strength.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Role } from './schema.ts';

interface RoleRow {
  id: RoleId;
  organization_id: OrganizationId | null;
  name: string;
  description: string | null;
  permissions: string[];
  parents: RoleId[];
  required_acr: Strength | null;
  session_idle_seconds: number | null;
  session_absolute_seconds: number | null;
  built_in: boolean;
  version: number;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS = [
  'r.id',
  'r.organization_id',
  'r.name',
  'r.description',
  'r.permissions',
  'r.required_acr',
  'r.session_idle_seconds',
  'r.session_absolute_seconds',
  'r.built_in',
  'r.version',
  'r.created_at',
  'r.updated_at',
];

function roles(db: Db) {
  return db('roles as r').select<RoleRow[]>(
    ...COLUMNS,
    db.raw('array(select p.parent_id from role_parents p where p.role_id = r.id order by 1) as parents'),
  );
}

/** Changes of roles follow one another, or two of them at once could close a circle that neither sees. */
export async function lockRoles(trx: Db): Promise<void> {
  await trx.raw(`select pg_advisory_xact_lock(hashtext('gatehouse.roles'))`);
}

export async function findRole(db: Db, id: RoleId): Promise<Role | undefined> {
  const [row] = await roles(db).where('r.id', id);
  return row && toRole(row);
}

export async function findRoles(db: Db, ids: readonly RoleId[]): Promise<Role[]> {
  return (await roles(db).whereIn('r.id', [...ids])).map(toRole);
}

export async function findRoleByName(
  db: Db,
  name: string,
  organizationId: string | null,
): Promise<Role | undefined> {
  const [row] = await roles(db)
    .where('r.name', name)
    .whereRaw(`coalesce(r.organization_id, '') = ?`, [organizationId ?? '']);
  return row && toRole(row);
}

/** Kept from being removed until the transaction ends. */
export async function shareRole(trx: Db, id: RoleId): Promise<boolean> {
  return (await trx('roles').where({ id }).forShare().first('id')) !== undefined;
}

/** Waits for those who are about to assign it. */
export async function lockRole(trx: Db, id: RoleId): Promise<void> {
  await trx('roles').where({ id }).forUpdate().first('id');
}

export interface ListedBy {
  /** Roles that are known everywhere, and those of this organization. */
  organizationId: string | null;
  name: string | undefined;
  after: string | undefined;
  limit: number;
}

export async function listRoles(db: Db, by: ListedBy): Promise<Role[]> {
  const query = roles(db).orderBy('r.id').limit(by.limit);
  query.where((either) => {
    either.whereNull('r.organization_id');
    if (by.organizationId !== null) either.orWhere('r.organization_id', by.organizationId);
  });
  if (by.name !== undefined) query.where('r.name', by.name);
  if (by.after !== undefined) query.where('r.id', '>', by.after);
  return (await query).map(toRole);
}

/** False when another role has this name there. */
export async function insertRole(trx: Db, role: Role): Promise<boolean> {
  const inserted = await trx.raw<{ rows: unknown[] }>(
    `insert into roles
       (id, organization_id, name, description, permissions, required_acr, session_idle_seconds,
        session_absolute_seconds, built_in, version, created_at, updated_at)
     values (:id, :organizationId, :name, :description, :permissions, :requiredAcr, :sessionIdleSeconds,
       :sessionAbsoluteSeconds, false, 1, :createdAt, :updatedAt)
     on conflict (coalesce(organization_id, ''), name) do nothing returning id`,
    { ...role },
  );
  return inserted.rows.length === 1;
}

export async function updateRole(trx: Db, role: Role): Promise<void> {
  const { id, name, description, permissions, version } = role;
  const row = {
    name,
    description,
    permissions,
    required_acr: role.requiredAcr,
    session_idle_seconds: role.sessionIdleSeconds,
    session_absolute_seconds: role.sessionAbsoluteSeconds,
    version,
    updated_at: role.updatedAt,
  };
  await trx('roles').where({ id }).update(row);
}

export async function setParents(trx: Db, id: RoleId, parents: readonly RoleId[]): Promise<void> {
  await trx('role_parents').where({ role_id: id }).delete();
  if (parents.length === 0) return;
  await trx('role_parents').insert(parents.map((parent) => ({ role_id: id, parent_id: parent })));
}

/** Those of `ids` that have everything of the role, by whatever way; the role itself with them. */
export async function inheritingAmong(trx: Db, id: RoleId, ids: readonly RoleId[]): Promise<RoleId[]> {
  const { rows } = await trx.raw<{ rows: { id: RoleId }[] }>(
    `with recursive heirs (id) as (
       select id from roles where id = :id union
       select p.role_id from heirs join role_parents p on p.parent_id = heirs.id
     )
     select id from heirs where id = any(:ids::text[])`,
    { id, ids: [...ids] },
  );
  return rows.map((row) => row.id);
}

export async function anyHeir(trx: Db, id: RoleId): Promise<boolean> {
  return (await trx('role_parents').where({ parent_id: id }).first('role_id')) !== undefined;
}

export async function deleteRole(trx: Db, id: RoleId): Promise<void> {
  await trx('roles').where({ id }).delete();
}

export async function organizationExists(db: Db, id: string): Promise<boolean> {
  return (await db('organizations').where({ id }).first('id')) !== undefined;
}

function toRole(row: RoleRow): Role {
  return {
    id: row.id,
    organizationId: row.organization_id,
    name: row.name,
    description: row.description,
    permissions: row.permissions,
    parents: row.parents,
    requiredAcr: row.required_acr,
    sessionIdleSeconds: row.session_idle_seconds,
    sessionAbsoluteSeconds: row.session_absolute_seconds,
    builtIn: row.built_in,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
