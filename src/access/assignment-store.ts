// All SQL of what is assigned to whom: rows in, records out.
import type { OrganizationId, RoleId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import { findWholeRoles } from './facts-store.ts';
import { ADMIN_ROLE, type Assignment, type SubjectKind } from './schema.ts';

interface Row {
  role_id: RoleId;
  role: string;
  subject_kind: SubjectKind;
  subject_id: string;
  organization_id: OrganizationId | null;
  created_at: Date;
}

export interface Assigned {
  roleId: RoleId;
  subjectKind: SubjectKind;
  subjectId: string;
  organizationId: OrganizationId | null;
}

/** Where the subject is named again, for the references that end the assignment with it. */
const REFERENCES = {
  account: 'account_id',
  team: 'team_id',
  client: 'client_id',
  'api-key': 'api_key_id',
} as const;

/** False when it was assigned already. */
export async function insertAssignment(trx: Db, one: Assigned, at: Date): Promise<boolean> {
  const { rows } = await trx.raw<{ rows: unknown[] }>(
    `insert into role_assignments
       (role_id, subject_kind, subject_id, organization_id, created_at, ${REFERENCES[one.subjectKind]})
     values (:roleId, :subjectKind, :subjectId, :organizationId, :at, :subjectId)
     on conflict (subject_kind, subject_id, role_id, coalesce(organization_id, '')) do nothing
     returning role_id`,
    { ...one, at },
  );
  return rows.length === 1;
}

/** False when it was not assigned. */
export async function deleteAssignment(trx: Db, one: Assigned): Promise<boolean> {
  const deleted = await trx('role_assignments')
    .where({ role_id: one.roleId, subject_kind: one.subjectKind, subject_id: one.subjectId })
    .whereRaw(`coalesce(organization_id, '') = ?`, [one.organizationId ?? ''])
    .delete();
  return deleted > 0;
}

export async function assignedSince(trx: Db, one: Assigned): Promise<Date | undefined> {
  const row: { created_at: Date } | undefined = await trx('role_assignments')
    .where({ role_id: one.roleId, subject_kind: one.subjectKind, subject_id: one.subjectId })
    .whereRaw(`coalesce(organization_id, '') = ?`, [one.organizationId ?? ''])
    .first('created_at');
  return row?.created_at;
}

export async function countAssignments(trx: Db, roleId: RoleId): Promise<number> {
  const rows: { count: string }[] = await trx('role_assignments').where({ role_id: roleId }).count();
  return Number(rows[0]?.count ?? 0);
}

/** Also from accounts: who is administrator has the role of that name everywhere. */
const ALL = `
  select subject_kind, subject_id, role_id, organization_id, created_at from role_assignments
  union all select 'account', id, '${ADMIN_ROLE}', null, created_at from accounts where admin`;

export interface ListedBy {
  roleId?: RoleId | undefined;
  subject?: { kind: SubjectKind; id: string } | undefined;
  /** In this organization only; null: everywhere only; absent: all. */
  organizationId?: string | null | undefined;
  after?: readonly string[] | undefined;
  limit: number;
}

export async function listAssignments(db: Db, by: ListedBy): Promise<Assignment[]> {
  const { roleId, subject, organizationId, after } = by;
  const conditions = [
    roleId === undefined ? '' : 'a.role_id = :roleId',
    subject === undefined ? '' : 'a.subject_kind = :kind and a.subject_id = :id',
    organizationId === undefined ? '' : `coalesce(a.organization_id, '') = :organizationId`,
    after === undefined
      ? ''
      : `(a.subject_kind, a.subject_id, a.role_id, coalesce(a.organization_id, '')) > (:a0, :a1, :a2, :a3)`,
  ].filter((condition) => condition !== '');
  const [a0 = '', a1 = '', a2 = '', a3 = ''] = after ?? [];
  const { rows } = await db.raw<{ rows: Row[] }>(
    `select a.*, r.name as role from (${ALL}) a join roles r on r.id = a.role_id
     ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
     order by a.subject_kind, a.subject_id, a.role_id, coalesce(a.organization_id, '') limit :limit`,
    {
      limit: by.limit,
      ...(roleId !== undefined && { roleId }),
      ...(subject !== undefined && subject),
      ...(organizationId !== undefined && { organizationId: organizationId ?? '' }),
      ...(after !== undefined && { a0, a1, a2, a3 }),
    },
  );
  return rows.map((row) => ({
    roleId: row.role_id,
    role: row.role,
    subjectKind: row.subject_kind,
    subjectId: row.subject_id,
    organizationId: row.organization_id,
    createdAt: row.created_at,
  }));
}

/** Of every role that the subject was assigned, wherever, or has by a team, with what those inherit. */
export async function permissionsAssigned(db: Db, kind: SubjectKind, id: string): Promise<string[]> {
  const { rows } = await db.raw<{ rows: { role_id: RoleId }[] }>(
    `select role_id from role_assignments where subject_kind = :kind and subject_id = :id
     union select a.role_id from team_members t
       join role_assignments a on a.subject_kind = 'team' and a.subject_id = t.team_id
       where :kind = 'account' and t.account_id = :id`,
    { kind, id },
  );
  const whole = await findWholeRoles(
    db,
    rows.map((row) => row.role_id),
  );
  return whole.flatMap((role) => role?.parts ?? []).flatMap(({ permissions }) => permissions);
}

/** Where a subject is, kept there until the transaction ends; undefined when there is none. */
export async function placeOfSubject(
  trx: Db,
  kind: SubjectKind,
  id: string,
): Promise<{ organizationId: OrganizationId | null } | undefined> {
  const table = { account: 'accounts', team: 'teams', client: 'clients', 'api-key': 'api_keys' }[kind];
  const hasPlace = kind === 'team' || kind === 'api-key';
  const row: { organization_id?: OrganizationId | null } | undefined = await trx(table)
    .where({ id })
    .forKeyShare()
    .first('id', ...(hasPlace ? ['organization_id'] : []));
  return row && { organizationId: row.organization_id ?? null };
}

/** Clients belong to no organization: one has to do with it where somebody from outside gave it a role. */
export async function clientIsIn(db: Db, organizationId: string, clientId: string): Promise<boolean> {
  const row = await db('role_assignments')
    .where({ subject_kind: 'client', subject_id: clientId, organization_id: organizationId })
    .first('role_id');
  return row !== undefined;
}

/** A member now, and until the transaction ends. */
export async function holdMember(trx: Db, organizationId: string, accountId: string): Promise<boolean> {
  const row = await trx('organization_members')
    .where({ organization_id: organizationId, account_id: accountId })
    .forKeyShare()
    .first('account_id');
  return row !== undefined;
}
