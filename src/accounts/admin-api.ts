// /api/v1/accounts and /api/v1/me: people, for administrators and for themselves.
import { z } from 'zod';
import { IdParams, pageOfQuery, pageQuery, pageReply } from '../platform/api/pages.ts';
import { answer, type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Account, AccountGuard, Accounts } from './accounts.ts';
import { needAdmin, refuseAdminAccount } from './admin-only.ts';
import { type ProfileParty, sentenceOf } from './profile.ts';
import { AccountChange, AccountView, NewAccount } from './schema.ts';

const ListQuery = z.object({
  status: z.enum(['active', 'suspended']).optional(),
  search: z
    .string()
    .min(1)
    .max(254)
    .optional()
    .describe('The beginning of a mail address, user name or name, or a whole id.'),
  ...pageQuery,
});

const Suspension = z.strictObject({ reason: z.string().trim().min(1).max(512).optional() }).optional();

const CallerView = z
  .object({
    kind: z.enum(['account', 'client']),
    id: z.string(),
    clientId: z.string(),
    permissions: z.array(z.string()),
    account: AccountView.nullable(),
  })
  .meta({ id: 'Caller' });

/** An administrator's account is for those who may make administrators. */
const guardOf =
  ({ permissions }: Caller): AccountGuard =>
  (account) =>
    refuseAdminAccount(account, permissions);

const reach = ['email', 'emailVerified', 'phoneNumber', 'phoneNumberVerified'] as const;

/** One's own are changed with a recent sign-in, on the account pages: this would be the way around it. */
function refuseOwnReach(body: Readonly<Record<string, unknown>>): void {
  if (reach.some((name) => body[name] !== undefined)) throw failure('permission_denied');
}

export interface AccountRouteDeps {
  accounts: Accounts;
  /** Roles live on a higher floor: throws when those of the account let it do what the caller may not. */
  access: { refuseStronger(subject: { kind: 'account'; id: string }, caller: Caller): Promise<void> };
}

export function accountRoutes({ accounts, access }: AccountRouteDeps): Route[] {
  const { profile } = accounts;
  const shown = (account: Account, to: ProfileParty = 'admin'): Account => ({
    ...account,
    profile: profile.extrasOf(account, to),
  });

  /** Some fields are only their owner's to change. */
  function refuseOthersFields(given: Record<string, unknown> = {}): void {
    const fields = Object.keys(given).flatMap((name) => {
      const field = profile.field(name);
      if (field === undefined || field.changeableBy.includes('admin')) return [];
      return [[`profile.${name}`, sentenceOf('notYours', field)]];
    });
    if (fields.length > 0) throw failure('request_invalid', { fields: Object.fromEntries(fields) });
  }

  async function found(id: string): Promise<Account> {
    const account = await accounts.find(id);
    if (!account) throw failure('account_not_found');
    return account;
  }

  /** For what would let whoever does it act as the account, or keep it from acting. */
  async function toChange(id: string, caller: Caller): Promise<Account> {
    const account = await found(id);
    await access.refuseStronger({ kind: 'account', id: account.id }, caller);
    return account;
  }

  return [
    route({
      operation: 'listAccounts',
      method: 'GET',
      path: '/accounts',
      permission: 'accounts:read',
      limit: 'admin-read',
      summary: 'Accounts, the newest first.',
      query: ListQuery,
      reply: { 200: pageReply(AccountView) },
      async run({ query }) {
        const { filter, page } = pageOfQuery(query);
        const { items, nextCursor } = await accounts.list(filter, page);
        return { items: items.map((account) => shown(account)), nextCursor };
      },
    }),
    // Without a password: nobody else chooses one for a person (OWASP ASVS 6.4.6).
    route({
      operation: 'createAccount',
      method: 'POST',
      path: '/accounts',
      permission: 'accounts:create',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'A new account. It has no password: a person chooses their own.',
      versioned: true,
      body: NewAccount,
      reply: { 201: AccountView },
      errors: ['identifier_taken', 'identifier_invalid'],
      async run({ body, caller }) {
        if (body.admin === true) needAdmin(caller.permissions);
        refuseOthersFields(body.profile);
        const account = await accounts.create(body, caller);
        return answer(201, shown(account), { Location: `accounts/${account.id}` });
      },
    }),
    route({
      operation: 'getAccount',
      method: 'GET',
      path: '/accounts/:id',
      permission: 'accounts:read',
      limit: 'admin-read',
      summary: 'One account.',
      versioned: true,
      params: IdParams,
      reply: { 200: AccountView },
      errors: ['account_not_found'],
      run: async ({ params }) => shown(await found(params.id)),
    }),
    route({
      operation: 'changeAccount',
      method: 'PATCH',
      path: '/accounts/:id',
      permission: 'accounts:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Change the fields that are named; null empties one.',
      versioned: true,
      params: IdParams,
      body: AccountChange.omit({ version: true }),
      reply: { 200: AccountView },
      errors: ['account_not_found', 'identifier_taken', 'identifier_invalid', 'last_admin'],
      async run({ params, body, caller, version }) {
        const { id } = await toChange(params.id, caller);
        if (body.admin !== undefined) needAdmin(caller.permissions);
        if (id === caller.accountId) refuseOwnReach(body);
        refuseOthersFields(body.profile);
        return shown(await accounts.change(id, { ...body, version }, caller, guardOf(caller)));
      },
    }),
    route({
      operation: 'deleteAccount',
      method: 'DELETE',
      path: '/accounts/:id',
      permission: 'accounts:delete',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Delete a person and all their personal fields; the ledger keeps only the id.',
      versioned: true,
      params: IdParams,
      reply: { 204: z.void() },
      errors: ['account_not_found', 'last_admin'],
      async run({ params, caller, version }) {
        const { id } = await toChange(params.id, caller);
        await accounts.remove(id, caller, { version, guard: guardOf(caller) });
      },
    }),
    route({
      operation: 'suspendAccount',
      method: 'POST',
      path: '/accounts/:id/suspend',
      permission: 'accounts:update',
      limit: 'admin-write',
      summary: 'Keep a person from signing in; ends their sessions, grants and tokens at once.',
      versioned: true,
      params: IdParams,
      body: Suspension,
      reply: { 200: AccountView },
      errors: ['account_not_found', 'last_admin'],
      async run({ params, body, caller }) {
        const { id } = await toChange(params.id, caller);
        await accounts.suspend(id, body?.reason ?? null, caller, guardOf(caller));
        return shown(await found(id));
      },
    }),
    route({
      operation: 'reinstateAccount',
      method: 'POST',
      path: '/accounts/:id/reinstate',
      permission: 'accounts:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Let a suspended person sign in again. Nothing from before comes back with it.',
      versioned: true,
      params: IdParams,
      reply: { 200: AccountView },
      errors: ['account_not_found'],
      async run({ params, caller }) {
        const { id } = await toChange(params.id, caller);
        await accounts.reinstate(id, caller, guardOf(caller));
        return shown(await found(id));
      },
    }),
    route({
      operation: 'getCaller',
      method: 'GET',
      path: '/me',
      permission: 'authenticated',
      openToKeys: true,
      limit: 'admin-read',
      summary: 'Whose token this is.',
      tenancy: 'organization',
      reply: { 200: CallerView },
      run: async ({ caller }) => {
        const account = caller.kind === 'account' ? await accounts.find(caller.id) : undefined;
        return {
          ...caller,
          permissions: [...caller.permissions],
          account: account ? shown(account, 'owner') : null,
        };
      },
    }),
  ];
}
