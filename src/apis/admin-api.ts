// /api/v1/apis: the registry of resource servers.
import { z } from 'zod';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Api, Apis } from './apis.ts';
import { ApiChange, ApiView, NewApi } from './schema.ts';

const ListQuery = z.object({
  audience: z.string().min(1).max(2000).optional().describe('Only the API with this audience.'),
  ...pageQuery,
});

export function apiRoutes({ apis }: { apis: Apis }): Route[] {
  async function found(id: string): Promise<Api> {
    const api = await apis.find(id);
    if (api === undefined) throw failure('api_not_found');
    return api;
  }

  return [
    route({
      operation: 'listApis',
      method: 'GET',
      path: '/apis',
      permission: 'apis:read',
      limit: 'admin-read',
      summary: 'APIs, in the order of registration.',
      query: ListQuery,
      reply: { 200: pageReply(ApiView) },
      async run({ query }) {
        const { filter, page } = pageOfQuery(query);
        if (filter.audience === undefined) return apis.list(page);
        const api = await apis.findByAudience(filter.audience);
        return { items: api === undefined ? [] : [api], nextCursor: null };
      },
    }),
    route({
      operation: 'createApi',
      method: 'POST',
      path: '/apis',
      permission: 'apis:create',
      limit: 'admin-write',
      summary: 'Register an API.',
      versioned: true,
      body: NewApi,
      reply: { 201: ApiView },
      errors: ['api_audience_taken', 'api_invalid', 'permission_invalid'],
      async run({ body, caller }) {
        const api = await apis.create(body, caller);
        return answer(201, api, { Location: `apis/${api.id}` });
      },
    }),
    route({
      operation: 'getApi',
      method: 'GET',
      path: '/apis/:id',
      permission: 'apis:read',
      limit: 'admin-read',
      summary: 'One API with its permissions.',
      versioned: true,
      params: IdParams,
      reply: { 200: ApiView },
      errors: ['api_not_found'],
      run: ({ params }) => found(params.id),
    }),
    route({
      operation: 'changeApi',
      method: 'PATCH',
      path: '/apis/:id',
      permission: 'apis:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Change the fields that are named; permissions that are given replace all of them.',
      versioned: true,
      params: IdParams,
      body: ApiChange.omit({ version: true }),
      reply: { 200: ApiView },
      errors: ['api_not_found', 'api_invalid', 'api_protected', 'permission_invalid'],
      async run({ params, body, caller, version }) {
        const { id } = await found(params.id);
        return apis.change(id, { ...body, version }, caller);
      },
    }),
    route({
      operation: 'deleteApi',
      method: 'DELETE',
      path: '/apis/:id',
      permission: 'apis:delete',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Delete an API that no client refers to.',
      versioned: true,
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['api_not_found', 'api_in_use', 'api_protected'],
      async run({ params, caller, version }) {
        const { id } = await found(params.id);
        await apis.remove(id, caller, version);
      },
    }),
  ];
}
