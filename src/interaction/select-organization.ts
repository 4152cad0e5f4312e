// Choose an organization: in which of them, or in none, the person acts for this app. Asked of members of several.
import { z } from 'zod';
import type { Accounts } from '../accounts/accounts.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { boundToInteraction, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface SelectOrganizationDeps extends StepDeps {
  readonly accounts: Pick<Accounts, 'find'>;
}

/** No organization has this id. */
const NONE = 'none';

const ChoiceForm = z.object({ choice: z.string().min(1).max(64) });

export async function showSelectOrganization(step: Step, deps: SelectOrganizationDeps): Promise<PageResult> {
  const { client, accountId, choices } = step.pending;
  const account = accountId ? await deps.accounts.find(accountId) : undefined;
  const names = choices.organizations.map(({ name }) => name);
  return step.show('interaction/select-organization', step.t('organization.title'), {
    action: step.path('organization'),
    cancelAction: step.path('cancel'),
    switchAccountAction: step.path('switch-account'),
    account: account?.email ?? account?.username ?? account?.name ?? '',
    organizations: choices.organizations.map(({ organizationId, name, slug }) => ({
      value: organizationId,
      name,
      // Two may have the same name; no two have the same short one.
      slug: names.filter((other) => other === name).length > 1 ? slug : null,
    })),
    noneValue: choices.none ? NONE : null,
    client: { name: client.name, logoUri: client.logoUri },
  });
}

export function selectOrganizationPages(deps: SelectOrganizationDeps): Page[] {
  return [
    page({
      method: 'POST',
      path: '/interaction/:uid/organization',
      limit: 'page',
      params: uidParams,
      form: ChoiceForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) => {
          const choice = input.form?.choice;
          const { organizations, none } = step.pending.choices;
          const isOffered =
            choice === NONE ? none : organizations.some(({ organizationId }) => organizationId === choice);
          // Only what the page offers; and nothing is offered while the engine waits for something else.
          if (choice === undefined || !isOffered) return { kind: 'redirect', to: step.path() };
          const organizationId = choice === NONE ? null : choice;
          return step.finish({ kind: 'organization_selected', organizationId });
        }),
    }),
  ];
}
