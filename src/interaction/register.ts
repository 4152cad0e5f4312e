// Make an account, in place of signing in: an address, the code that proves it, and then what an account needs.
import { z } from 'zod';
import { type Page, type PageInput, type PageResult, page } from '../platform/http/page.ts';
import type { Begun, Standing } from '../registration/registration.ts';
import { INVITATION, REGISTERING, REGISTERING_SECONDS, REGISTRATION_CODE } from '../registration/schema.ts';
import {
  AccountForm,
  finishAccount,
  type RegisterDeps,
  registerView,
  type Shown,
  showAccount,
} from './register-account.ts';
import { boundToInteraction, type Step, uidParams, withStep } from './step.ts';

const BeginForm = z.object({
  email: z.string().trim().min(1, 'field.error.email').max(254, 'field.error.email'),
  registration_code: z.string().trim().max(100).default(''),
  // Nobody sees it, and whoever fills it in is no person.
  homepage: z.string().max(2000).default(''),
  challenge: z.string().max(8192).optional(),
});
const CodeForm = z.object({ code: z.string().trim().min(1, 'factor.error.codeMissing').max(64) });
type Input = Pick<PageInput<unknown, unknown, unknown>, 'carried' | 'typed'>;

/** In place of these: whoever is on the way in by other means goes on there. */
const prompts = ['create', 'login', 'select_account'];

export async function showRegister(step: Step, deps: RegisterDeps, input: Input): Promise<PageResult> {
  const standing = await deps.registration.standing(step.pending.uid);
  if (standing === undefined) return showBegin(step, deps, input);
  return standing.isProved ? showAccount(step, deps, standing) : showCode(step, standing);
}

async function showBegin(
  step: Step,
  deps: RegisterDeps,
  input: Input,
  shown: Shown = {},
): Promise<PageResult> {
  const { registration } = deps;
  const token = input.carried(INVITATION);
  const invitation = token === undefined ? undefined : await registration.invitations.open(token);
  const { typed = {} } = shown;
  const isOpen =
    registration.mode !== 'closed' && (registration.mode !== 'invitation' || invitation !== undefined);
  const hint = step.pending.params.login_hint?.slice(0, 254) ?? '';
  return registerView(step, 'register', shown, {
    isOpen,
    mode: registration.mode,
    asksCode: registration.mode === 'code' && invitation === undefined,
    organization: invitation?.organizationName ?? null,
    email: typed.email ?? invitation?.email ?? hint,
    registrationCode: typed.registration_code ?? input.carried(REGISTRATION_CODE) ?? '',
  });
}

function showCode(step: Step, { email }: Standing, shown: Shown = {}): PageResult {
  return registerView(step, 'register-code', shown, {
    email,
    againAction: step.path('register'),
    otherHref: step.path('register?other=1'),
    left: shown.left ?? 0,
  });
}

/** What is wrong with the first form, and beside which field. */
const beginErrors: Partial<Record<Begun['kind'], Shown>> = {
  closed: { error: 'register.error.closed', status: 403 },
  invited_only: { error: 'register.error.invitedOnly', status: 403 },
  denied: { error: 'register.error.denied', status: 403 },
  invitation_invalid: { fieldErrors: { email: 'register.error.invitationAddress' }, status: 400 },
  email_invalid: { fieldErrors: { email: 'field.error.email' }, status: 400 },
  code_invalid: { fieldErrors: { registration_code: 'register.error.code' }, status: 400 },
};

async function begin(
  step: Step,
  deps: RegisterDeps,
  input: Input & { form: z.output<typeof BeginForm> | undefined; formErrors: Shown['fieldErrors'] },
): Promise<PageResult> {
  const { form, typed, formErrors = {} } = input;
  if (form === undefined)
    return showBegin(step, deps, input, { typed, fieldErrors: formErrors, status: 400 });
  const begun = await deps.registration.begin({
    binding: step.pending.uid,
    email: form.email,
    code: form.registration_code,
    invitation: await openInvitation(deps, input),
    locale: step.locale,
    challenge: form.challenge,
    isRobot: form.homepage !== '',
  });
  if (begun.kind === 'sent') {
    const carried = { name: REGISTERING, value: step.pending.uid, seconds: REGISTERING_SECONDS };
    return { kind: 'redirect', to: step.path('register'), carry: [carried] };
  }
  if (begun.kind === 'limited') {
    const { retryAfterSeconds } = begun;
    return showBegin(step, deps, input, {
      typed,
      error: 'register.error.limited',
      retryAfterSeconds,
      status: 429,
    });
  }
  return showBegin(step, deps, input, { typed, ...beginErrors[begun.kind] });
}

/** Over or taken back, it is as if there were none. */
async function openInvitation(
  { registration }: RegisterDeps,
  { carried }: Input,
): Promise<string | undefined> {
  const token = carried(INVITATION);
  return token !== undefined && (await registration.invitations.open(token)) ? token : undefined;
}

async function prove(step: Step, deps: RegisterDeps, standing: Standing, code: string): Promise<PageResult> {
  const guessed = await deps.registration.prove(step.pending.uid, code);
  if (guessed === 'ok') return { kind: 'redirect', to: step.path('register') };
  const error = guessed === 'wrong' ? 'register.error.codeWrong' : 'register.error.codeOver';
  return showCode(step, standing, { fieldErrors: { code: error }, status: 400 });
}

export function registerPages(deps: RegisterDeps): Page[] {
  const common = { params: uidParams, csrfBinding: boundToInteraction } as const;

  /** With whoever is on the way; without anybody, or at another step, where they are now. */
  async function withStanding(
    step: Step,
    isProved: boolean,
    take: (standing: Standing) => Promise<PageResult> | PageResult,
  ): Promise<PageResult> {
    const standing = await deps.registration.standing(step.pending.uid);
    if (standing?.isProved === isProved && prompts.includes(step.pending.prompt)) return take(standing);
    return { kind: 'redirect', to: step.path('register') };
  }

  return [
    page({
      ...common,
      method: 'GET',
      path: '/interaction/:uid/register',
      limit: 'page',
      query: z.object({ other: z.literal('1').optional().catch(undefined) }),
      run: (input) =>
        withStep(deps, input, (step) => {
          if (!prompts.includes(step.pending.prompt)) return { kind: 'redirect', to: step.path() };
          return input.query.other ? showBegin(step, deps, input) : showRegister(step, deps, input);
        }),
    }),
    page({
      ...common,
      method: 'POST',
      path: '/interaction/:uid/register',
      limit: 'registration',
      form: BeginForm,
      run: (input) =>
        withStep(deps, input, (step) =>
          prompts.includes(step.pending.prompt)
            ? begin(step, deps, input)
            : { kind: 'redirect', to: step.path() },
        ),
    }),
    page({
      ...common,
      method: 'POST',
      path: '/interaction/:uid/register/code',
      limit: 'sign-in',
      form: CodeForm,
      run: (input) =>
        withStep(deps, input, (step) =>
          withStanding(step, false, (standing) =>
            input.form
              ? prove(step, deps, standing, input.form.code)
              : showCode(step, standing, { fieldErrors: input.formErrors, status: 400 }),
          ),
        ),
    }),
    page({
      ...common,
      method: 'POST',
      path: '/interaction/:uid/register/account',
      limit: 'sign-in',
      form: AccountForm,
      run: (input) =>
        withStep(deps, input, (step) =>
          withStanding(step, true, (standing) => finishAccount(step, deps, standing, input.form ?? {})),
        ),
    }),
  ];
}
