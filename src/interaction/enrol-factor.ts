// A second factor is asked for and there is none: one is set up on the way, and what it proves counts at once. The recovery
// codes that come with the first one are shown before the sign-in goes on.
import { z } from 'zod';
import type { Accounts } from '../accounts/accounts.ts';
import type { AddedFactor, Credentials, FactorKind } from '../credentials/credentials.ts';
import { provedBySettingUp } from '../credentials/schema.ts';
import type { AccountId } from '../lib/ids.ts';
import { AppError } from '../platform/errors.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { asked, enrolSmsPages, type SmsModel } from './enrol-sms.ts';
import {
  boundToInteraction,
  goOn,
  goOnPastCodes,
  type Step,
  type StepDeps,
  uidParams,
  withStep,
} from './step.ts';

export interface EnrolFactorDeps extends StepDeps {
  readonly accounts: Pick<Accounts, 'find'>;
  readonly credentials: Pick<Credentials, 'factors'>;
}

const kinds = ['totp', 'passkey', 'sms'] as const;
type Kind = (typeof kinds)[number];

const KindQuery = z.object({ kind: z.enum(kinds).optional() });
const TotpForm = z.object({
  enrolment: z.string().max(2000),
  code: z.string().trim().min(1, 'factor.error.codeMissing').max(64, 'factor.error.refused'),
});
const PasskeyForm = z.object({
  response: z.string().min(1).max(32_768),
  name: z.string().max(100).optional(),
});

interface Shown {
  kind?: Kind | undefined;
  error?: string;
  /** What is filled into the sentence of the error. */
  wait?: string;
  /** Message keys. */
  fieldErrors?: Readonly<Record<string, string | undefined>>;
  /** The set-up that was begun, to be tried again with the same code in the app. */
  enrolment?: string | undefined;
  sms?: SmsModel;
  status?: number;
}

/** What may be set up here; undefined when this step is not what is asked. */
function kindsOf({ pending }: Step): Kind[] | undefined {
  const { prompt, missing } = pending;
  if (prompt !== 'enrol_factor' || missing?.prompt !== 'enrol_factor') return undefined;
  const able: readonly FactorKind[] = missing.kinds;
  return kinds.filter((kind) => able.includes(kind));
}

export async function showEnrolFactor(
  step: Step,
  deps: EnrolFactorDeps,
  shown: Shown = {},
): Promise<PageResult> {
  const { signingIn, missing, client } = step.pending;
  const able = kindsOf(step);
  if (!able || !signingIn || missing?.prompt !== 'enrol_factor') return goOn(step);
  const kind = able.find((one) => one === shown.kind) ?? (able.length === 1 ? able[0] : undefined);
  const account = await deps.accounts.find(signingIn.accountId);
  return step.show(
    'interaction/enrol-factor',
    step.t('enrol.title'),
    {
      kind: kind ?? null,
      kinds: able.map((one) => ({ kind: one, href: `${step.path('enrol-factor')}?kind=${one}` })),
      // More may be offered than there is a page for elsewhere; the reason is told in the words of the first.
      reason: missing.required.reasons[0] ?? 'server',
      action: step.path(`enrol-factor/${kind ?? ''}`),
      backHref: able.length > 1 ? step.path('enrol-factor') : null,
      cancelAction: step.path('cancel'),
      switchAccountAction: step.path('switch-account'),
      ...(await setUpOf(step, deps, signingIn.accountId, kind, shown)),
      account: account?.email ?? account?.username ?? account?.name ?? '',
      error: shown.error === undefined ? null : step.t(shown.error, { wait: shown.wait ?? '' }),
      fieldErrors: shown.fieldErrors ?? {},
      client: { name: client.name, logoUri: client.logoUri },
    },
    shown.status,
  );
}

/** What the browser or the app is given to begin with. */
async function setUpOf(
  step: Step,
  { credentials }: EnrolFactorDeps,
  accountId: AccountId,
  kind: Kind | undefined,
  { enrolment, sms }: Shown,
) {
  const { totp, passkeys } = credentials.factors;
  const label = step.t('enrol.totp.qr');
  if (kind === 'totp')
    return {
      totp: enrolment ? await totp.resume(accountId, enrolment, label) : await totp.begin(accountId, label),
    };
  if (kind === 'passkey') {
    const options = await passkeys.optionsToRegister(accountId, step.pending.uid);
    return { passkey: { action: step.path('enrol-factor/passkey'), options } };
  }
  return kind === 'sms' ? { sms: sms ?? asked } : {};
}

