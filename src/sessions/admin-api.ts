// /api/v1/sessions: who is signed in, and the end of it.
import { z } from 'zod';
import { definedFields } from '../lib/fields.ts';
import { instant } from '../lib/instant.ts';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import type { Sessions } from './sessions.ts';

const ListQuery = z.object({ accountId: z.string().max(64).optional(), ...pageQuery });

const SessionView = z
  .object({
    id: z.string(),
    accountId: z.string(),
    address: z.string().nullable(),
    userAgent: z.string().nullable(),
    createdAt: instant,
    seenAt: instant,
    expiresAt: instant,
  })
  .meta({ id: 'Session' });

export function sessionRoutes({ sessions }: { sessions: Sessions }): Route[] {
  return [
    route({
      operation: 'listSessions',
      method: 'GET',
      path: '/sessions',
      permission: 'sessions:read',
      limit: 'admin-read',
      summary: 'Signed-in browsers with address, device and last activity.',
      query: ListQuery,
      reply: { 200: pageReply(SessionView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return sessions.list(definedFields(filter), page);
      },
    }),
    route({
      operation: 'endSession',
      method: 'DELETE',
      path: '/sessions/:id',
      permission: 'sessions:delete',
      limit: 'admin-write',
      summary: 'Sign a browser out; apps that asked for it are told.',
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['session_not_found'],
      run: ({ params, caller }) => sessions.end(params.id, caller),
    }),
  ];
}
