// Sign in: mail address or user name, and password. The door itself is credentials; this only asks and tells.
import { z } from 'zod';
import type { Credentials } from '../credentials/credentials.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { type PasskeyDeps, passkeyModel } from './passkey.ts';
import { boundToInteraction, type Step, uidParams, withStep } from './step.ts';

const LoginForm = z.object({
  identifier: z.string().trim().min(1, 'login.error.identifierMissing').max(254),
  password: z.string().min(1, 'login.error.passwordMissing').max(4096),
});

type Verified = Awaited<ReturnType<Credentials['verify']>>;

/** What the page leads to beside a password; each belongs to another feature and its settings. */
export interface SignInOffers {
  /** A forgotten password is replaced by a link in a mail. */
  readonly recovery: boolean;
  /** Anybody may come by an account here. */
  readonly signUp: boolean;
  /** A code by mail in place of the password. */
  readonly mailCode: boolean;
}

export interface LoginDeps extends PasskeyDeps {
  readonly offers: SignInOffers;
}

interface Shown {
  identifier: string;
  error?: string;
  fieldErrors?: Readonly<Record<string, string>>;
  retryAfterSeconds?: number;
  status?: number;
}

export async function showLogin(
  step: Step,
  deps: LoginDeps,
  shown: Partial<Shown> = {},
): Promise<PageResult> {
  const { client } = step.pending;
  const wait = shown.retryAfterSeconds;
  return step.show(
    'interaction/login',
    step.t('login.title'),
    {
      action: step.path('login'),
      cancelAction: step.path('cancel'),
      identifier: shown.identifier ?? step.pending.params.login_hint?.slice(0, 254) ?? '',
      error: shown.error ?? null,
      fieldErrors: shown.fieldErrors ?? {},
      retryAfterSeconds: wait ?? null,
      client: { name: client.name, logoUri: client.logoUri, clientUri: client.clientUri },
      hint: hintFor(step.pending),
      passkey: await passkeyModel(step, deps),
      recoverHref: deps.offers.recovery ? `/recover?interaction=${step.pending.uid}` : null,
      signUpHref: deps.offers.signUp ? step.path('register') : null,
      mailCodeHref: deps.offers.mailCode ? step.path('mail-code') : null,
    },
    shown.status,
    wait === undefined ? {} : { 'Retry-After': String(wait) },
  );
}

/** Why somebody who may be signed in already is asked again, or what the sign-in is for when no app has sent them. */
function hintFor({ accountId, signingIn, missing, reasons, redirectUri }: Step['pending']): string | null {
  const isStale = signingIn?.isAnew === false && signingIn.proofs.some(({ method }) => method === 'password');
  // What was proved is good, and nothing that could be added to it is enough.
  if (signingIn && missing?.prompt === 'login' && !isStale) return 'login.hint.stronger';
  const again = reasons.includes('login_prompt') || reasons.includes('max_age') || isStale;
  if (accountId && again) return 'login.hint.reauthenticate';
  return redirectUri === null ? 'login.hint.device' : null;
}

/** Who is refused is not told why; who is locked or has to wait is told for how long. */
function answer(
  step: Step,
  deps: LoginDeps,
  identifier: string,
  result: Verified,
): Promise<PageResult> | PageResult {
  switch (result.kind) {
    case 'ok':
      return step.finish({ kind: 'proved', accountId: result.account.id, proof: result.proof });
    case 'refused':
      return showLogin(step, deps, { identifier, error: 'login.error.refused', status: 401 });
    case 'locked':
      return showLogin(step, deps, {
        identifier,
        error: 'login.error.locked',
        retryAfterSeconds: result.retryAfterSeconds,
        status: 429,
      });
    case 'busy':
      return showLogin(step, deps, {
        identifier,
        error: 'login.error.busy',
        retryAfterSeconds: result.retryAfterSeconds,
        status: 503,
      });
  }
}

export function loginPages(deps: LoginDeps): Page[] {
  return [
    page({
      method: 'GET',
      path: '/interaction/:uid/login',
      limit: 'page',
      params: uidParams,
      csrfBinding: boundToInteraction,
      run: (input) => withStep(deps, input, (step) => showLogin(step, deps)),
    }),
    page({
      method: 'POST',
      path: '/interaction/:uid/login',
      limit: 'sign-in',
      params: uidParams,
      form: LoginForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, async (step) => {
          const identifier = input.typed.identifier ?? '';
          if (!input.form)
            return showLogin(step, deps, { identifier, fieldErrors: input.formErrors, status: 400 });
          const result = await deps.credentials.verify('password', input.form);
          return answer(step, deps, identifier, result);
        }),
    }),
  ];
}
