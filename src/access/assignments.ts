// What is assigned to whom: everywhere, or in one organization. Assigning what is assigned already is no change.
import type { Account, Accounts } from '../accounts/accounts.ts';
import { type AccountId, type OrganizationId, parseId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Caller } from '../platform/api/route.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import * as rows from './assignment-store.ts';
import { type Acting, refuseHandingOut, refuseStronger } from './holding.ts';
import { isThere, permissionsOf, type RoleDeps } from './roles.ts';
import { ADMIN_ROLE, type Assignment, type Role, type SubjectKind } from './schema.ts';
import * as store from './store.ts';

export interface WantedAssignment {
  roleId: string;
  subject: { kind: SubjectKind; id: string };
  /** Null: everywhere; or where the role, the team or the one who acts is bound to, if one of them is. */
  organizationId: string | null;
}

export interface AssignmentFilter {
  roleId?: string | undefined;
  subject?: { kind: SubjectKind; id: string } | undefined;
  /** In this organization only; null: everywhere only; absent: all. */
  organizationId?: string | null | undefined;
}

export interface Assignments {
  /** Throws role_not_found, subject_not_found, organization_not_found, member_not_found, permission_denied. */
  assign(wanted: WantedAssignment, acting: Acting): Promise<Assignment>;
  /** Throws as assign does, and last_admin. */
  unassign(wanted: WantedAssignment, acting: Acting): Promise<void>;
  /** Throws permission_denied when its roles let the subject do at the management API what the caller may not. */
  refuseStronger(
    subject: { kind: SubjectKind; id: string },
    caller: Pick<Caller, 'permissions'>,
  ): Promise<void>;
  /** Where the caller asks about it: those who are bound to an organization in that one, of what has to do with it. */
  placeToAsk(
    subject: { kind: SubjectKind; id: string },
    wanted: string | undefined,
    acting: Pick<Acting, 'organizationId'>,
  ): Promise<string | null>;
  /** Who is administrator is among those who have the role admin. Throws subject_not_found for a subject that is not there. */
  listAssignments(
    filter: AssignmentFilter,
    page: PageRequest,
    acting?: Pick<Acting, 'organizationId'>,
  ): Promise<Page<Assignment>>;
}

export interface AssignmentDeps extends RoleDeps {
  accounts: Pick<Accounts, 'find' | 'change'>;
}

const PAGE_MAXIMUM = 200;

export function createAssignments(deps: AssignmentDeps): Assignments {
  const { postgres, changes, clock } = deps;

  async function commit<T>(run: (trx: Db) => Promise<T>): Promise<T> {
    const result = await postgres.transaction(run);
    // The change stands: were this look to fail, the next one in a second brings it.
    await changes.poll().catch(() => undefined);
    return result;
  }

  async function tell(
    trx: Db,
    type: 'role.assigned' | 'role.unassigned',
    role: Role,
    one: rows.Assigned,
    by: Acting['by'],
  ) {
    const { subjectKind: kind, subjectId: id, organizationId } = one;
    await deps.audit.record(trx, {
      type,
      actor: by,
      outcome: 'success',
      ...(kind === 'account' && { accountId: id }),
      ...(kind === 'client' && { clientId: id }),
      target: { kind, id },
      details: { role: role.name, roleId: role.id, ...(organizationId && { organizationId }) },
    });
    // Of a team the members are concerned, and they are not named here.
    await changes.bump(trx, 'access', ...(kind === 'team' ? [] : [id]));
  }

  /** Administrators are made and unmade as accounts: there the last one is kept, and their state is one row. */
  async function setAdmin(id: string, admin: boolean, { by }: Acting): Promise<Account> {
    const account = await deps.accounts.find(id);
    if (account === undefined) throw failure('subject_not_found');
    return account.admin === admin ? account : deps.accounts.change(account.id, { admin }, by);
  }

  return {
    async assign(wanted, acting) {
      const { assigned, ...made } = await commit(async (trx) => {
        const { role, ...one } = await check(trx, wanted, acting);
        if (isAdminship(one)) return { assigned: one, role: role.name, createdAt: undefined };
        if (await rows.insertAssignment(trx, one, clock.now())) {
          await tell(trx, 'role.assigned', role, one, acting.by);
        }
        const createdAt = await rows.assignedSince(trx, one);
        return { assigned: one, role: role.name, createdAt };
      });
      const createdAt = made.createdAt ?? (await setAdmin(assigned.subjectId, true, acting)).createdAt;
      return { ...assigned, role: made.role, createdAt };
    },

    async unassign(wanted, acting) {
      const one = await commit(async (trx) => {
        const { role, ...assigned } = await check(trx, wanted, acting);
        if (!isAdminship(assigned) && (await rows.deleteAssignment(trx, assigned))) {
          await tell(trx, 'role.unassigned', role, assigned, acting.by);
        }
        return assigned;
      });
      if (isAdminship(one)) await setAdmin(one.subjectId, false, acting);
    },

    async refuseStronger({ kind, id }, caller) {
      refuseStronger(caller, await rows.permissionsAssigned(postgres.db, kind, id));
    },

    async placeToAsk(subject, wanted, { organizationId: bound }) {
      if (bound === null) return wanted ?? null;
      if (wanted !== undefined && wanted !== bound) throw failure('organization_not_found');
      if (await isStrangeClient(postgres.db, subject, bound)) throw failure('subject_not_found');
      return bound;
    },

    async listAssignments(filter, page, acting = { organizationId: null }) {
      const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
      const after = page.cursor === null ? undefined : decodeCursor(page.cursor, 4);
      if (page.cursor !== null && after === undefined) {
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      }
      const roleId = filter.roleId === undefined ? undefined : parseId('role', filter.roleId);
      if (filter.roleId !== undefined && roleId === undefined) return { items: [], nextCursor: null };
      const organizationId = acting.organizationId ?? filter.organizationId;
      if (filter.subject !== undefined)
        await ownPlace(postgres.db, filter.subject, acting.organizationId, acting);
      const by = { roleId, subject: filter.subject, organizationId, after, limit: limit + 1 };
      return pageOf(await rows.listAssignments(postgres.db, by), limit, (one) => [
        one.subjectKind,
        one.subjectId,
        one.roleId,
        one.organizationId ?? '',
      ]);
    },
  };
}

