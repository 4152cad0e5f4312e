// /api/v1/audit-events: reading the ledger, and the intake for decisions that other services made.
import { z } from 'zod';
import { type Route, route } from '../platform/api/route.ts';
import type { Audit } from './audit.ts';
import { AuditEventView } from './schema.ts';

const ListQuery = z.object({
  type: z.string().max(100).optional(),
  accountId: z.string().max(64).optional(),
  clientId: z.string().max(128).optional(),
  actorId: z.string().max(256).optional(),
  targetKind: z.string().max(64).optional(),
  targetId: z.string().max(256).optional(),
  outcome: z.enum(['success', 'failure', 'denied']).optional(),
  from: z.iso.datetime({ offset: true }).pipe(z.coerce.date()).optional(),
  to: z.iso.datetime({ offset: true }).pipe(z.coerce.date()).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().min(1).max(2048).optional(),
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

export function auditRoutes(deps: { audit: Audit }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/audit-events',
      permission: 'audit-events:read',
      limit: 'admin-read',
      summary: 'The ledger, the newest first.',
      query: ListQuery,
      reply: { 200: z.object({ items: z.array(AuditEventView), nextCursor: z.string().nullable() }) },
      run: ({ query: { limit, cursor, ...filter } }) =>
        deps.audit.list(filter, { limit, cursor: cursor ?? null }),
    }),
    route({
      method: 'POST',
      path: '/audit-events',
      permission: 'audit-events:create',
      limit: 'admin-write',
      summary: 'Report an access decision of another service.',
      body: ReportedAccess,
      reply: { 201: z.object({ accepted: z.literal(true) }) },
      run: async ({ body, caller }) => {
        await deps.audit.append({
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
