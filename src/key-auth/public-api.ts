// /api/auth/keys and /api/auth/profile: keys in the words of programs that know no OAuth. Each is a route of the management
// API under another name: the same face, permission, limit and ledger.
import { z } from 'zod';
import { type ApiKeys, managing, type ShownKey } from '../api-keys/api-keys.ts';
import { IdParams, pageOfQuery, pageQuery } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import {
  KeyAnswer,
  KeysAnswer,
  NewKeyAnswer,
  NewKeyWish,
  Profile,
  RevocationWish,
  RotationWish,
} from './schema.ts';

type Deps = { apiKeys: ApiKeys };

const EVERYTHING = '*:*';
const there = { absolute: true, tenancy: 'organization' } as const;

export function keyAuthRoutes(deps: Deps): Route[] {
  return [...listing(deps), ...making(deps), ...ending(deps)];
}

function listing({ apiKeys }: Deps): Route[] {
  return [
    route({
      ...there,
      operation: 'authListKeys',
      method: 'GET',
      path: '/api/auth/keys',
      permission: 'api-keys:read',
      limit: 'admin-read',
      summary: 'API keys, the newest first.',
      query: z.object(pageQuery),
      reply: { 200: KeysAnswer },
      async run({ query, caller }) {
        const { page } = pageOfQuery(query);
        const { items, nextCursor } = await apiKeys.list({}, page, managing(caller));
        return { keys: items.map(answerOf), next_cursor: nextCursor };
      },
    }),
    route({
      ...there,
      operation: 'authGetProfile',
      method: 'GET',
      path: '/api/auth/profile',
      permission: 'authenticated',
      openToKeys: true,
      limit: 'admin-read',
      summary: 'The key that asks, and what it may do now.',
      reply: { 200: Profile },
      run: ({ caller }) => profileOf(apiKeys, caller),
    }),
  ];
}

function making({ apiKeys }: Deps): Route[] {
  return [
    route({
      ...there,
      operation: 'authCreateKey',
      method: 'POST',
      path: '/api/auth/keys',
      permission: 'api-keys:create',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Make a key of your own; the string is in this answer and nowhere else.',
      body: NewKeyWish,
      reply: { 201: NewKeyAnswer },
      async run({ body, caller }) {
        const { name, admin = false, permissions = '', expires_at: expiresAt } = body;
        const named = permissions.split(/\s+/).filter((text) => text !== '');
        if (!admin && named.length === 0) {
          throw failure('api_key_invalid', { fields: { permissions: 'name what it may do' } });
        }
        const as = managing(caller);
        const input = { name, permissions: admin ? [EVERYTHING] : [...new Set(named)] };
        const made = await apiKeys.create(
          { ...input, ...(expiresAt === undefined ? {} : { expiresAt }) },
          as,
        );
        return withSecret(apiKeys, made, caller, 201);
      },
    }),
    route({
      ...there,
      operation: 'authRotateKey',
      method: 'POST',
      path: '/api/auth/keys/:id/rotate',
      permission: 'api-keys:rotate',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Give a key a new string; the old one ends at once unless an overlap is asked for.',
      params: IdParams,
      body: RotationWish,
      reply: { 200: NewKeyAnswer },
      async run({ params, body, caller }) {
        const overlapSeconds = body?.overlap_seconds ?? 0;
        const made = await apiKeys.rotate(params.id, { overlapSeconds }, managing(caller));
        return withSecret(apiKeys, made, caller, 200);
      },
    }),
  ];
}

function ending({ apiKeys }: Deps): Route[] {
  return [
    route({
      ...there,
      operation: 'authRevokeKey',
      method: 'POST',
      path: '/api/auth/keys/:id/revoke',
      permission: 'api-keys:delete',
      limit: 'admin-write',
      summary: 'End a key for good, with all that was made from it.',
      params: IdParams,
      body: RevocationWish,
      reply: { 200: KeyAnswer },
      async run({ params, body, caller }) {
        await apiKeys.revoke(params.id, body?.reason ?? null, managing(caller));
        return answerOf(await found(apiKeys, params.id, caller));
      },
    }),
  ];
}

async function found(apiKeys: ApiKeys, id: string, caller: Caller): Promise<ShownKey> {
  const key = await apiKeys.find(id, managing(caller));
  if (key === undefined) throw failure('api_key_not_found');
  return key;
}

async function withSecret<Status extends 200 | 201>(
  apiKeys: ApiKeys,
  { key, secret }: { key: { id: string }; secret: string },
  caller: Caller,
  status: Status,
) {
  return answer(status, { ...answerOf(await found(apiKeys, key.id, caller)), api_key: secret });
}

function answerOf(key: ShownKey): z.input<typeof KeyAnswer> {
  return {
    key_id: key.id,
    name: key.name,
    permissions: key.permissions.join(' '),
    admin: key.permissions.includes(EVERYTHING),
    active: key.active,
    created_at: key.createdAt,
    expires_at: key.expiresAt,
    last_used_at: key.lastUsedAt,
    revoked_at: key.revokedAt,
    revoked_reason: key.revokedReason,
  };
}

async function profileOf(apiKeys: ApiKeys, caller: Caller): Promise<z.input<typeof Profile>> {
  const key = caller.apiKeyId === null ? undefined : await apiKeys.known(caller.apiKeyId);
  return {
    key_id: key?.id ?? null,
    client_id: caller.clientId,
    name: key?.name ?? null,
    permissions: (caller.held?.texts ?? caller.permissions).join(' '),
    admin: caller.held?.covers(EVERYTHING) ?? false,
    account_id: caller.accountId,
    organization_id: caller.organizationId,
    expires_at: key?.expiresAt ?? null,
  };
}
