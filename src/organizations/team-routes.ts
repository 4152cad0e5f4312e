// /api/v1/organizations/…/teams: the teams of an organization, and who is in them.
import { z } from 'zod';
import { pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import { handingOutOf } from '../vocabulary/handing-out.ts';
import type { Organizations, Team } from './organizations.ts';
import {
  MemberView,
  NewTeam,
  OrganizationParams,
  TeamChange,
  TeamMemberParams,
  TeamParams,
  TeamView,
} from './schema.ts';

const gone = ['organization_not_found', 'team_not_found'] as const;

export function teamRoutes(organizations: Organizations): Route[] {
  return [...registryRoutes(organizations), ...memberRoutes(organizations)];
}

async function found(
  organizations: Organizations,
  { organizationId, teamId }: z.output<typeof TeamParams>,
): Promise<Team> {
  const team = await organizations.findTeam(organizationId, teamId);
  if (team !== undefined) return team;
  const organization = await organizations.find(organizationId);
  throw failure(organization === undefined ? 'organization_not_found' : 'team_not_found');
}

function registryRoutes(organizations: Organizations): Route[] {
  return [
    route({
      operation: 'listTeams',
      method: 'GET',
      path: '/organizations/:organizationId/teams',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'Teams of an organization, in the order of their making.',
      tenancy: 'organization',
      params: OrganizationParams,
      query: z.object(pageQuery),
      reply: { 200: pageReply(TeamView) },
      errors: ['organization_not_found'],
      async run({ params: { organizationId }, query }) {
        if (!(await organizations.find(organizationId))) throw failure('organization_not_found');
        return organizations.listTeams(organizationId, pageOfQuery(query).page);
      },
    }),
    route({
      operation: 'createTeam',
      method: 'POST',
      path: '/organizations/:organizationId/teams',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'A new team, with nobody in it.',
      versioned: true,
      tenancy: 'organization',
      params: OrganizationParams,
      body: NewTeam,
      reply: { 201: TeamView },
      errors: ['organization_not_found', 'team_name_taken'],
      async run({ params, body, caller }) {
        const team = await organizations.createTeam(params.organizationId, body, caller);
        return answer(201, team, { Location: `teams/${team.id}` });
      },
    }),
    route({
      operation: 'getTeam',
      method: 'GET',
      path: '/organizations/:organizationId/teams/:teamId',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'One team.',
      versioned: true,
      tenancy: 'organization',
      params: TeamParams,
      reply: { 200: TeamView },
      errors: gone,
      run: ({ params }) => found(organizations, params),
    }),
    route({
      operation: 'changeTeam',
      method: 'PATCH',
      path: '/organizations/:organizationId/teams/:teamId',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'Rename a team.',
      versioned: true,
      tenancy: 'organization',
      params: TeamParams,
      body: TeamChange.omit({ version: true }),
      reply: { 200: TeamView },
      errors: [...gone, 'team_name_taken'],
      async run({ params, body, caller, version }) {
        const { organizationId, id } = await found(organizations, params);
        return organizations.changeTeam(organizationId, id, { ...body, version }, caller);
      },
    }),
    route({
      operation: 'deleteTeam',
      method: 'DELETE',
      path: '/organizations/:organizationId/teams/:teamId',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'Delete a team; whoever was in it loses its roles.',
      versioned: true,
      tenancy: 'organization',
      params: TeamParams,
      reply: { 204: z.void() },
      errors: gone,
      async run({ params, caller, version }) {
        const { organizationId, id } = await found(organizations, params);
        await organizations.removeTeam(organizationId, id, caller, version);
      },
    }),
  ];
}

function memberRoutes(organizations: Organizations): Route[] {
  return [
    route({
      operation: 'listTeamMembers',
      method: 'GET',
      path: '/organizations/:organizationId/teams/:teamId/members',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'Who is in a team.',
      tenancy: 'organization',
      params: TeamParams,
      query: z.object(pageQuery),
      reply: { 200: pageReply(MemberView) },
      errors: gone,
      async run({ params, query }) {
        const { organizationId, id } = await found(organizations, params);
        return organizations.listTeamMembers(organizationId, id, pageOfQuery(query).page);
      },
    }),
    route({
      operation: 'addTeamMember',
      method: 'PUT',
      path: '/organizations/:organizationId/teams/:teamId/members/:accountId',
      permission: 'organizations:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Put a member of the organization into a team that may do no more than the caller.',
      tenancy: 'organization',
      params: TeamMemberParams,
      reply: { 200: MemberView },
      errors: [...gone, 'member_not_found'],
      async run({ params, caller }) {
        const { organizationId, id } = await found(organizations, params);
        return organizations.addTeamMember(
          organizationId,
          id,
          params.accountId,
          caller,
          handingOutOf(caller),
        );
      },
    }),
    route({
      operation: 'removeTeamMember',
      method: 'DELETE',
      path: '/organizations/:organizationId/teams/:teamId/members/:accountId',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'Take somebody out of a team.',
      tenancy: 'organization',
      params: TeamMemberParams,
      reply: { 204: z.void() },
      errors: gone,
      async run({ params, caller }) {
        const { organizationId, id } = await found(organizations, params);
        await organizations.removeTeamMember(organizationId, id, params.accountId, caller);
      },
    }),
  ];
}
