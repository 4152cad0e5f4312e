// /api/v1/audit-events: reading the ledger, and the intake for decisions that other services made.
import { z } from 'zod';
import { pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import { refusalKinds } from '../vocabulary/events.ts';
import type { Audit } from './audit.ts';
import { AuditEventView, RefusalCountView } from './schema.ts';

const time = z.iso.datetime({ offset: true }).pipe(z.coerce.date());
const period = {
  from: time.optional().describe('From this time on.'),
  to: time.optional().describe('Before this time.'),
};

const EventQuery = z.object({
  type: z.string().max(100).optional().describe('An event name, or a prefix of names: `sign-in.*`.'),
  accountId: z.string().max(64).optional(),
  clientId: z.string().max(128).optional(),
  actorId: z.string().max(256).optional(),
  targetKind: z.string().max(64).optional(),
  targetId: z.string().max(256).optional(),
  outcome: z.enum(['success', 'failure', 'denied']).optional(),
  requestId: z.string().max(128).optional(),
  ...period,
  ...pageQuery,
});

const RefusalQuery = z.object({
  // `as`: Object.keys forgets that they are the keys of this table.
  kind: z.enum(Object.keys(refusalKinds) as (keyof typeof refusalKinds)[]).optional(),
  ...period,
  ...pageQuery,
});

/** What a service reports: who wanted to do what to which of its things, and whether it let them. */
const ReportedAccess = z.object({
  action: z.string().min(1).max(128),
  resource: z.object({ kind: z.string().min(1).max(64), id: z.string().min(1).max(256) }),
  accountId: z.string().max(64).optional(),
  outcome: z.enum(['success', 'failure', 'denied']),
  reason: z.string().max(512).optional(),
  details: z.record(z.string().max(64), z.unknown()).optional(),
});

export function auditRoutes({ audit }: { audit: Audit }): Route[] {
  return [
    route({
      operation: 'listAuditEvents',
      method: 'GET',
      path: '/audit-events',
      permission: 'audit-events:read',
      limit: 'admin-read',
      summary: 'The ledger, the newest first.',
      query: EventQuery,
      reply: { 200: pageReply(AuditEventView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return audit.list(filter, page);
      },
    }),
    route({
      operation: 'listAuditRefusals',
      method: 'GET',
      path: '/audit-refusals',
      permission: 'audit-events:read',
      limit: 'admin-read',
      summary: 'How often callers that proved nothing were refused, by network and minute.',
      query: RefusalQuery,
      reply: { 200: pageReply(RefusalCountView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return audit.listRefusals(filter, page);
      },
    }),
    route({
      operation: 'reportAccess',
      method: 'POST',
      path: '/audit-events',
      permission: 'audit-events:create',
      limit: 'admin-write',
      summary: 'Report an access decision of another service.',
      body: ReportedAccess,
      reply: { 201: z.object({ accepted: z.literal(true) }) },
      run: async ({ body, caller }) => {
        await audit.append({
          type: 'access.decided',
          actor: { kind: caller.kind, id: caller.id },
          outcome: body.outcome,
          accountId: body.accountId ?? null,
          clientId: caller.clientId,
          target: body.resource,
          reason: body.reason ?? null,
          details: { ...body.details, action: body.action },
        });
        return { accepted: true as const };
      },
    }),
  ];
}