/** It is proved by being set up, and the sign-in goes on. */
async function goOnWith(step: Step, factor: AddedFactor): Promise<PageResult> {
  const next = await step.finish({
    kind: 'proved',
    accountId: step.pending.signingIn?.accountId ?? '',
    proof: provedBySettingUp(factor),
  });
  return goOnPastCodes(step, next, factor.recoveryCodes);
}

async function enrolTotp(
  step: Step,
  deps: EnrolFactorDeps,
  form: z.output<typeof TotpForm>,
): Promise<PageResult> {
  const { signingIn } = step.pending;
  if (!signingIn || !kindsOf(step)?.includes('totp')) return { kind: 'redirect', to: step.path() };
  const { accountId } = signingIn;
  const name = step.t('factor.kind.totp');
  try {
    const factor = await deps.credentials.factors.totp.confirm(
      accountId,
      { ...form, name },
      asPerson(accountId),
    );
    return await goOnWith(step, factor);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const again = { kind: 'totp', status: 400 } as const;
    if (error.code === 'enrolment_expired')
      return showEnrolFactor(step, deps, { ...again, error: 'enrol.error.expired' });
    if (error.code !== 'code_wrong') throw error;
    const { enrolment } = form;
    return showEnrolFactor(step, deps, {
      ...again,
      enrolment,
      fieldErrors: { code: 'factor.error.refused' },
    });
  }
}

async function enrolPasskey(
  step: Step,
  deps: EnrolFactorDeps,
  { response, name = '' }: z.output<typeof PasskeyForm>,
): Promise<PageResult> {
  const { signingIn, uid } = step.pending;
  if (!signingIn || !kindsOf(step)?.includes('passkey')) return { kind: 'redirect', to: step.path() };
  const { accountId } = signingIn;
  try {
    const given = { response: parsed(response), name, t: step.t };
    const by = asPerson(accountId);
    const factor = await deps.credentials.factors.passkeys.register(accountId, given, uid, by);
    return await goOnWith(step, factor);
  } catch (error) {
    if (!(error instanceof AppError) || error.status >= 500) throw error;
    return showEnrolFactor(step, deps, { kind: 'passkey', error: 'passkey.error.refused', status: 400 });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const asPerson = (id: AccountId) => ({ kind: 'account', id }) as const;

export function enrolFactorPages(deps: EnrolFactorDeps): Page[] {
  const head = { params: uidParams, csrfBinding: boundToInteraction } as const;
  return [
    page({
      ...head,
      method: 'GET',
      path: '/interaction/:uid/enrol-factor',
      limit: 'page',
      query: KindQuery,
      run: (input) =>
        withStep(deps, input, (step) => showEnrolFactor(step, deps, { kind: input.query.kind })),
    }),
    page({
      ...head,
      method: 'POST',
      path: '/interaction/:uid/enrol-factor/totp',
      limit: 'sign-in',
      form: TotpForm,
      run: (input) =>
        withStep(deps, input, (step) => {
          if (input.form) return enrolTotp(step, deps, input.form);
          const { enrolment } = input.typed;
          const fieldErrors = input.formErrors;
          return showEnrolFactor(step, deps, { kind: 'totp', enrolment, fieldErrors, status: 400 });
        }),
    }),
    page({
      ...head,
      method: 'POST',
      path: '/interaction/:uid/enrol-factor/passkey',
      limit: 'sign-in',
      form: PasskeyForm,
      run: (input) =>
        withStep(deps, input, (step) =>
          input.form
            ? enrolPasskey(step, deps, input.form)
            : showEnrolFactor(step, deps, { kind: 'passkey', error: 'passkey.error.refused', status: 400 }),
        ),
    }),
    ...enrolSmsPages(deps, {
      enrollerOf: (step) => (kindsOf(step)?.includes('sms') ? step.pending.signingIn?.accountId : undefined),
      show: (step, shown) => showEnrolFactor(step, deps, { kind: 'sms', ...shown }),
      goOnWith,
    }),
  ];
}
