// Choose an account: go on as who is signed in, or sign in as somebody else.
import { z } from 'zod';
import type { Accounts } from '../accounts/accounts.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { showLogin } from './login.ts';
import { boundToInteraction, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface SelectAccountDeps extends StepDeps {
  readonly accounts: Accounts;
}

const ChoiceForm = z.object({ choice: z.enum(['continue', 'another']) });

export async function showSelectAccount(step: Step, deps: SelectAccountDeps): Promise<PageResult> {
  const { accountId, client } = step.pending;
  const account = accountId ? await deps.accounts.find(accountId) : undefined;
  if (account?.status !== 'active') return showLogin(step);
  return step.show('interaction/select-account', step.t('select.title'), {
    action: step.path('select-account'),
    cancelAction: step.path('cancel'),
    accounts: [
      { value: 'continue', name: account.name ?? account.username ?? account.email, email: account.email },
    ],
    client: { name: client.name, logoUri: client.logoUri },
  });
}

export function selectAccountPages(deps: SelectAccountDeps): Page[] {
  return [
    page({
      method: 'POST',
      path: '/interaction/:uid/select-account',
      limit: 'page',
      params: uidParams,
      form: ChoiceForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) => {
          if (step.pending.prompt !== 'select_account') return { kind: 'redirect', to: step.path() };
          if (input.form?.choice === 'continue') return step.finish({ kind: 'account_selected' });
          return { kind: 'redirect', to: step.path(input.form ? 'login' : undefined) };
        }),
    }),
  ];
}
