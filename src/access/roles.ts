// Roles: named sets of permissions that may have everything of others. Each change and its event are one commit.
import type { z } from 'zod';
import type { Audit } from '../audit/audit.ts';
import { definedFields, fieldsOf } from '../lib/fields.ts';
import { newId, type OrganizationId, parseId, type RoleId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import { compilePermissions } from '../lib/permission.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { EventType } from '../vocabulary/events.ts';
import { countAssignments } from './assignment-store.ts';
import { findWholeRoles } from './facts-store.ts';
import { type Acting, refuseHandingOut } from './holding.ts';
import { ADMIN_ROLE, NewRole, type Role, RoleChange } from './schema.ts';
import * as store from './store.ts';

export interface RoleFilter {
  /** Those of this organization beside those that are known everywhere. */
  organizationId?: string | undefined;
  name?: string | undefined;
}

export interface Roles {
  /** Throws role_name_taken, role_invalid, permission_invalid, role_not_found for a parent, permission_denied. */
  createRole(input: NewRole, acting: Acting): Promise<Role>;
  /** Throws as createRole does, and role_cycle, role_protected, version_conflict. */
  changeRole(id: string, change: RoleChange, acting: Acting): Promise<Role>;
  /** Throws role_assigned unless its assignments go with it; role_inherited, role_protected, version_conflict. */
  removeRole(
    id: string,
    acting: Acting,
    how?: { version?: number | undefined; withAssignments?: boolean | undefined },
  ): Promise<void>;
  /** For who is bound to an organization: its own roles, and those that are known everywhere. */
  findRole(id: string, acting?: Pick<Acting, 'organizationId'>): Promise<Role | undefined>;
  findRoleByName(name: string, organizationId: string | null): Promise<Role | undefined>;
  /** In the order of creation. */
  listRoles(
    filter: RoleFilter,
    page: PageRequest,
    acting?: Pick<Acting, 'organizationId'>,
  ): Promise<Page<Role>>;
}

export interface RoleDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  clock: Clock;
  changes: Pick<Changes, 'bump' | 'poll'>;
}

const PAGE_MAXIMUM = 200;
const unbound = { organizationId: null };

export function createRoles(deps: RoleDeps): Roles {
  const { postgres, changes, clock } = deps;

  /** A change that stands is seen on this node before it is answered; were the look to fail, the next one brings it. */
  async function commit<T>(run: (trx: Db) => Promise<T>): Promise<T> {
    const result = await postgres.transaction(async (trx) => {
      await store.lockRoles(trx);
      return run(trx);
    });
    await changes.poll().catch(() => undefined);
    return result;
  }

  async function tell(trx: Db, type: EventType, role: Role, { by }: Acting, details: object): Promise<void> {
    const { organizationId } = role;
    await deps.audit.record(trx, {
      type,
      actor: by,
      outcome: 'success',
      target: { kind: 'role', id: role.id },
      details: { name: role.name, ...(organizationId && { organizationId }), ...details },
    });
  }

  return {
    async createRole(input, acting) {
      const { organizationId, ...fields } = parse(NewRole, input);
      return commit(async (trx) => {
        const place = await placeOf(trx, organizationId ?? null, acting);
        const now = clock.now();
        const own = { builtIn: false, version: 1, createdAt: now, updatedAt: now };
        const parents = await parentsOf(trx, fields.parents, place);
        await refuseBorrowedName(trx, fields.name, place, acting);
        const role: Role = { id: newId('role'), organizationId: place, ...fields, parents, ...own };
        if (!(await store.insertRole(trx, role))) throw failure('role_name_taken');
        await store.setParents(trx, role.id, parents);
        refuseHandingOut(acting, await permissionsOf(trx, role.id));
        await tell(trx, 'role.created', role, acting, { permissions: role.permissions });
        return role;
      });
    },

    async changeRole(id, input, acting) {
      const { version, parents: wanted, ...given } = parse(RoleChange, input);
      return commit(async (trx) => {
        const role = await mustFind(trx, id, acting);
        if (version !== undefined && version !== role.version) throw failure('version_conflict');
        const parents = wanted && (await parentsOf(trx, wanted, role.organizationId));
        const change = definedFields({ ...given, parents });
        const names = changedFields(role, change);
        if (names.length === 0) return role;
        if (role.id === ADMIN_ROLE && names.some((name) => name !== 'description'))
          throw failure('role_protected');
        const next: Role = { ...role, ...change, version: role.version + 1, updatedAt: clock.now() };
        await write(trx, role, next, acting);
        await tell(trx, 'role.changed', next, acting, { fields: names });
        await changes.bump(trx, 'access');
        return next;
      });
    },

    async removeRole(id, acting, how = {}) {
      return commit(async (trx) => {
        const role = await mustFind(trx, id, acting);
        if (how.version !== undefined && how.version !== role.version) throw failure('version_conflict');
        if (role.id === ADMIN_ROLE) throw failure('role_protected');
        await store.lockRole(trx, role.id);
        if (await store.anyHeir(trx, role.id)) throw failure('role_inherited');
        const assignments = await countAssignments(trx, role.id);
        if (assignments > 0 && how.withAssignments !== true) throw failure('role_assigned', { assignments });
        // Taking away what is assigned is for those who could give it.
        if (assignments > 0) refuseHandingOut(acting, await permissionsOf(trx, role.id));
        await store.deleteRole(trx, role.id);
        await tell(trx, 'role.deleted', role, acting, { assignments });
        await changes.bump(trx, 'access');
      });
    },

    async findRole(id, acting = unbound) {
      const roleId = parseId('role', id);
      const role = roleId && (await store.findRole(postgres.db, roleId));
      return role && isThere(role, acting) ? role : undefined;
    },

    findRoleByName: (name, organizationId) => store.findRoleByName(postgres.db, name, organizationId),

    async listRoles(filter, page, acting = unbound) {
      const limit = Math.min(Math.max(page.limit, 1), PAGE_MAXIMUM);
      const after = page.cursor === null ? undefined : decodeCursor(page.cursor, 1)?.[0];
      if (page.cursor !== null && after === undefined) {
        throw failure('request_invalid', { fields: { cursor: 'is not one that this list gave' } });
      }
      const organizationId = acting.organizationId ?? filter.organizationId ?? null;
      const by = { organizationId, name: filter.name, after, limit: limit + 1 };
      return pageOf(await store.listRoles(postgres.db, by), limit, (role) => [role.id]);
    },
  };
}

