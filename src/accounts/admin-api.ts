// /api/v1/accounts and /api/v1/me: people, for administrators and for themselves.
import { z } from 'zod';
import { type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Accounts } from './accounts.ts';
import { AccountView } from './schema.ts';

const ListQuery = z.object({
  status: z.enum(['active', 'suspended']).optional(),
  search: z.string().min(1).max(254).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().min(1).max(2048).optional(),
});

export function accountRoutes(deps: { accounts: Accounts }): Route[] {
  const { accounts } = deps;
  return [
    route({
      method: 'GET',
      path: '/accounts',
      permission: 'accounts:read',
      limit: 'admin-read',
      summary: 'Accounts, page by page.',
      query: ListQuery,
      reply: { 200: z.object({ items: z.array(AccountView), nextCursor: z.string().nullable() }) },
      run: ({ query: { limit, cursor, ...filter } }) =>
        accounts.list(filter, { limit, cursor: cursor ?? null }),
    }),
    route({
      method: 'GET',
      path: '/accounts/:id',
      permission: 'accounts:read',
      limit: 'admin-read',
      summary: 'One account.',
      params: z.object({ id: z.string().max(64) }),
      reply: { 200: AccountView },
      run: async ({ params }) => {
        const account = await accounts.find(params.id);
        if (!account) throw failure('account_not_found');
        return account;
      },
    }),
    route({
      method: 'GET',
      path: '/me',
      permission: 'authenticated',
      limit: 'admin-read',
      summary: 'Whose token this is.',
      reply: {
        200: z.object({
          kind: z.enum(['account', 'client']),
          id: z.string(),
          clientId: z.string(),
          permissions: z.array(z.string()),
          account: AccountView.nullable(),
        }),
      },
      run: async ({ caller }) => {
        const account = caller.kind === 'account' ? await accounts.find(caller.id) : undefined;
        return { ...caller, permissions: [...caller.permissions], account: account ?? null };
      },
    }),
  ];
}
