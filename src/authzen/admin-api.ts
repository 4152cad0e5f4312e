// /api/v1/resources: what decisions are asked about, with the properties that conditions of permissions look at.
import { z } from 'zod';
import { NewResource, ResourceInput, type Resources } from '../access/access.ts';
import { instant } from '../lib/instant.ts';
import type { Organizations } from '../organizations/organizations.ts';
import { pageQuery, pageReply } from '../platform/api/pages.ts';
import { type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';

const organizationId = z
  .string()
  .max(64)
  .optional()
  .describe('The organization that they belong to; without it those that are known everywhere.');
const OneQuery = z.object({ organizationId });
const ListQuery = z.object({
  type: z.string().min(1).max(100).optional().describe('Only those of this type.'),
  organizationId,
  ...pageQuery,
});
const NameParams = z.object({ type: z.string(), id: z.string() });

const ResourceView = z
  .object({
    organizationId: z.string().nullable(),
    type: z.string(),
    id: z.string(),
    properties: z.record(z.string(), z.unknown()),
    version: z.int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .meta({ id: 'RegisteredResource' });

const Many = z.object({
  resources: z.array(NewResource).min(1).max(1_000).describe('All of them are registered, or none.'),
});

const Counts = z.object({ made: z.int(), changed: z.int(), unchanged: z.int() });

export function resourceRoutes(deps: {
  resources: Resources;
  organizations: Pick<Organizations, 'known'>;
}): Route[] {
  const { resources, organizations } = deps;

  /** A caller that is bound to an organization names no other one: the pipeline sees to that. */
  async function organizationOf(caller: Caller, asked: string | undefined): Promise<string | null> {
    if (caller.organizationId !== null) return caller.organizationId;
    if (asked === undefined) return null;
    if ((await organizations.known(asked)) === undefined) throw failure('organization_not_found');
    return asked;
  }

  return [
    route({
      operation: 'listResources',
      method: 'GET',
      path: '/resources',
      permission: 'resources:read',
      limit: 'admin-read',
      summary: 'Registered resources, by type and id.',
      tenancy: 'organization',
      query: ListQuery,
      reply: { 200: pageReply(ResourceView) },
      errors: ['organization_not_found'],
      async run({ query: { type, organizationId: asked, limit, cursor = null }, caller }) {
        const organizationId = await organizationOf(caller, asked);
        return resources.list({ organizationId, type }, { limit, cursor });
      },
    }),
    route({
      operation: 'putResources',
      method: 'POST',
      path: '/resources',
      permission: 'resources:update',
      limit: 'admin-write',
      summary:
        'Register many, or give them the properties that are named; those that say the same stay as they are.',
      tenancy: 'organization',
      query: OneQuery,
      body: Many,
      reply: { 200: Counts },
      errors: ['organization_not_found', 'resource_invalid'],
      run: async ({ query, body, caller }) =>
        resources.putMany(await organizationOf(caller, query.organizationId), body.resources, caller),
    }),
    route({
      operation: 'getResource',
      method: 'GET',
      path: '/resources/:type/:id',
      permission: 'resources:read',
      limit: 'admin-read',
      summary: 'One registered resource.',
      tenancy: 'organization',
      versioned: true,
      params: NameParams,
      query: OneQuery,
      reply: { 200: ResourceView },
      errors: ['organization_not_found', 'resource_not_found'],
      async run({ params, query, caller }) {
        const organizationId = await organizationOf(caller, query.organizationId);
        const resource = await resources.find({ ...params, organizationId });
        if (resource === undefined) throw failure('resource_not_found');
        return resource;
      },
    }),
    route({
      operation: 'putResource',
      method: 'PUT',
      path: '/resources/:type/:id',
      permission: 'resources:update',
      limit: 'admin-write',
      summary: 'Register it, or give it these properties in place of those that it has.',
      tenancy: 'organization',
      versioned: true,
      params: NameParams,
      query: OneQuery,
      body: ResourceInput,
      reply: { 200: ResourceView },
      errors: ['organization_not_found', 'resource_invalid', 'version_conflict'],
      async run({ params, query, body, caller }) {
        const organizationId = await organizationOf(caller, query.organizationId);
        return resources.put({ ...params, organizationId }, body, caller);
      },
    }),
    route({
      operation: 'deleteResource',
      method: 'DELETE',
      path: '/resources/:type/:id',
      permission: 'resources:delete',
      limit: 'admin-write',
      summary: 'Forget a resource and its properties.',
      tenancy: 'organization',
      versioned: true,
      params: NameParams,
      query: OneQuery,
      reply: { 204: z.void() },
      errors: ['organization_not_found', 'resource_not_found'],
      async run({ params, query, caller, version }) {
        const organizationId = await organizationOf(caller, query.organizationId);
        await resources.remove({ ...params, organizationId }, caller, version);
      },
    }),
  ];
}
