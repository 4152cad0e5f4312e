// /api/v1/roles and /api/v1/subjects: roles, to whom they are assigned, what somebody holds, and why something is allowed.
import { z } from 'zod';
import { pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Access, Facts, Role, Subject, SubjectKind } from './access.ts';
import { actingOf } from './holding.ts';
import {
  AssignmentView,
  DecisionView,
  EffectiveView,
  NewRole,
  RoleChange,
  RoleView,
  resourceNamed,
  subjectKinds,
} from './schema.ts';

const organizationId = z.string().min(1).max(64);
const RoleParams = z.object({ roleId: z.string() });
const SubjectParams = z.object({ subjectKind: z.string(), subjectId: z.string() });
const AssignmentParams = RoleParams.extend(SubjectParams.shape);
const Place = z.object({
  organizationId: organizationId.optional().describe('In this organization; otherwise everywhere.'),
});
const RoleQuery = z.object({
  organizationId: organizationId.optional().describe('Its roles beside those that are known everywhere.'),
  name: z.string().min(1).max(64).optional(),
  ...pageQuery,
});
const AssignmentQuery = z.object({ organizationId: organizationId.optional(), ...pageQuery });
const Removal = z.object({
  withAssignments: z
    .enum(['true', 'false'])
    .default('false')
    .describe('Whether its assignments end with it; otherwise a role that is assigned is not removed.'),
});
const Asked = SubjectParams.extend({
  action: z.string(),
  resource: z.string().describe('A type, or type:id: `files`, `files:7`.'),
});

// What is wrong with a permission is said under a code of its own, here as everywhere.
const asWritten = z.array(z.string().max(1000)).max(500);

const deniedToAdd = ['permission_invalid', 'role_invalid', 'role_name_taken'] as const;

export function accessRoutes(deps: { access: Access }): Route[] {
  return [...roleRoutes(deps), ...assignmentRoutes(deps), ...subjectRoutes(deps)];
}

async function found(access: Access, id: string, caller: Caller): Promise<Role> {
  const role = await access.findRole(id, actingOf(caller));
  if (role === undefined) throw failure('role_not_found');
  return role;
}

function subjectOf({ subjectKind, subjectId }: z.output<typeof SubjectParams>) {
  const kind: SubjectKind | undefined = subjectKinds.find((known) => known === subjectKind);
  if (kind === undefined) throw failure('subject_not_found');
  return { kind, id: subjectId };
}

/** A team does nothing by itself; its members do. */
function actingSubject(params: z.output<typeof SubjectParams>): Subject {
  const { kind, id } = subjectOf(params);
  if (kind === 'team') throw failure('subject_not_found');
  return { kind, id };
}

function roleRoutes({ access }: { access: Access }): Route[] {
  return [
    route({
      operation: 'listRoles',
      method: 'GET',
      path: '/roles',
      permission: 'roles:read',
      tenancy: 'organization',
      limit: 'admin-read',
      summary: 'Roles that are known everywhere, and those of an organization, in the order of creation.',
      query: RoleQuery,
      reply: { 200: pageReply(RoleView) },
      run({ query, caller }) {
        const { filter, page } = pageOfQuery(query);
        return access.listRoles(filter, page, actingOf(caller));
      },
    }),
    route({
      operation: 'createRole',
      method: 'POST',
      path: '/roles',
      permission: 'roles:create',
      tenancy: 'organization',
      limit: 'admin-write',
      summary: 'Make a role of permissions that one holds.',
      versioned: true,
      body: NewRole.extend({ permissions: asWritten.default([]) }),
      reply: { 201: RoleView },
      errors: [...deniedToAdd, 'role_not_found', 'organization_not_found'],
      async run({ body, caller }) {
        const role = await access.createRole(body, actingOf(caller));
        return answer(201, role, { Location: `roles/${role.id}` });
      },
    }),
    route({
      operation: 'getRole',
      method: 'GET',
      path: '/roles/:roleId',
      permission: 'roles:read',
      tenancy: 'organization',
      limit: 'admin-read',
      summary: 'One role.',
      versioned: true,
      params: RoleParams,
      reply: { 200: RoleView },
      errors: ['role_not_found'],
      run: ({ params, caller }) => found(access, params.roleId, caller),
    }),
    route({
      operation: 'changeRole',
      method: 'PATCH',
      path: '/roles/:roleId',
      permission: 'roles:update',
      tenancy: 'organization',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary:
        'Change the fields that are named; permissions and parents that are given replace all of them.',
      versioned: true,
      params: RoleParams,
      body: RoleChange.omit({ version: true }).extend({ permissions: asWritten.optional() }),
      reply: { 200: RoleView },
      errors: [...deniedToAdd, 'role_not_found', 'role_cycle', 'role_protected'],
      run: ({ params, body, caller, version }) =>
        access.changeRole(params.roleId, { ...body, version }, actingOf(caller)),
    }),
    route({
      operation: 'deleteRole',
      method: 'DELETE',
      path: '/roles/:roleId',
      permission: 'roles:delete',
      tenancy: 'organization',
      limit: 'admin-write',
      summary: 'Remove a role.',
      versioned: true,
      params: RoleParams,
      query: Removal,
      reply: { 204: z.void() },
      errors: ['role_not_found', 'role_assigned', 'role_inherited', 'role_protected'],
      async run({ params, query, caller, version }) {
        const withAssignments = query.withAssignments === 'true';
        await access.removeRole(params.roleId, actingOf(caller), { version, withAssignments });
      },
    }),
  ];
}

