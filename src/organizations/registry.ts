// Organizations themselves: create, find, change, suspend, reinstate, remove.
import type { Actor } from '../audit/audit.ts';
import { definedFields } from '../lib/fields.ts';
import { newId, parseId } from '../lib/ids.ts';
import { type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { EventType } from '../vocabulary/events.ts';
import type { PartDeps } from './deps.ts';
import { ceilingOf, changedNames, check, cursorId } from './input.ts';
import {
  NewOrganization,
  type Organization,
  OrganizationChange,
  type OrganizationFilter,
  type OrganizationStatus,
  SLUG,
} from './schema.ts';
import * as store from './store.ts';

export function createRegistry(deps: PartDeps) {
  const { commit, clock } = deps;
  const { db } = deps.postgres;

  async function tell(
    trx: Db,
    type: EventType,
    { id }: Organization,
    by: Actor,
    more: { reason?: string | null; details?: Record<string, unknown> } = {},
  ): Promise<void> {
    const target = { kind: 'organization', id };
    await deps.audit.record(trx, { type, actor: by, outcome: 'success', target, ...more });
    // What its members may do begins or ends with its state, and they are not named here.
    const concerns = type === 'organization.created' || type === 'organization.changed' ? [id] : [];
    await deps.changes.bump(trx, 'access', ...concerns);
  }

  async function create(input: NewOrganization, by: Actor): Promise<Organization> {
    const given = check(NewOrganization, input);
    const { slug, name, timeZone = 'UTC', permissions = ['*:*'], requiredAcr = null } = given;
    const { sessionIdleSeconds = null, sessionAbsoluteSeconds = null } = given;
    const now = clock.now();
    const organization: Organization = {
      id: newId('org'),
      slug,
      name,
      status: 'active',
      timeZone,
      permissions: ceilingOf(permissions),
      requiredAcr,
      sessionIdleSeconds,
      sessionAbsoluteSeconds,
      version: 1,
      createdAt: now,
      updatedAt: now,
    };
    return commit(async (trx) => {
      if (!(await store.insertOrganization(trx, organization))) throw failure('organization_slug_taken');
      await tell(trx, 'organization.created', organization, by, { details: { slug } });
      return organization;
    });
  }

  /** Writes the fields that differ; an organization that has them all already stays as it is. */
  async function put(
    trx: Db,
    before: Organization,
    change: Partial<Organization>,
  ): Promise<Organization | undefined> {
    if (changedNames(before, change).length === 0) return undefined;
    const next = { ...before, ...change, version: before.version + 1, updatedAt: clock.now() };
    if (!(await store.updateOrganization(trx, next))) throw failure('organization_slug_taken');
    return next;
  }

  async function change(id: string, input: OrganizationChange, by: Actor): Promise<Organization> {
    const { version, ...given } = check(OrganizationChange, input);
    const permissions = given.permissions && ceilingOf(given.permissions);
    const wanted = definedFields({ ...given, permissions });
    return commit(async (trx) => {
      const before = await lock(trx, id, version);
      const next = await put(trx, before, wanted);
      if (next === undefined) return before;
      const details = { fields: changedNames(before, wanted) };
      await tell(trx, 'organization.changed', next, by, { details });
      return next;
    });
  }

  async function become(
    status: OrganizationStatus,
    id: string,
    tellOf: (trx: Db, organization: Organization) => Promise<void>,
  ): Promise<Organization> {
    return commit(async (trx) => {
      const before = await lock(trx, id);
      const next = await put(trx, before, { status });
      if (next !== undefined) await tellOf(trx, next);
      return next ?? before;
    });
  }

  return {
    create,
    change,
    async find(id: string): Promise<Organization | undefined> {
      const parsed = parseId('org', id);
      return parsed && store.findOrganization(db, { id: parsed });
    },
    async findBySlug(slug: string): Promise<Organization | undefined> {
      return SLUG.test(slug) ? store.findOrganization(db, { slug }) : undefined;
    },
    async list(filter: OrganizationFilter, page: PageRequest): Promise<Page<Organization>> {
      const before = cursorId('org', page.cursor);
      if (filter.slug !== undefined && !SLUG.test(filter.slug)) return { items: [], nextCursor: null };
      const rows = await store.listOrganizations(db, filter, before, page.limit + 1);
      return pageOf(rows, page.limit, ({ id }) => [id]);
    },
    suspend: (id: string, reason: string | null, by: Actor) =>
      become('suspended', id, (trx, organization) =>
        tell(trx, 'organization.suspended', organization, by, { reason }),
      ),
    reinstate: (id: string, by: Actor) =>
      become('active', id, (trx, organization) => tell(trx, 'organization.reinstated', organization, by)),
    remove: (id: string, by: Actor, version?: number): Promise<void> =>
      commit(async (trx) => {
        const organization = await lock(trx, id, version);
        await store.deleteOrganization(trx, organization.id);
        await tell(trx, 'organization.deleted', organization, by, { details: { slug: organization.slug } });
      }),
  };
}

async function lock(trx: Db, id: string, version?: number): Promise<Organization> {
  const parsed = parseId('org', id);
  const organization = parsed && (await store.lockOrganization(trx, parsed));
  if (organization === undefined) throw failure('organization_not_found');
  if (version !== undefined && version !== organization.version) {
    throw failure('version_conflict', { version: organization.version });
  }
  return organization;
}
