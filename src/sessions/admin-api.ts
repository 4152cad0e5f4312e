// /api/v1/sessions, grants and logout-deliveries: who is signed in, what they allowed to whom, and the end of it.
import { z } from 'zod';
import { definedFields } from '../lib/fields.ts';
import { instant } from '../lib/instant.ts';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import { deliveryStates } from './schema.ts';
import type { Sessions } from './sessions.ts';

const accountId = z.string().min(1).max(64);
const clientId = z.string().min(1).max(128);
const StateQuery = z.object({ accountId: accountId.optional(), clientId: clientId.optional(), ...pageQuery });
const DeliveryQuery = z.object({
  state: z.enum(deliveryStates).optional(),
  clientId: clientId.optional(),
  ...pageQuery,
});

const SessionView = z
  .object({
    id: z.string(),
    accountId: z.string(),
    address: z.string().nullable(),
    userAgent: z.string().nullable(),
    createdAt: instant,
    seenAt: instant,
    expiresAt: instant,
    clientIds: z.array(z.string()).describe('The clients that take part in it.'),
  })
  .meta({ id: 'Session' });

const GrantView = z
  .object({
    id: z.string(),
    accountId: z.string(),
    clientId: z.string(),
    scopes: z.array(z.string()),
    resourceScopes: z
      .record(z.string(), z.array(z.string()))
      .describe('Audience of an API → the permissions allowed there.'),
    organizationId: z.string().nullable().describe('In which organization; null where there is none.'),
    createdAt: instant,
    expiresAt: instant,
  })
  .meta({ id: 'Grant' });

const DeliveryView = z
  .object({
    id: z.string(),
    clientId: z.string(),
    accountId: z.string(),
    sid: z.string().nullable().describe('The session as the client knows it.'),
    state: z.enum(deliveryStates),
    attempts: z.int(),
    lastError: z.string().nullable(),
    createdAt: instant,
    nextAttemptAt: instant.nullable().describe('Null when it is over.'),
    finishedAt: instant.nullable(),
  })
  .meta({ id: 'LogoutDelivery' });

// Said aloud, and not by an empty object: a field that was forgotten must not sign everybody out.
const Scope = z.union([
  z.strictObject({ accountId, clientId: clientId.optional() }),
  z.strictObject({ clientId }),
  z.strictObject({ everyone: z.literal(true) }),
]);

const EndedView = z.object({ sessions: z.int(), grants: z.int(), tokens: z.int() }).meta({ id: 'Ended' });

export function sessionRoutes(deps: { sessions: Sessions }): Route[] {
  return [...browserRoutes(deps), ...grantRoutes(deps), ...deliveryRoutes(deps)];
}

function browserRoutes({ sessions }: { sessions: Sessions }): Route[] {
  return [
    route({
      operation: 'listSessions',
      method: 'GET',
      path: '/sessions',
      permission: 'sessions:read',
      limit: 'admin-read',
      summary: 'Signed-in browsers with address, device and last activity.',
      query: StateQuery,
      reply: { 200: pageReply(SessionView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return sessions.list(definedFields(filter), page);
      },
    }),
    route({
      operation: 'getSession',
      method: 'GET',
      path: '/sessions/:id',
      permission: 'sessions:read',
      limit: 'admin-read',
      summary: 'One signed-in browser.',
      params: IdParams,
      reply: { 200: SessionView },
      errors: ['session_not_found'],
      run: ({ params }) => sessions.find(params.id),
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
    route({
      operation: 'endSessions',
      method: 'POST',
      path: '/sessions/end',
      permission: 'sessions:delete',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary:
        'End the sessions, grants and tokens of an account, of a client, of both together, or of everyone.',
      body: Scope,
      reply: { 200: EndedView },
      run: ({ body, caller }) =>
        sessions.endAll('everyone' in body ? 'everyone' : definedFields(body), caller),
    }),
  ];
}

function grantRoutes({ sessions }: { sessions: Sessions }): Route[] {
  return [
    route({
      operation: 'listGrants',
      method: 'GET',
      path: '/grants',
      permission: 'sessions:read',
      limit: 'admin-read',
      summary: 'What people allowed to which client.',
      query: StateQuery,
      reply: { 200: pageReply(GrantView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return sessions.listGrants(definedFields(filter), page);
      },
    }),
    route({
      operation: 'revokeGrant',
      method: 'DELETE',
      path: '/grants/:id',
      permission: 'sessions:delete',
      limit: 'admin-write',
      summary: 'Revoke a grant, with every token issued from it.',
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['grant_not_found'],
      run: ({ params, caller }) => sessions.revokeGrant(params.id, caller),
    }),
  ];
}

function deliveryRoutes({ sessions }: { sessions: Sessions }): Route[] {
  return [
    route({
      operation: 'listLogoutDeliveries',
      method: 'GET',
      path: '/logout-deliveries',
      permission: 'sessions:read',
      limit: 'admin-read',
      summary: 'Which clients are to be told about ended sessions, and how that went; the newest first.',
      query: DeliveryQuery,
      reply: { 200: pageReply(DeliveryView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return sessions.listDeliveries(definedFields(filter), page);
      },
    }),
    route({
      operation: 'retryLogoutDelivery',
      method: 'POST',
      path: '/logout-deliveries/:id/retry',
      permission: 'sessions:execute',
      limit: 'admin-write',
      summary: 'Try a delivery again, at once and for another day.',
      params: IdParams,
      reply: { 202: z.void() },
      errors: ['logout_delivery_not_found'],
      run: ({ params, caller }) => sessions.retryDelivery(params.id, caller),
    }),
  ];
}