function assignmentRoutes({ access }: { access: Access }): Route[] {
  const wantedOf = (params: z.output<typeof AssignmentParams>, query: z.output<typeof Place>) => ({
    roleId: params.roleId,
    subject: subjectOf(params),
    organizationId: query.organizationId ?? null,
  });
  return [
    route({
      operation: 'listRoleAssignments',
      method: 'GET',
      path: '/roles/:roleId/assignments',
      permission: 'roles:read',
      tenancy: 'organization',
      limit: 'admin-read',
      summary: 'To whom a role is assigned. Administrators are those who have the role admin everywhere.',
      params: RoleParams,
      query: AssignmentQuery,
      reply: { 200: pageReply(AssignmentView) },
      errors: ['role_not_found', 'organization_not_found'],
      async run({ params, query, caller }) {
        const { filter, page } = pageOfQuery(query);
        const { id: roleId } = await found(access, params.roleId, caller);
        return access.listAssignments({ ...filter, roleId }, page, actingOf(caller));
      },
    }),
    route({
      operation: 'assignRole',
      method: 'PUT',
      path: '/roles/:roleId/assignments/:subjectKind/:subjectId',
      permission: 'roles:assign',
      tenancy: 'organization',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary:
        'Assign a role to an account, a team, a client or an API key (`api-key`). Once more is no change. The role of an organization, and what a team has, hold inside that organization.',
      params: AssignmentParams,
      query: Place,
      reply: { 200: AssignmentView },
      errors: ['role_not_found', 'subject_not_found', 'organization_not_found', 'member_not_found'],
      run: ({ params, query, caller }) => access.assign(wantedOf(params, query), actingOf(caller)),
    }),
    route({
      operation: 'unassignRole',
      method: 'DELETE',
      path: '/roles/:roleId/assignments/:subjectKind/:subjectId',
      permission: 'roles:assign',
      tenancy: 'organization',
      limit: 'admin-write',
      summary: 'Take a role away. Once more is no change.',
      params: AssignmentParams,
      query: Place,
      reply: { 204: z.void() },
      errors: [
        'role_not_found',
        'subject_not_found',
        'organization_not_found',
        'member_not_found',
        'last_admin',
      ],
      run: ({ params, query, caller }) => access.unassign(wantedOf(params, query), actingOf(caller)),
    }),
  ];
}

function subjectRoutes({ access }: { access: Access }): Route[] {
  /** What a subject holds in an organization, or everywhere. */
  async function effective(
    params: z.output<typeof SubjectParams>,
    query: z.output<typeof Place>,
    caller: Caller,
  ): Promise<Facts> {
    const subject = actingSubject(params);
    const place = await access.placeToAsk(subject, query.organizationId, actingOf(caller));
    const facts = await access.effectiveOf(subject, place);
    if (facts === undefined) throw failure('subject_not_found');
    return facts;
  }
  return [
    route({
      operation: 'listSubjectRoles',
      method: 'GET',
      path: '/subjects/:subjectKind/:subjectId/roles',
      permission: 'roles:read',
      tenancy: 'organization',
      limit: 'admin-read',
      summary: 'What is assigned to an account, a team, a client or an API key.',
      params: SubjectParams,
      query: AssignmentQuery,
      reply: { 200: pageReply(AssignmentView) },
      errors: ['subject_not_found', 'organization_not_found'],
      async run({ params, query, caller }) {
        const { filter, page } = pageOfQuery(query);
        return access.listAssignments({ ...filter, subject: subjectOf(params) }, page, actingOf(caller));
      },
    }),
    route({
      operation: 'getEffectivePermissions',
      method: 'GET',
      path: '/subjects/:subjectKind/:subjectId/permissions',
      permission: 'roles:read',
      tenancy: 'organization',
      limit: 'admin-read',
      summary: 'What an account, a client or an API key may do, by which roles.',
      params: SubjectParams,
      query: Place,
      reply: { 200: EffectiveView },
      errors: ['subject_not_found', 'organization_not_found'],
      async run({ params, query, caller }) {
        const { permissions, roles, sources } = await effective(params, query, caller);
        return { permissions: [...permissions.texts], roles: [...roles], sources: [...sources] };
      },
    }),
    route({
      operation: 'explainAccess',
      method: 'GET',
      path: '/subjects/:subjectKind/:subjectId/decisions/:action/:resource',
      permission: 'roles:read',
      tenancy: 'organization',
      limit: 'admin-read',
      summary: 'Whether an account, a client or an API key may do something, and why.',
      params: Asked,
      query: Place,
      reply: { 200: DecisionView },
      errors: ['subject_not_found', 'organization_not_found'],
      async run({ params, query, caller }) {
        const subject = actingSubject(params);
        const organizationId = await access.placeToAsk(subject, query.organizationId, actingOf(caller));
        const { action } = params;
        const resource = resourceNamed(params.resource);
        const decision = await access.decide({ subject, organizationId, action, resource });
        if (decision.reasons.some(({ code }) => code === 'subject_unknown'))
          throw failure('subject_not_found');
        return { ...decision, reasons: [...decision.reasons] };
      },
    }),
  ];
}