const isAdminship = ({ roleId, subjectKind, organizationId }: rows.Assigned) =>
  roleId === ADMIN_ROLE && subjectKind === 'account' && organizationId === null;

/** The assignment as it is meant, when it may be: everything in it is there, fits together, and is the caller's to give. */
async function check(
  trx: Db,
  { roleId, subject, organizationId }: WantedAssignment,
  acting: Acting,
): Promise<rows.Assigned & { role: Role }> {
  const id = parseId('role', roleId);
  const role = id && (await store.shareRole(trx, id)) ? await store.findRole(trx, id) : undefined;
  if (role === undefined || !isThere(role, acting)) throw failure('role_not_found');
  const place = await placeOf(trx, organizationId ?? role.organizationId ?? acting.organizationId, acting);
  const own = await ownPlace(trx, subject, place, acting);
  const where = place ?? own;
  // A role of an organization is assigned inside it only; in another one it is not there.
  if (role.organizationId !== null && role.organizationId !== where) throw failure('role_not_found');
  refuseHandingOut(acting, await permissionsOf(trx, role.id));
  return { role, roleId: role.id, subjectKind: subject.kind, subjectId: subject.id, organizationId: where };
}

async function placeOf(trx: Db, wanted: string | null, acting: Acting): Promise<OrganizationId | null> {
  if (wanted === null) return null;
  const id = parseId('org', wanted);
  const isOther = acting.organizationId !== null && id !== acting.organizationId;
  if (id === undefined || isOther || !(await store.organizationExists(trx, id))) {
    throw failure('organization_not_found');
  }
  return id;
}

/** The organization that the subject itself is bound to; refuses those that have no business in `place`. */
async function ownPlace(
  trx: Db,
  { kind, id }: WantedAssignment['subject'],
  place: OrganizationId | null,
  { organizationId: bound }: Pick<Acting, 'organizationId'>,
): Promise<OrganizationId | null> {
  const found = isStorable(id) ? await rows.placeOfSubject(trx, kind, id) : undefined;
  if (found === undefined) throw failure('subject_not_found');
  if (await isStrangeClient(trx, { kind, id }, bound)) throw failure('subject_not_found');
  const own = found.organizationId;
  if (kind === 'team' || kind === 'api-key') {
    if (place !== null && own !== place) throw failure('subject_not_found');
    return own;
  }
  if (kind === 'account' && place !== null && !(await rows.holdMember(trx, place, id as AccountId))) {
    // Who is bound to an organization learns of nobody outside it.
    throw failure(bound === null ? 'member_not_found' : 'subject_not_found');
  }
  return null;
}

/** Who is bound to an organization learns of no other clients, and brings none in: any id would tell what it may do. */
async function isStrangeClient(
  db: Db,
  { kind, id }: WantedAssignment['subject'],
  bound: string | null,
): Promise<boolean> {
  return kind === 'client' && bound !== null && !(await rows.clientIsIn(db, bound, id));
}

const isStorable = (text: string) => !text.includes('\0') && text.isWellFormed();
