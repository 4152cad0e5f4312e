// Sign in by a code in a mail, in place of the password: where to, then the code. The same pages for everybody; whether there
// is such an account is known to whoever reads the mail.
import { z } from 'zod';
import type { Credentials } from '../credentials/credentials.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { evenly } from '../recovery/recovery.ts';
import { boundToInteraction, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface MailCodeDeps extends StepDeps {
  readonly credentials: Pick<Credentials, 'verify' | 'factors'>;
}

const AddressForm = z.object({
  identifier: z.string().trim().min(1, 'login.error.identifierMissing').max(254),
});
// As people copy it: with spaces and dashes.
const CodeForm = z.object({
  code: z.string().trim().min(1, 'factor.error.codeMissing').max(64, 'factor.error.refused'),
});

interface Shown {
  identifier?: string;
  error?: string;
  fieldErrors?: Readonly<Record<string, string>>;
  retryAfterSeconds?: number;
  status?: number;
}

function show(step: Step, asks: 'address' | 'code', shown: Shown = {}): PageResult {
  const { client, params } = step.pending;
  const wait = shown.retryAfterSeconds;
  return step.show(
    'interaction/mail-code',
    step.t('mailCode.title'),
    {
      asks,
      action: step.path(asks === 'code' ? 'mail-code/code' : 'mail-code'),
      againHref: step.path('mail-code'),
      passwordHref: step.path('login'),
      cancelAction: step.path('cancel'),
      identifier: shown.identifier ?? params.login_hint?.slice(0, 254) ?? '',
      error: shown.error ?? null,
      fieldErrors: shown.fieldErrors ?? {},
      retryAfterSeconds: wait ?? null,
      client: { name: client.name, logoUri: client.logoUri },
    },
    shown.status,
    wait === undefined ? {} : { 'Retry-After': String(wait) },
  );
}

async function send(step: Step, deps: MailCodeDeps, identifier: string): Promise<PageResult> {
  const { codes } = deps.credentials.factors;
  // Too many for an address or account is said to nobody: it would tell of those that others had sent.
  await evenly(codes.sendToSignIn(identifier, step.pending.uid, step.locale));
  return { kind: 'redirect', to: step.path('mail-code/code') };
}

async function prove(step: Step, deps: MailCodeDeps, code: string): Promise<PageResult> {
  const proof = { accountId: null, code, binding: step.pending.uid, proofs: [] };
  const result = await evenly(deps.credentials.verify('mail-code', proof));
  switch (result.kind) {
    case 'ok':
      return step.finish({ kind: 'proved', accountId: result.account.id, proof: result.proof, alone: true });
    case 'refused':
      return show(step, 'code', { fieldErrors: { code: 'mailCode.error.refused' }, status: 401 });
    default: {
      const { kind, retryAfterSeconds } = result;
      const status = kind === 'locked' ? 429 : 503;
      return show(step, 'code', { error: `login.error.${kind}`, retryAfterSeconds, status });
    }
  }
}

/** Mounted only where the setting offers it. */
export function mailCodePages(deps: MailCodeDeps): Page[] {
  const common = { params: uidParams, csrfBinding: boundToInteraction } as const;
  return [
    page({
      ...common,
      method: 'GET',
      path: '/interaction/:uid/mail-code',
      limit: 'page',
      run: (input) => withStep(deps, input, (step) => show(step, 'address')),
    }),
    page({
      ...common,
      method: 'POST',
      path: '/interaction/:uid/mail-code',
      limit: 'recovery',
      form: AddressForm,
      run: (input) =>
        withStep(deps, input, (step) => {
          const identifier = input.typed.identifier ?? '';
          if (input.form) return send(step, deps, input.form.identifier);
          return show(step, 'address', { identifier, fieldErrors: input.formErrors, status: 400 });
        }),
    }),
    page({
      ...common,
      method: 'GET',
      path: '/interaction/:uid/mail-code/code',
      limit: 'page',
      run: (input) => withStep(deps, input, (step) => show(step, 'code')),
    }),
    page({
      ...common,
      method: 'POST',
      path: '/interaction/:uid/mail-code/code',
      limit: 'sign-in',
      form: CodeForm,
      run: (input) =>
        withStep(deps, input, (step) =>
          input.form
            ? prove(step, deps, input.form.code)
            : show(step, 'code', { fieldErrors: input.formErrors, status: 400 }),
        ),
    }),
  ];
}
