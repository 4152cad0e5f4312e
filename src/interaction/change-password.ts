// A new password before the sign-in goes on: the one that was presented is known to others, breaks the rules, or is too
// short to stand alone. The other sessions end with it.
import { z } from 'zod';
import type { Accounts } from '../accounts/accounts.ts';
import type { Credentials } from '../credentials/credentials.ts';
import { AppError } from '../platform/errors.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import type { Recovery } from '../recovery/recovery.ts';
import { boundToInteraction, goOn, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface ChangePasswordDeps extends StepDeps {
  readonly accounts: Pick<Accounts, 'find'>;
  readonly credentials: Pick<Credentials, 'passwords' | 'setPassword'>;
  readonly passwordChange: Recovery['password'];
}

const Form = z.object({
  current_password: z.string().max(4096).optional(),
  password: z.string().min(1, 'setup.error.passwordMissing').max(4096, 'error.password_too_long'),
});
type Form = z.output<typeof Form>;

interface Shown {
  error?: string;
  fieldErrors?: Readonly<Record<string, string>>;
  retryAfterSeconds?: number;
  status?: number;
}

type SigningIn = NonNullable<Step['pending']['signingIn']>;

/** Who has to choose one here; undefined when this step is not what is asked. */
function askedOf({ pending: { missing, signingIn } }: Step): SigningIn | undefined {
  return missing?.prompt === 'change_password' && signingIn !== null ? signingIn : undefined;
}

export async function showChangePassword(
  step: Step,
  deps: ChangePasswordDeps,
  shown: Shown = {},
): Promise<PageResult> {
  const signingIn = askedOf(step);
  if (!signingIn) return goOn(step);
  const { accountId, isAnew } = signingIn;
  const [account, reason, limits] = await Promise.all([
    deps.accounts.find(accountId),
    deps.credentials.passwords.mustChange(accountId),
    deps.credentials.passwords.limitsFor(accountId),
  ]);
  const wait = shown.retryAfterSeconds;
  return step.show(
    'interaction/change-password',
    step.t('changePassword.title'),
    {
      action: step.path('change-password'),
      cancelAction: step.path('cancel'),
      username: account?.email ?? account?.username ?? '',
      reason: `changePassword.reason.${reason ?? 'admin'}`,
      // Just proved; but a session may be of long ago, and of somebody who found the browser open.
      asksCurrent: !isAnew,
      ...limits,
      error: shown.error ?? null,
      fieldErrors: shown.fieldErrors ?? {},
      retryAfterSeconds: wait ?? null,
      client: { name: step.pending.client.name, logoUri: step.pending.client.logoUri },
    },
    shown.status,
    wait === undefined ? {} : { 'Retry-After': String(wait) },
  );
}

async function change(step: Step, deps: ChangePasswordDeps, form: Form): Promise<PageResult> {
  const signingIn = askedOf(step);
  if (!signingIn) return goOn(step);
  try {
    return await (signingIn.isAnew
      ? changeInSignIn(step, deps, { signingIn, form })
      : changeInSession(step, deps, { signingIn, form }));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return refused(step, deps, error);
  }
}

interface Changing {
  signingIn: SigningIn;
  form: Form;
}

/** No session is there yet, and all that are end: this sign-in is the one that goes on. */
async function changeInSignIn(
  step: Step,
  { credentials }: ChangePasswordDeps,
  { signingIn, form }: Changing,
): Promise<PageResult> {
  const { accountId, proofs } = signingIn;
  const provedAt = new Date(proofs.find(({ method }) => method === 'password')?.at ?? 0);
  const by = { kind: 'account', id: accountId } as const;
  await credentials.setPassword(accountId, form.password, by, undefined, { provedAt });
  return step.finish({ kind: 'renewed', signingIn, at: Date.now() });
}

/** As on the account pages: with the present one, and the session stays. */
async function changeInSession(
  step: Step,
  deps: ChangePasswordDeps,
  { signingIn: { accountId }, form }: Changing,
): Promise<PageResult> {
  const own = (await step.accountsHere()).find(({ account }) => account.id === accountId);
  if (own === undefined) return goOn(step);
  const { password, current_password: current } = form;
  const changer = { accountId, sessionId: own.id };
  const changed = await deps.passwordChange.change(changer, { current, password, endOthers: true });
  switch (changed.kind) {
    case 'ok':
      return step.finish({ kind: 'cleared' });
    case 'refused':
      return showChangePassword(step, deps, {
        fieldErrors: { current_password: 'account.password.error.current' },
        status: 401,
      });
    default: {
      const { kind, retryAfterSeconds } = changed;
      const status = kind === 'locked' ? 429 : 503;
      return showChangePassword(step, deps, { error: `login.error.${kind}`, retryAfterSeconds, status });
    }
  }
}

function refused(step: Step, deps: ChangePasswordDeps, error: AppError): Promise<PageResult> {
  // Somebody else has set another one since this one was proved: the sign-in begins anew, with that one.
  if (error.code === 'version_conflict') return step.finish({ kind: 'cleared' });
  if (error.code.startsWith('password_')) {
    return showChangePassword(step, deps, {
      fieldErrors: { password: `error.${error.code}` },
      status: error.status,
    });
  }
  if (error.code !== 'server_busy') throw error;
  const { retryAfterSeconds = 1 } = error.details;
  return showChangePassword(step, deps, {
    error: 'login.error.busy',
    retryAfterSeconds,
    status: error.status,
  });
}

export function changePasswordPages(deps: ChangePasswordDeps): Page[] {
  return [
    page({
      method: 'POST',
      path: '/interaction/:uid/change-password',
      limit: 'sign-in',
      params: uidParams,
      form: Form,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) =>
          input.form
            ? change(step, deps, input.form)
            : showChangePassword(step, deps, { fieldErrors: input.formErrors, status: 400 }),
        ),
    }),
  ];
}
