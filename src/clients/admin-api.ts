// /api/v1/clients: the registry of OAuth clients and their secrets.
import { z } from 'zod';
import { instant } from '../lib/instant.ts';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Client, ClientGuard, Clients } from './clients.ts';
import { refuseHandingOut } from './handing-out.ts';
import { ClientChange, ClientView, NewClient } from './schema.ts';

const ListQuery = z.object({
  kind: z.enum(['web', 'spa', 'native', 'machine']).optional(),
  status: z.enum(['active', 'disabled']).optional(),
  search: z.string().min(1).max(200).optional().describe('The id, or the beginning of the name.'),
  ...pageQuery,
});

const time = z.iso.datetime({ offset: true }).pipe(z.coerce.date());

const NewSecret = z
  .strictObject({
    expiresAt: time.nullish(),
    retireOthersAt: time.nullish().describe('When the secrets it has now end: the overlap for rotation.'),
  })
  .optional();

const shownOnce = z.string().describe('In this answer and nowhere else.');
const NewClientView = ClientView.extend({ secret: shownOnce.nullable() }).meta({ id: 'NewClient' });
const NewSecretView = z.object({ secretId: z.string(), secret: shownOnce }).meta({ id: 'NewClientSecret' });
const SecretView = z
  .object({
    id: z.string(),
    createdAt: instant,
    expiresAt: instant.nullable(),
    retiredAt: instant.nullable(),
  })
  .meta({ id: 'ClientSecret' });

export interface ClientRouteDeps {
  clients: Clients;
  /** The audience of the management API: what a client may do there is only given by those who may do it themselves. */
  audience: string;
  /** Roles live on a higher floor: throws when those of the client let it do what the caller may not. */
  access: { refuseStronger(subject: { kind: 'client'; id: string }, caller: Caller): Promise<void> };
}

export function clientRoutes(deps: ClientRouteDeps): Route[] {
  return [...registryRoutes(deps), ...secretRoutes(deps)];
}

async function found(clients: Clients, id: string): Promise<Client> {
  const client = await clients.find(id);
  if (client === undefined) throw failure('client_not_found');
  return client;
}

/** Nobody acts on a client that can do more than they can. */
const guardOf =
  ({ audience }: ClientRouteDeps, { permissions }: Caller): ClientGuard =>
  ({ apis }) =>
    refuseHandingOut(permissions, apis, audience);

function registryRoutes(deps: ClientRouteDeps): Route[] {
  const { clients, audience } = deps;
  return [
    route({
      operation: 'listClients',
      method: 'GET',
      path: '/clients',
      permission: 'clients:read',
      limit: 'admin-read',
      summary: 'Clients, in the order of ids.',
      query: ListQuery,
      reply: { 200: pageReply(ClientView) },
      run({ query }) {
        const { filter, page } = pageOfQuery(query);
        return clients.list(filter, page);
      },
    }),
    route({
      operation: 'createClient',
      method: 'POST',
      path: '/clients',
      permission: 'clients:create',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Register a client; its secret is in this answer and nowhere else.',
      versioned: true,
      body: NewClient,
      reply: { 201: NewClientView },
      errors: ['client_id_taken', 'client_id_invalid', 'client_metadata_invalid', 'redirect_uri_invalid'],
      async run({ body, caller }) {
        refuseHandingOut(caller.permissions, body.apis ?? [], audience);
        const { client, secret } = await clients.register(body, caller);
        return answer(201, { ...client, secret }, { Location: `clients/${client.id}` });
      },
    }),
    route({
      operation: 'getClient',
      method: 'GET',
      path: '/clients/:id',
      permission: 'clients:read',
      limit: 'admin-read',
      summary: 'One client.',
      versioned: true,
      params: IdParams,
      reply: { 200: ClientView },
      errors: ['client_not_found'],
      run: ({ params }) => found(clients, params.id),
    }),
    route({
      operation: 'changeClient',
      method: 'PATCH',
      path: '/clients/:id',
      permission: 'clients:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Change the fields that are named; the status `disabled` stops a client at once.',
      versioned: true,
      params: IdParams,
      body: ClientChange.omit({ version: true }),
      reply: { 200: ClientView },
      errors: ['client_not_found', 'client_protected', 'client_metadata_invalid', 'redirect_uri_invalid'],
      async run({ params, body, caller, version }) {
        refuseHandingOut(caller.permissions, body.apis ?? [], audience);
        await deps.access.refuseStronger({ kind: 'client', id: params.id }, caller);
        return clients.change(params.id, { ...body, version }, caller, guardOf(deps, caller));
      },
    }),
    route({
      operation: 'deleteClient',
      method: 'DELETE',
      path: '/clients/:id',
      permission: 'clients:delete',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Delete a client, with everything granted to it and issued from that.',
      versioned: true,
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['client_not_found', 'client_protected'],
      async run({ params, caller, version }) {
        await deps.access.refuseStronger({ kind: 'client', id: params.id }, caller);
        await clients.remove(params.id, caller, { version, guard: guardOf(deps, caller) });
      },
    }),
  ];
}

function secretRoutes(deps: ClientRouteDeps): Route[] {
  const { clients } = deps;
  return [
    route({
      operation: 'listClientSecrets',
      method: 'GET',
      path: '/clients/:id/secrets',
      permission: 'clients:read',
      limit: 'admin-read',
      summary: 'When the secrets of a client were made and when they end; the newest hundred.',
      params: IdParams,
      reply: { 200: pageReply(SecretView) },
      errors: ['client_not_found'],
      run: async ({ params }) => ({ items: await clients.listSecrets(params.id), nextCursor: null }),
    }),
    route({
      operation: 'addClientSecret',
      method: 'POST',
      path: '/clients/:id/secrets',
      permission: 'clients:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Give a client a new secret beside the ones it has; it is in this answer and nowhere else.',
      params: IdParams,
      body: NewSecret,
      reply: { 201: NewSecretView },
      errors: ['client_not_found', 'client_metadata_invalid', 'client_secret_limit'],
      async run({ params, body, caller }) {
        const { expiresAt = null, retireOthersAt = null } = body ?? {};
        await deps.access.refuseStronger({ kind: 'client', id: params.id }, caller);
        return clients.addSecret(params.id, { expiresAt, retireOthersAt }, caller, guardOf(deps, caller));
      },
    }),
    route({
      operation: 'retireClientSecret',
      method: 'DELETE',
      path: '/clients/:id/secrets/:secretId',
      permission: 'clients:update',
      limit: 'admin-write',
      summary: 'End one secret of a client at once.',
      params: z.object({ id: z.string(), secretId: z.string() }),
      reply: { 204: z.void() },
      errors: ['client_not_found', 'client_secret_not_found'],
      async run({ params, caller }) {
        await deps.access.refuseStronger({ kind: 'client', id: params.id }, caller);
        await clients.retireSecret(params.id, params.secretId, caller, guardOf(deps, caller));
      },
    }),
  ];
}
