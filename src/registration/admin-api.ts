// /api/v1/registration-codes, and /api/v1/organizations/…/invitations: who may come, let in by somebody who is there.
import { z } from 'zod';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Route, route } from '../platform/api/route.ts';
import { handingOutOf } from '../vocabulary/handing-out.ts';
import type { Registration } from './registration.ts';
import {
  InvitationView,
  IssuedRegistrationCodeView,
  NewInvitation,
  NewRegistrationCode,
  RegistrationCodeView,
} from './schema.ts';

const OrganizationParams = z.object({ organizationId: z.string() });
const InvitationParams = z.object({ organizationId: z.string(), invitationId: z.string() });
const Resending = z.strictObject({ locale: z.string().max(35).optional() }).optional();

export function registrationRoutes({ registration }: { registration: Registration }): Route[] {
  return [...codeRoutes(registration), ...invitationRoutes(registration)];
}

function codeRoutes({ codes }: Registration): Route[] {
  return [
    route({
      operation: 'listRegistrationCodes',
      method: 'GET',
      path: '/registration-codes',
      permission: 'registration-codes:read',
      limit: 'admin-read',
      summary: 'Registration codes, the newest first, without the codes themselves.',
      query: z.object(pageQuery),
      reply: { 200: pageReply(RegistrationCodeView) },
      run: ({ query }) => codes.list(pageOfQuery(query).page),
    }),
    route({
      operation: 'createRegistrationCode',
      method: 'POST',
      path: '/registration-codes',
      permission: 'registration-codes:create',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'A new registration code, shown once.',
      body: NewRegistrationCode,
      reply: { 201: IssuedRegistrationCodeView },
      async run({ body, caller }) {
        const { registrationCode, code } = await codes.create(body, caller);
        return answer(201, { ...registrationCode, code });
      },
    }),
    route({
      operation: 'revokeRegistrationCode',
      method: 'POST',
      path: '/registration-codes/:id/revoke',
      permission: 'registration-codes:delete',
      limit: 'admin-write',
      summary: 'Nobody can register by it any more; the accounts that were made stay.',
      params: IdParams,
      reply: { 200: RegistrationCodeView },
      errors: ['registration_code_not_found'],
      run: ({ params, caller }) => codes.revoke(params.id, caller),
    }),
  ];
}

function invitationRoutes({ invitations }: Registration): Route[] {
  return [
    route({
      operation: 'listInvitations',
      method: 'GET',
      path: '/organizations/:organizationId/invitations',
      permission: 'organizations:read',
      limit: 'admin-read',
      summary: 'Invitations to an organization, the newest first.',
      tenancy: 'organization',
      params: OrganizationParams,
      query: z.object(pageQuery),
      reply: { 200: pageReply(InvitationView) },
      errors: ['organization_not_found'],
      run: ({ params, query }) => invitations.list(params.organizationId, pageOfQuery(query).page),
    }),
    route({
      operation: 'createInvitation',
      method: 'POST',
      path: '/organizations/:organizationId/invitations',
      permission: 'organizations:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary:
        'Invite an address by mail, into the organization or one of its teams. An earlier invitation of it there ends.',
      tenancy: 'organization',
      params: OrganizationParams,
      body: NewInvitation,
      reply: { 201: InvitationView },
      errors: ['organization_not_found', 'team_not_found', 'identifier_invalid', 'invitations_limited'],
      async run({ params, body, caller }) {
        return answer(
          201,
          await invitations.create(params.organizationId, body, caller, handingOutOf(caller)),
        );
      },
    }),
    route({
      operation: 'revokeInvitation',
      method: 'POST',
      path: '/organizations/:organizationId/invitations/:invitationId/revoke',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'Take an invitation back.',
      tenancy: 'organization',
      params: InvitationParams,
      reply: { 200: InvitationView },
      errors: ['invitation_not_found', 'invitation_ended'],
      run: ({ params, caller }) => invitations.revoke(params.organizationId, params.invitationId, caller),
    }),
    route({
      operation: 'resendInvitation',
      method: 'POST',
      path: '/organizations/:organizationId/invitations/:invitationId/resend',
      permission: 'organizations:update',
      limit: 'admin-write',
      summary: 'Send an invitation once more, with a new link and a new week.',
      tenancy: 'organization',
      params: InvitationParams,
      body: Resending,
      reply: { 200: InvitationView },
      errors: ['invitation_not_found', 'invitation_ended', 'invitations_limited'],
      run: ({ params, body, caller }) =>
        invitations.resend(params.organizationId, params.invitationId, caller, body?.locale),
    }),
  ];
}
