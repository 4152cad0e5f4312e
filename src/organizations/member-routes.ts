// /api/v1/organizations/…/members: who is a member of an organization.
import { z } from 'zod';
import { pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Organizations } from './organizations.ts';
import { MemberParams, MemberView, OrganizationParams } from './schema.ts';

export function memberRoutes(organizations: Organizations): Route[] {
  async function mustBe(organizationId: string): Promise<void> {
    if ((await organizations.find(organizationId)) === undefined) throw failure('organization_not_found');
  }

  return [
    route({
      operation: 'listMembers',
      method: 'GET',
      path: '/organizations/:organizationId/members',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'Members of an organization.',
      tenancy: 'organization',
      params: OrganizationParams,
      query: z.object(pageQuery),
      reply: { 200: pageReply(MemberView) },
      errors: ['organization_not_found'],
      async run({ params, query }) {
        await mustBe(params.organizationId);
        return organizations.listMembers(params.organizationId, pageOfQuery(query).page);
      },
    }),
    route({
      operation: 'getMember',
      method: 'GET',
      path: '/organizations/:organizationId/members/:accountId',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'One member of an organization.',
      tenancy: 'organization',
      params: MemberParams,
      reply: { 200: MemberView },
      errors: ['organization_not_found', 'member_not_found'],
      async run({ params }) {
        await mustBe(params.organizationId);
        const member = await organizations.findMember(params.organizationId, params.accountId);
        if (member === undefined) throw failure('member_not_found');
        return member;
      },
    }),
    route({
      operation: 'addMember',
      method: 'PUT',
      path: '/organizations/:organizationId/members/:accountId',
      permission: 'organizations:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Make an account a member; from within the organization, nobody new.',
      tenancy: 'organization',
      params: MemberParams,
      reply: { 200: MemberView },
      errors: ['organization_not_found', 'account_not_found', 'organization_bound'],
      async run({ params, caller }) {
        const { organizationId, accountId } = params;
        if (caller.organizationId === null) {
          return organizations.addMember(organizationId, accountId, caller);
        }
        // Or whoever runs one organization could try out ids of accounts, and read who is behind them.
        const member = await organizations.findMember(organizationId, accountId);
        if (member === undefined) throw failure('organization_bound');
        return member;
      },
    }),
    route({
      operation: 'removeMember',
      method: 'DELETE',
      path: '/organizations/:organizationId/members/:accountId',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'End a membership, with the places in teams and the roles there.',
      tenancy: 'organization',
      params: MemberParams,
      reply: { 204: z.void() },
      errors: ['organization_not_found'],
      async run({ params, caller }) {
        await organizations.removeMember(params.organizationId, params.accountId, caller);
      },
    }),
  ];
}
