// /api/v1/accounts/:id/keep: an account that was to be deleted stays.
import { type AccountGuard, type Accounts, refuseAdminAccount } from '../accounts/accounts.ts';
import { AccountView } from '../accounts/schema.ts';
import { IdParams } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import { failure } from '../platform/errors.ts';
import type { Deletion } from './deletion.ts';

export interface DeletionRouteDeps {
  deletion: Pick<Deletion, 'keep'>;
  accounts: Pick<Accounts, 'find' | 'profile'>;
}

export function deletionRoutes({ deletion, accounts }: DeletionRouteDeps): Route[] {
  return [
    route({
      operation: 'keepAccount',
      method: 'POST',
      path: '/accounts/:id/keep',
      permission: 'accounts:update',
      limit: 'admin-write',
      summary: 'Keep an account whose owner asked for its deletion; nothing when nobody did.',
      params: IdParams,
      reply: { 200: AccountView },
      errors: ['account_not_found'],
      async run({ params, caller }) {
        const account = await accounts.find(params.id);
        if (account === undefined) throw failure('account_not_found');
        const guard: AccountGuard = (held) => refuseAdminAccount(held, caller.permissions);
        await deletion.keep(account.id, caller, guard);
        const kept = await accounts.find(account.id);
        if (kept === undefined) throw failure('account_not_found');
        return { ...kept, profile: accounts.profile.extrasOf(kept, 'admin') };
      },
    }),
  ];
}
