// Choose an account: go on as one of those who are signed in in this browser, sign one of them out, or sign in as another.
import { z } from 'zod';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { type LoginDeps, showLogin } from './login.ts';
import { boundToInteraction, type Step, uidParams, withStep } from './step.ts';

const ANOTHER = 'another';

/** Each button names a session of this browser by its public id; one of another browser is not found here. */
const ChoiceForm = z.union([
  z.object({ choice: z.string().min(1).max(64) }),
  z.object({ sign_out: z.string().min(1).max(64) }),
]);

export async function showSelectAccount(step: Step, deps: LoginDeps): Promise<PageResult> {
  const accounts = await step.accountsHere();
  if (accounts.length === 0) return showLogin(step, deps);
  const { client } = step.pending;
  return step.show('interaction/select-account', step.t('select.title'), {
    action: step.path('select-account'),
    cancelAction: step.path('cancel'),
    accounts: accounts.map(({ id, account, active }) => ({
      value: id,
      name: account.name ?? account.username ?? account.email,
      email: account.email,
      active,
    })),
    client: { name: client.name, logoUri: client.logoUri },
  });
}

export function selectAccountPages(deps: LoginDeps): Page[] {
  return [
    page({
      method: 'GET',
      path: '/interaction/:uid/select-account',
      limit: 'page',
      params: uidParams,
      csrfBinding: boundToInteraction,
      run: (input) => withStep(deps, input, (step) => showSelectAccount(step, deps)),
    }),
    page({
      method: 'POST',
      path: '/interaction/:uid/select-account',
      limit: 'page',
      params: uidParams,
      form: ChoiceForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, async (step) => {
          const { form } = input;
          const again: PageResult = { kind: 'redirect', to: step.path('select-account') };
          if (form === undefined) return again;
          if ('sign_out' in form) {
            await step.signOut(form.sign_out);
            return again;
          }
          if (form.choice === ANOTHER) return { kind: 'redirect', to: step.path('login') };
          return step.finish({ kind: 'account_selected', sessionId: form.choice });
        }),
    }),
  ];
}
