// Complete the profile: what is required of everybody and was never asked of this person, before the sign-in goes on.
import { z } from 'zod';
import {
  type Account,
  type Accounts,
  changeOf,
  mistakesIn,
  shownFields,
  typedFields,
} from '../accounts/accounts.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { boundToInteraction, goOn, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface CompleteProfileDeps extends StepDeps {
  readonly accounts: Pick<Accounts, 'find' | 'change' | 'profile'>;
}

type Fields = Readonly<Record<string, string>>;

interface Shown {
  typed?: Fields;
  /** Message keys, by field. */
  errors?: Fields;
}

const Form = z.record(z.string(), z.string());

/** Whose it is; undefined when this step is not what is asked, of whoever has proved all that is to be proved. */
async function askedOf(
  { pending: { missing, signingIn } }: Step,
  { accounts }: CompleteProfileDeps,
): Promise<Account | undefined> {
  if (missing?.prompt !== 'complete_profile' || signingIn === null) return undefined;
  return accounts.find(signingIn.accountId);
}

export async function showCompleteProfile(
  step: Step,
  deps: CompleteProfileDeps,
  { typed, errors = {} }: Shown = {},
): Promise<PageResult> {
  const account = await askedOf(step, deps);
  if (account === undefined) return goOn(step);
  const { client } = step.pending;
  const fields = deps.accounts.profile.missingFrom(account);
  return step.show(
    'interaction/complete-profile',
    step.t('completeProfile.title'),
    {
      action: step.path('profile'),
      cancelAction: step.path('cancel'),
      fields: shownFields(fields, { typed, values: {}, errors }, step),
      fieldErrors: errors,
      client: { name: client.name, logoUri: client.logoUri },
    },
    Object.keys(errors).length > 0 ? 400 : 200,
  );
}

/** Only what is missing: nothing else of the profile is changed here, whatever is sent. */
async function save(step: Step, deps: CompleteProfileDeps, typed: Fields): Promise<PageResult> {
  const account = await askedOf(step, deps);
  if (account === undefined) return goOn(step);
  const { accounts } = deps;
  const fields = accounts.profile.missingFrom(account);
  const checked = accounts.profile.check(typedFields(fields, typed), 'owner');
  const errors = mistakesIn(fields, checked);
  if (Object.keys(errors).length > 0) return showCompleteProfile(step, deps, { typed, errors });
  await accounts.change(account.id, changeOf(fields, checked.values), { kind: 'account', id: account.id });
  return step.finish({ kind: 'cleared' });
}

export function completeProfilePages(deps: CompleteProfileDeps): Page[] {
  return [
    page({
      method: 'POST',
      path: '/interaction/:uid/profile',
      limit: 'page',
      params: uidParams,
      form: Form,
      csrfBinding: boundToInteraction,
      run: (input) => withStep(deps, input, (step) => save(step, deps, input.typed)),
    }),
  ];
}
