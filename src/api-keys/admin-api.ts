// /api/v1/api-keys and /api/v1/me/api-keys: the same routes over all keys, by permission, and over one's own.
import { z } from 'zod';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import type { Clock } from '../platform/clock.ts';
import { failure } from '../platform/errors.ts';
import type { Permission } from '../vocabulary/permissions.ts';
import { type ApiKeys, type Authority, managing, owning } from './api-keys.ts';
import { IssuedView, NewKeyBody, namedAsOurs, Revocation } from './bodies.ts';
import { ApiKeyChange, keyStates, ownerKinds, Rotation } from './schema.ts';
import { ApiKeyView, apiKeyView } from './view.ts';

const ListQuery = z.object({
  ownerKind: z.enum(ownerKinds).optional(),
  ownerId: z.string().min(1).max(200).optional().describe('With ownerKind.'),
  parentId: z.string().min(1).max(64).optional().describe('The keys right below this one.'),
  state: z.enum(keyStates).optional(),
  search: z.string().min(1).max(200).optional().describe('The id, or the beginning of the name.'),
  ...pageQuery,
});

const FamilyView = z.object({ items: z.array(ApiKeyView), nextCursor: z.null() });

const making = [
  'api_key_invalid',
  'permission_invalid',
  'api_key_permission_not_held',
  'api_key_wider_than_parent',
  'api_key_ended',
  'api_key_bound',
] as const;
const escaping = ['api_key_bound', 'api_key_not_by_itself'] as const;
const owners = [
  'account_not_found',
  'client_not_found',
  'organization_not_found',
  'member_not_found',
] as const;

export interface ApiKeyRouteDeps {
  apiKeys: ApiKeys;
  clock: Clock;
}

/** One of the two lists: where it is, which keys there are in it, and what opens it. */
interface Place {
  readonly path: string;
  /** Of the operations: `createOwnApiKey`. */
  readonly own: '' | 'Own';
  readonly of: (caller: Caller) => Authority;
  readonly permissions: Readonly<Record<'read' | 'create' | 'update' | 'rotate' | 'delete', Permission>>;
}

const places: readonly Place[] = [
  {
    path: '/api-keys',
    own: '',
    of: managing,
    permissions: {
      read: 'api-keys:read',
      create: 'api-keys:create',
      update: 'api-keys:update',
      rotate: 'api-keys:rotate',
      delete: 'api-keys:delete',
    },
  },
  {
    path: '/me/api-keys',
    own: 'Own',
    of: owning,
    permissions: {
      read: 'own-api-keys:read',
      create: 'own-api-keys:create',
      update: 'own-api-keys:update',
      rotate: 'own-api-keys:update',
      delete: 'own-api-keys:delete',
    },
  },
];

export function apiKeyRoutes(deps: ApiKeyRouteDeps): Route[] {
  return places.flatMap((place) => [
    ...readingRoutes(deps, place),
    ...makingRoutes(deps, place),
    ...actRoutes(deps, place),
  ]);
}

async function shown({ apiKeys, clock }: ApiKeyRouteDeps, id: string, as: Authority) {
  const key = await apiKeys.find(id, as);
  if (key === undefined) throw failure('api_key_not_found');
  return apiKeyView(key, clock.now());
}

function readingRoutes(deps: ApiKeyRouteDeps, { path, own, of, permissions }: Place): Route[] {
  const { apiKeys, clock } = deps;
  return [
    route({
      operation: `list${own}ApiKeys`,
      method: 'GET',
      path,
      permission: permissions.read,
      limit: 'admin-read',
      tenancy: 'organization',
      summary: own
        ? 'Your own keys; of a key, those below it. The newest first.'
        : 'API keys, the newest first.',
      query: ListQuery,
      reply: { 200: pageReply(ApiKeyView) },
      async run({ query, caller }) {
        const { filter, page } = pageOfQuery(query);
        const { items, nextCursor } = await apiKeys.list(filter, page, of(caller));
        return { items: items.map((key) => apiKeyView(key, clock.now())), nextCursor };
      },
    }),
    route({
      operation: `get${own}ApiKey`,
      method: 'GET',
      path: `${path}/:id`,
      permission: permissions.read,
      limit: 'admin-read',
      tenancy: 'organization',
      summary: 'One key, with what is left of it within its owner and the keys above it.',
      versioned: true,
      params: IdParams,
      reply: { 200: ApiKeyView },
      errors: ['api_key_not_found'],
      run: ({ params, caller }) => shown(deps, params.id, of(caller)),
    }),
    route({
      operation: `list${own}ApiKeyFamily`,
      method: 'GET',
      path: `${path}/:id/family`,
      permission: permissions.read,
      limit: 'admin-read',
      tenancy: 'organization',
      summary: 'A key and all the keys below it, which end with it.',
      params: IdParams,
      reply: { 200: FamilyView },
      errors: ['api_key_not_found'],
      async run({ params, caller }) {
        const family = await apiKeys.familyOf(params.id, of(caller));
        return { items: family.map((key) => apiKeyView(key, clock.now())), nextCursor: null };
      },
    }),
  ];
}

