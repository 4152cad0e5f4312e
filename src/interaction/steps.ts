// One row per prompt of oidc/prompts.ts: which page asks for it. And the two addresses that every step shares.
import type { Accounts } from '../accounts/accounts.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { Interactions } from '../oidc/oidc.ts';
import { failure } from '../platform/errors.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { type ConsentDeps, consentPages, showConsent } from './consent.ts';
import { loginPages, showLogin } from './login.ts';
import { selectAccountPages, showSelectAccount } from './select-account.ts';
import { selectOrganizationPages, showSelectOrganization } from './select-organization.ts';
import { boundToInteraction, type Step, uidParams, withStep } from './step.ts';

export interface InteractionDeps {
  readonly interactions: Interactions;
  readonly accounts: Accounts;
  readonly credentials: Credentials;
  readonly tokens: ConsentDeps['tokens'];
}

export function interactionPages(deps: InteractionDeps): Page[] {
  const steps: Record<string, (step: Step) => Promise<PageResult> | PageResult> = {
    select_account: (step) => showSelectAccount(step),
    login: (step) => showLogin(step),
    select_organization: (step) =>
      step.pending.accountId ? showSelectOrganization(step, deps) : showSelectAccount(step),
    // Whoever was to allow something may have signed out on the page of accounts.
    consent: (step) => (step.pending.accountId ? showConsent(step, deps) : showSelectAccount(step)),
  };

  return [
    page({
      method: 'GET',
      path: '/interaction/:uid',
      limit: 'page',
      params: uidParams,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) => {
          const show = steps[step.pending.prompt];
          if (!show)
            throw failure('internal_error', {}, new Error(`no page for prompt ${step.pending.prompt}`));
          return show(step);
        }),
    }),
    page({
      method: 'POST',
      path: '/interaction/:uid/cancel',
      limit: 'page',
      params: uidParams,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, async (step) => {
          if (step.pending.prompt === 'consent') await deps.interactions.denyConsent(step.pending);
          return step.finish({ kind: 'cancelled' });
        }),
    }),
    ...loginPages(deps),
    ...selectAccountPages(deps),
    ...selectOrganizationPages(deps),
    ...consentPages(deps),
  ];
}
