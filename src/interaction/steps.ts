// One row per prompt of oidc/prompts.ts: which page asks for it. And the two addresses that every step shares.
import type { Accounts } from '../accounts/accounts.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { Interactions } from '../oidc/oidc.ts';
import { failure } from '../platform/errors.ts';
import { type Page, type PageInput, type PageResult, page } from '../platform/http/page.ts';
import { type ChangePasswordDeps, changePasswordPages, showChangePassword } from './change-password.ts';
import { completeProfilePages, showCompleteProfile } from './complete-profile.ts';
import { type ConsentDeps, consentPages, showConsent } from './consent.ts';
import { enrolFactorPages, showEnrolFactor } from './enrol-factor.ts';
import { loginPages, type SignInOffers, showLogin } from './login.ts';
import { mailCodePages } from './mail-code.ts';
import { passkeyPages } from './passkey.ts';
import { registerPages, showRegister } from './register.ts';
import type { RegisterDeps } from './register-account.ts';
import { secondFactorPages, showSecondFactor } from './second-factor.ts';
import { selectAccountPages, showSelectAccount } from './select-account.ts';
import { selectOrganizationPages, showSelectOrganization } from './select-organization.ts';
import { boundToInteraction, type Step, uidParams, withStep } from './step.ts';
import { showTerms, termsPages } from './terms.ts';

export interface InteractionDeps {
  readonly interactions: Interactions;
  readonly accounts: Accounts;
  readonly credentials: Credentials;
  readonly tokens: ConsentDeps['tokens'];
  readonly offers: SignInOffers;
  /** For how many days a browser may be remembered in place of a second step; 0: never. */
  readonly rememberedDays: number;
  readonly passwordChange: ChangePasswordDeps['passwordChange'];
  readonly registration: RegisterDeps['registration'];
  readonly minimumPasswordLength: number;
}

type Show = (
  step: Step,
  input: Pick<PageInput<unknown, unknown, unknown>, 'carried' | 'typed'>,
) => Promise<PageResult> | PageResult;

export function interactionPages(deps: InteractionDeps): Page[] {
  const steps: Record<string, Show> = {
    select_account: (step) => showSelectAccount(step, deps),
    create: (step, input) => showRegister(step, deps, input),
    login: (step) => showLogin(step, deps),
    accept_terms: (step) => showTerms(step, deps),
    complete_profile: (step) => showCompleteProfile(step, deps),
    second_factor: (step) => showSecondFactor(step, deps),
    enrol_factor: (step) => showEnrolFactor(step, deps),
    change_password: (step) => showChangePassword(step, deps),
    select_organization: (step) =>
      step.pending.accountId ? showSelectOrganization(step, deps) : showSelectAccount(step, deps),
    // Whoever was to allow something may have signed out on the page of accounts.
    consent: (step) => (step.pending.accountId ? showConsent(step, deps) : showSelectAccount(step, deps)),
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
          return show(step, input);
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
    ...registerPages(deps),
    ...termsPages(deps),
    ...completeProfilePages(deps),
    // Wherever a passkey was asked for, what is wrong with it is said there.
    ...passkeyPages(deps, (step, { error, ...refusal }) =>
      step.pending.prompt === 'second_factor'
        ? showSecondFactor(step, deps, { way: 'passkey', error, ...refusal })
        : showLogin(step, deps, { error, ...refusal }),
    ),
    ...secondFactorPages(deps),
    ...(deps.offers.mailCode ? mailCodePages(deps) : []),
    ...enrolFactorPages(deps),
    ...changePasswordPages(deps),
    ...selectAccountPages(deps),
    ...selectOrganizationPages(deps),
    ...consentPages(deps),
  ];
}