/** Refuses circles, names that are taken, and permissions or parents beyond what the one who acts holds. */
async function write(trx: Db, role: Role, next: Role, acting: Acting): Promise<void> {
  const other = await store.findRoleByName(trx, next.name, next.organizationId);
  if (other !== undefined && other.id !== role.id) throw failure('role_name_taken');
  if (next.name !== role.name) await refuseBorrowedName(trx, next.name, next.organizationId, acting);
  const circle = await store.inheritingAmong(trx, role.id, next.parents);
  if (circle.length > 0) throw failure('role_cycle', { roles: circle });
  const before = compilePermissions(await permissionsOf(trx, role.id));
  await store.updateRole(trx, next);
  await store.setParents(trx, role.id, next.parents);
  const after = await permissionsOf(trx, role.id);
  refuseHandingOut(
    acting,
    after.filter((permission) => !before.covers(permission)),
  );
}

/** Tokens name roles by their names alone: `admin` of an organization would be taken for the one that is known everywhere. */
async function refuseBorrowedName(
  trx: Db,
  name: string,
  organizationId: OrganizationId | null,
  acting: Acting,
): Promise<void> {
  const known = organizationId === null ? undefined : await store.findRoleByName(trx, name, null);
  if (known !== undefined) refuseHandingOut(acting, await permissionsOf(trx, known.id));
}

/** With what it inherits. */
export async function permissionsOf(trx: Db, id: RoleId): Promise<string[]> {
  const [whole] = await findWholeRoles(trx, [id]);
  return whole?.parts.flatMap(({ permissions }) => permissions) ?? [];
}

/** The role as far as whoever acts may change it: bound to an organization, its own only. */
async function mustFind(trx: Db, id: string, acting: Acting): Promise<Role> {
  const roleId = parseId('role', id);
  const role = roleId && (await store.findRole(trx, roleId));
  const isOwn = acting.organizationId === null || role?.organizationId === acting.organizationId;
  if (role === undefined || !isOwn) throw failure('role_not_found');
  return role;
}

export function isThere(role: Role, { organizationId }: Pick<Acting, 'organizationId'>): boolean {
  return organizationId === null || role.organizationId === null || role.organizationId === organizationId;
}

async function placeOf(
  trx: Db,
  wanted: string | null,
  { organizationId }: Acting,
): Promise<OrganizationId | null> {
  if (wanted === null) return organizationId;
  const id = parseId('org', wanted);
  const isOther = organizationId !== null && id !== organizationId;
  if (id === undefined || isOther || !(await store.organizationExists(trx, id))) {
    throw failure('organization_not_found');
  }
  return id;
}

/** A role of an organization may have everything of its own and of those that are known everywhere. */
async function parentsOf(
  trx: Db,
  wanted: readonly string[],
  organizationId: OrganizationId | null,
): Promise<RoleId[]> {
  const ids = [...new Set(wanted)].map((id) => parseId('role', id));
  const known = await store.findRoles(
    trx,
    ids.filter((id) => id !== undefined),
  );
  const fitting = new Set(
    known
      .filter((parent) => parent.organizationId === null || parent.organizationId === organizationId)
      .map(({ id }) => id),
  );
  return ids
    .map((id) => {
      if (id === undefined || !fitting.has(id))
        throw failure('role_not_found', { fields: { parents: 'has no such role' } });
      return id;
    })
    .sort();
}

function changedFields(role: Role, change: Partial<Role>): string[] {
  const before = new Map<string, unknown>(Object.entries(role));
  return Object.entries(change)
    .filter(([field, value]) => JSON.stringify(before.get(field)) !== JSON.stringify(value))
    .map(([field]) => field);
}

function parse<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const badPermission = parsed.error.issues.some(({ path }) => path[0] === 'permissions' && path.length > 1);
  throw failure(badPermission ? 'permission_invalid' : 'role_invalid', { fields: fieldsOf(parsed.error) });
}
