// /api/v1/accounts/…/sign-in and lockouts: what stands against a person's sign-in, and its release.
import { z } from 'zod';
import { type Account, type Accounts, refuseAdminAccount } from '../accounts/accounts.ts';
import type { Clients } from '../clients/clients.ts';
import { instant } from '../lib/instant.ts';
import type { Lockout } from '../lockout/lockout.ts';
import { IdParams } from '../platform/api/pages.ts';
import { type Caller, type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Credentials } from './credentials.ts';
import { FactorsView, factorView } from './factor-view.ts';
import { ownFactorRoutes } from './me-api.ts';
import { lockedUntilOf, passwordStateOf, releaseAccount } from './sign-in-state.ts';

const SignInState = z
  .object({
    password: z.enum(['none', 'set', 'disabled']),
    lockedUntil: instant.nullable().describe('The end of the wait after failed attempts.'),
  })
  .meta({ id: 'SignInState' });

const Released = z.object({ released: z.boolean().describe('Whether anything was locked.') });

export interface CredentialRouteDeps {
  accounts: Accounts;
  credentials: Credentials;
  lockout: Lockout;
  clients: Pick<Clients, 'known'>;
  /** Roles live on a higher floor: throws when those of the account let it do what the caller may not. */
  access: { refuseStronger(subject: { kind: 'account'; id: string }, caller: Caller): Promise<void> };
}

export function credentialRoutes(deps: CredentialRouteDeps): Route[] {
  async function found(id: string): Promise<Account> {
    const account = await deps.accounts.find(id);
    if (!account) throw failure('account_not_found');
    return account;
  }

  /** Or whoever may only help others in could help themselves into the account of somebody who may do more. */
  async function toHelp(id: string, caller: Caller): Promise<Account> {
    const account = await found(id);
    refuseAdminAccount(account, caller.permissions);
    await deps.access.refuseStronger({ kind: 'account', id: account.id }, caller);
    return account;
  }

  return [
    ...ownFactorRoutes(deps),
    ...factorRoutes(deps, { found, toHelp }),
    route({
      operation: 'getSignInState',
      method: 'GET',
      path: '/accounts/:id/sign-in-state',
      permission: 'accounts:read',
      limit: 'admin-read',
      summary: 'Whether an account has a password, and what stands against its sign-in.',
      params: IdParams,
      reply: { 200: SignInState },
      errors: ['account_not_found'],
      async run({ params }) {
        const account = await found(params.id);
        const password = await passwordStateOf(deps, account);
        return { password, lockedUntil: await lockedUntilOf(deps, account) };
      },
    }),
    route({
      operation: 'releaseAccount',
      method: 'POST',
      path: '/accounts/:id/release',
      permission: 'accounts:update',
      limit: 'admin-write',
      summary: 'End the wait of an account after failed sign-ins.',
      params: IdParams,
      reply: { 200: Released },
      errors: ['account_not_found'],
      async run({ params, caller }) {
        // Or the password of an administrator could be guessed without a pause.
        const account = await toHelp(params.id, caller);
        return { released: await releaseAccount(deps, account, caller) };
      },
    }),
    route({
      operation: 'requirePasswordChange',
      method: 'POST',
      path: '/accounts/:id/password/require-change',
      permission: 'accounts:update',
      limit: 'admin-write',
      summary: 'Have a new password chosen at the next sign-in; ends sessions, grants and tokens.',
      params: IdParams,
      body: z.object({
        keepSessions: z.boolean().optional().describe('Leave what is signed in as it is.'),
      }),
      reply: {
        200: z.object({ required: z.boolean().describe('False for an account without a password.') }),
      },
      errors: ['account_not_found'],
      async run({ params, body, caller }) {
        const account = await toHelp(params.id, caller);
        const options = { keepSessions: body.keepSessions === true };
        const { passwords } = deps.credentials;
        return { required: await passwords.requireChange(account.id, 'admin', caller, options) };
      },
    }),
    route({
      operation: 'releaseAddress',
      method: 'POST',
      path: '/addresses/release',
      // Or whoever may only help others in could guess every password without a pause, by releasing their own address.
      permission: 'accounts:admin',
      limit: 'admin-write',
      summary: 'End the wait of an address after failed sign-ins.',
      body: z.object({ address: z.union([z.ipv4(), z.ipv6()]) }),
      reply: { 200: Released },
      run: async ({ body, caller }) => ({
        released: await deps.lockout.releaseAddress(body.address, caller),
      }),
    }),
  ];
}

/** Which factors an account has, and their end where a person lost them all. */
function factorRoutes(
  { credentials: { factors } }: CredentialRouteDeps,
  {
    found,
    toHelp,
  }: {
    found: (id: string) => Promise<Account>;
    toHelp: (id: string, caller: Caller) => Promise<Account>;
  },
): Route[] {
  return [
    route({
      operation: 'listFactors',
      method: 'GET',
      path: '/accounts/:id/factors',
      permission: 'accounts:read',
      limit: 'admin-read',
      summary: 'The second factors of an account: kinds, names and dates.',
      params: IdParams,
      reply: { 200: FactorsView },
      errors: ['account_not_found'],
      async run({ params }) {
        const { id } = await found(params.id);
        const [items, recoveryCodesLeft] = [await factors.list(id), await factors.recoveryCodes.left(id)];
        return { items: items.map(factorView), nextCursor: null, recoveryCodesLeft };
      },
    }),
    route({
      operation: 'resetFactors',
      method: 'DELETE',
      path: '/accounts/:id/factors',
      permission: 'accounts:update',
      limit: 'admin-write',
      sensitive: 'of-people',
      summary: 'Remove all second factors and recovery codes of somebody who lost them, and sign them out.',
      params: IdParams,
      body: z.object({ reason: z.string().trim().min(1).max(512).describe('How you know who asks.') }),
      reply: { 204: z.void() },
      errors: ['account_not_found'],
      async run({ params, body, caller }) {
        const account = await toHelp(params.id, caller);
        // One's own are changed with a recent sign-in, under /me: this would be the way around it.
        if (account.id === caller.accountId) throw failure('permission_denied');
        await factors.resetAll(account.id, body.reason, caller);
      },
    }),
  ];
}