function makingRoutes(deps: ApiKeyRouteDeps, { path, own, of, permissions }: Place): Route[] {
  const { apiKeys } = deps;
  return [
    route({
      operation: `create${own}ApiKey`,
      method: 'POST',
      path,
      permission: permissions.create,
      limit: 'admin-write',
      sensitive: 'of-people',
      tenancy: 'organization',
      summary: 'Make a key, or with parentId a sub-key; the string is in this answer and nowhere else.',
      versioned: true,
      body: NewKeyBody,
      reply: { 201: IssuedView },
      errors: [...making, ...owners, 'api_key_not_found', 'api_key_sub_key_limit'],
      async run({ body, caller }) {
        const as = of(caller);
        const input = namedAsOurs(body);
        // A key makes keys below itself: that is all that is its own.
        const parentId = input.parentId ?? as.within.ancestorId;
        const { key, secret } = await apiKeys.create(
          parentId === undefined ? input : { ...input, parentId },
          as,
        );
        const scope = as.within.ancestorId === key.parentId ? as : { ...as, within: {} };
        return answer(
          201,
          { ...(await shown(deps, key.id, scope)), secret },
          { Location: `${path.slice(1)}/${key.id}` },
        );
      },
    }),
    route({
      operation: `change${own}ApiKey`,
      method: 'PATCH',
      path: `${path}/:id`,
      permission: permissions.update,
      limit: 'admin-write',
      sensitive: 'of-people',
      tenancy: 'organization',
      summary: 'Change the fields that are named; the keys below it are never wider than it.',
      versioned: true,
      params: IdParams,
      body: ApiKeyChange.omit({ version: true }),
      reply: { 200: ApiKeyView },
      errors: ['api_key_not_found', 'api_key_not_by_itself', ...making],
      async run({ params, body, caller, version }) {
        const as = of(caller);
        await apiKeys.change(params.id, { ...body, version }, as);
        return shown(deps, params.id, as);
      },
    }),
    route({
      operation: `rotate${own}ApiKey`,
      method: 'POST',
      path: `${path}/:id/rotate`,
      permission: permissions.rotate,
      limit: 'admin-write',
      sensitive: 'of-people',
      tenancy: 'organization',
      summary: 'Give a key a new secret; the one before it works on for the overlap.',
      versioned: true,
      params: IdParams,
      body: Rotation.optional(),
      reply: { 201: IssuedView },
      errors: [
        'api_key_not_found',
        'api_key_invalid',
        'api_key_ended',
        'api_key_secret_limit',
        'api_key_permission_not_held',
        'api_key_bound',
      ],
      async run({ params, body, caller }) {
        const as = of(caller);
        const { secret } = await apiKeys.rotate(params.id, body ?? {}, as);
        return answer(201, { ...(await shown(deps, params.id, as)), secret });
      },
    }),
  ];
}

function actRoutes(deps: ApiKeyRouteDeps, { path, own, of, permissions }: Place): Route[] {
  const { apiKeys } = deps;
  const status = (act: 'disable' | 'enable', summary: string) =>
    route({
      operation: `${act}${own}ApiKey`,
      method: 'POST',
      path: `${path}/:id/${act}`,
      permission: permissions.update,
      limit: 'admin-write',
      ...(act === 'enable' && { sensitive: 'of-people' as const }),
      tenancy: 'organization',
      summary,
      versioned: true,
      params: IdParams,
      reply: { 200: ApiKeyView },
      errors: ['api_key_not_found', 'api_key_ended', ...(act === 'enable' ? escaping : [])],
      async run({ params, caller }) {
        const as = of(caller);
        await apiKeys[act](params.id, as);
        return shown(deps, params.id, as);
      },
    });
  return [
    status('disable', 'Let a key and the keys below it work no more until it is enabled.'),
    status('enable', 'Let a disabled key work again.'),
    route({
      operation: `revoke${own}ApiKey`,
      method: 'POST',
      path: `${path}/:id/revoke`,
      permission: permissions.delete,
      limit: 'admin-write',
      tenancy: 'organization',
      summary: 'End a key for good, with the keys below it and the tokens made from any of them.',
      versioned: true,
      params: IdParams,
      body: Revocation,
      reply: { 200: ApiKeyView },
      errors: ['api_key_not_found'],
      async run({ params, body, caller }) {
        const as = of(caller);
        await apiKeys.revoke(params.id, body?.reason ?? null, as);
        return shown(deps, params.id, as);
      },
    }),
  ];
}
