// /api/v1/organizations: organizations, for operators; each of them, for those who act within it.
import { z } from 'zod';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import { memberRoutes } from './member-routes.ts';
import type { Organizations } from './organizations.ts';
import {
  AccountOrganizationView,
  NewOrganization,
  OrganizationChange,
  OrganizationParams,
  OrganizationView,
} from './schema.ts';
import { teamRoutes } from './team-routes.ts';

const ListQuery = z.object({
  status: z.enum(['active', 'suspended']).optional(),
  slug: z.string().min(1).max(63).optional().describe('Only the organization with this slug.'),
  ...pageQuery,
});

const Suspension = z.strictObject({ reason: z.string().trim().min(1).max(512).optional() }).optional();

/** What an organization is to others, and what its keys may have at most, is not decided from within it. */
const FROM_OUTSIDE = ['slug', 'permissions'] as const;

function refuseFromWithin({ organizationId }: Caller): void {
  if (organizationId !== null) throw failure('organization_bound');
}

export function organizationRoutes({ organizations }: { organizations: Organizations }): Route[] {
  return [
    ...registryRoutes(organizations),
    ...stateRoutes(organizations),
    ...accountRoutes(organizations),
    ...memberRoutes(organizations),
    ...teamRoutes(organizations),
  ];
}

function registryRoutes(organizations: Organizations): Route[] {
  return [
    route({
      operation: 'listOrganizations',
      method: 'GET',
      path: '/organizations',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'Organizations, the newest first; who is bound to one sees that one.',
      tenancy: 'organization',
      query: ListQuery,
      reply: { 200: pageReply(OrganizationView) },
      run({ query, caller }) {
        const { filter, page } = pageOfQuery(query);
        return organizations.list({ ...filter, id: caller.organizationId ?? undefined }, page);
      },
    }),
    route({
      operation: 'createOrganization',
      method: 'POST',
      path: '/organizations',
      permission: 'organizations:create',
      limit: 'admin-write',
      summary: 'A new organization, without members.',
      versioned: true,
      body: NewOrganization,
      reply: { 201: OrganizationView },
      errors: ['organization_slug_taken', 'permission_invalid'],
      async run({ body, caller }) {
        const organization = await organizations.create(body, caller);
        return answer(201, organization, { Location: `organizations/${organization.id}` });
      },
    }),
    route({
      operation: 'getOrganization',
      method: 'GET',
      path: '/organizations/:organizationId',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'One organization.',
      versioned: true,
      tenancy: 'organization',
      params: OrganizationParams,
      reply: { 200: OrganizationView },
      errors: ['organization_not_found'],
      async run({ params }) {
        const organization = await organizations.find(params.organizationId);
        if (organization === undefined) throw failure('organization_not_found');
        return organization;
      },
    }),
    route({
      operation: 'changeOrganization',
      method: 'PATCH',
      path: '/organizations/:organizationId',
      permission: 'organizations:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Change the fields that are named; from within it, not its slug and not its permissions.',
      versioned: true,
      tenancy: 'organization',
      params: OrganizationParams,
      body: OrganizationChange.omit({ version: true }),
      reply: { 200: OrganizationView },
      errors: [
        'organization_not_found',
        'organization_slug_taken',
        'permission_invalid',
        'organization_bound',
      ],
      run({ params, body, caller, version }) {
        if (FROM_OUTSIDE.some((field) => body[field] !== undefined)) refuseFromWithin(caller);
        return organizations.change(params.organizationId, { ...body, version }, caller);
      },
    }),
    route({
      operation: 'deleteOrganization',
      method: 'DELETE',
      path: '/organizations/:organizationId',
      permission: 'organizations:delete',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Delete an organization with its memberships, teams, roles, assignments and keys.',
      versioned: true,
      params: OrganizationParams,
      reply: { 204: z.void() },
      errors: ['organization_not_found'],
      run: ({ params, caller, version }) => organizations.remove(params.organizationId, caller, version),
    }),
  ];
}

function stateRoutes(organizations: Organizations): Route[] {
  return [
    route({
      operation: 'suspendOrganization',
      method: 'POST',
      path: '/organizations/:organizationId/suspend',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'Stop its keys, and the tokens that are bound to it, at once.',
      versioned: true,
      params: OrganizationParams,
      body: Suspension,
      reply: { 200: OrganizationView },
      errors: ['organization_not_found'],
      run: ({ params, body, caller }) =>
        organizations.suspend(params.organizationId, body?.reason ?? null, caller),
    }),
    route({
      operation: 'reinstateOrganization',
      method: 'POST',
      path: '/organizations/:organizationId/reinstate',
      permission: 'organizations:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Let a suspended organization work again.',
      versioned: true,
      params: OrganizationParams,
      reply: { 200: OrganizationView },
      errors: ['organization_not_found'],
      run: ({ params, caller }) => organizations.reinstate(params.organizationId, caller),
    }),
  ];
}

function accountRoutes(organizations: Organizations): Route[] {
  return [
    route({
      operation: 'listAccountOrganizations',
      method: 'GET',
      path: '/accounts/:id/organizations',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'Where a person is a member, and of which teams.',
      params: IdParams,
      query: z.object(pageQuery),
      reply: { 200: pageReply(AccountOrganizationView) },
      errors: ['account_not_found'],
      async run({ params, query }) {
        const { page } = pageOfQuery(query);
        const found = await organizations.organizationsOf(params.id, {}, page);
        if (found === undefined) throw failure('account_not_found');
        return found;
      },
    }),
    route({
      operation: 'listOwnOrganizations',
      method: 'GET',
      path: '/me/organizations',
      permission: 'authenticated',
      openToKeys: true,
      limit: 'admin-read',
      summary: 'Where the person whose token this is is a member; a bound token shows its own organization.',
      tenancy: 'organization',
      query: z.object(pageQuery),
      reply: { 200: pageReply(AccountOrganizationView) },
      async run({ query, caller }) {
        const { page } = pageOfQuery(query);
        const { accountId, organizationId } = caller;
        const found = await organizations.organizationsOf(accountId ?? '', { organizationId }, page);
        return found ?? { items: [], nextCursor: null };
      },
    }),
  ];
}
