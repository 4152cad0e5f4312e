// The second step of a sign-in: a passkey, a code from an app, a phone or a mailbox, or a recovery code. Which of them is
// enough is up to the policy; the page begins with the best and offers the others.
import { z } from 'zod';
import type { Accounts } from '../accounts/accounts.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import { shortenedMail, shortenedPhone } from '../lib/people/phone.ts';
import type { Method } from '../lib/strength.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { passkeyModel } from './passkey.ts';
import { boundToInteraction, goOn, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface SecondFactorDeps extends StepDeps {
  readonly accounts: Pick<Accounts, 'find'>;
  readonly credentials: Pick<Credentials, 'verify' | 'factors'>;
  /** For how long a browser may be remembered; 0: never. */
  readonly rememberedDays: number;
}

const ways = ['passkey', 'totp', 'sms-code', 'mail-code', 'recovery-code'] as const;
type Way = (typeof ways)[number];

const channels = { 'sms-code': 'sms', 'mail-code': 'mail' } as const;
type SentWay = keyof typeof channels;

const isSent = (way: Way): way is SentWay => way in channels;

const WayQuery = z.object({ way: z.enum(ways).optional(), sent: z.string().optional() });
const WayForm = z.object({ way: z.enum(['sms-code', 'mail-code']) });
const CodeForm = z.object({
  way: z.enum(['totp', 'sms-code', 'mail-code', 'recovery-code']),
  // As people copy it: with spaces and dashes.
  code: z.string().trim().min(1, 'factor.error.codeMissing').max(64, 'factor.error.refused'),
  remember: z.string().optional(),
});

interface Shown {
  way?: Way | undefined;
  /** A code is on its way. */
  sent?: boolean;
  error?: string;
  codeError?: string | undefined;
  retryAfterSeconds?: number;
  status?: number;
}

/** What the policy lets this person choose from; undefined when this step is not what is asked. */
function waysOf({ pending }: Step): Way[] | undefined {
  const { prompt, missing } = pending;
  if (prompt !== 'second_factor' || missing?.prompt !== 'second_factor') return undefined;
  const able: readonly Method[] = missing.methods;
  return ways.filter((way) => able.includes(way));
}

export async function showSecondFactor(
  step: Step,
  deps: SecondFactorDeps,
  shown: Shown = {},
): Promise<PageResult> {
  const { signingIn, missing, client } = step.pending;
  const able = waysOf(step);
  if (!able || !signingIn || missing?.prompt !== 'second_factor') return goOn(step);
  const way = able.find((one) => one === shown.way) ?? able[0] ?? 'recovery-code';
  const account = await deps.accounts.find(signingIn.accountId);
  const wait = shown.retryAfterSeconds;
  return step.show(
    'interaction/second-factor',
    step.t('factor.title'),
    {
      way,
      action: step.path('second-factor'),
      sendAction: step.path('second-factor/send'),
      cancelAction: step.path('cancel'),
      switchAccountAction: step.path('switch-account'),
      lostHref: `/recover/second-factor?interaction=${step.pending.uid}`,
      sentTo: shown.sent && isSent(way) ? await whereTo(deps, signingIn.accountId, way) : null,
      needsSending: isSent(way) && !shown.sent,
      others: able
        .filter((one) => one !== way)
        .map((one) => ({ way: one, href: `${step.path('second-factor')}?way=${one}` })),
      passkey: way === 'passkey' ? await passkeyModel(step, deps) : null,
      rememberDays: missing.required.rememberedDeviceServes ? deps.rememberedDays : 0,
      account: account?.email ?? account?.username ?? account?.name ?? '',
      error: shown.error ?? null,
      fieldErrors: shown.codeError === undefined ? {} : { code: shown.codeError },
      retryAfterSeconds: wait ?? null,
      client: { name: client.name, logoUri: client.logoUri },
    },
    shown.status,
    wait === undefined ? {} : { 'Retry-After': String(wait) },
  );
}

/** Shortened, as it was when the factor was set up. */
async function whereTo(
  { credentials }: SecondFactorDeps,
  accountId: AccountId,
  way: SentWay,
): Promise<string> {
  const factors = await credentials.factors.list(accountId);
  const to = String(factors.find(({ kind }) => kind === channels[way])?.details.to ?? '');
  return way === 'sms-code' ? shortenedPhone(to) : shortenedMail(to);
}

async function send(step: Step, deps: SecondFactorDeps, way: SentWay): Promise<PageResult> {
  const { signingIn, uid } = step.pending;
  if (!signingIn || !waysOf(step)?.includes(way)) return { kind: 'redirect', to: step.path() };
  const sent = await deps.credentials.factors.codes.send(
    signingIn.accountId,
    channels[way],
    uid,
    step.locale,
  );
  if (sent.kind === 'limited')
    return showSecondFactor(step, deps, {
      way,
      sent: true,
      error: 'factor.error.sendingLimited',
      retryAfterSeconds: sent.retryAfterSeconds,
      status: 429,
    });
  return { kind: 'redirect', to: `${step.path('second-factor')}?way=${way}&sent=1` };
}

async function prove(
  step: Step,
  deps: SecondFactorDeps,
  { way, code, remember }: z.output<typeof CodeForm>,
): Promise<PageResult> {
  const { signingIn, uid } = step.pending;
  if (!signingIn || !waysOf(step)?.includes(way)) return { kind: 'redirect', to: step.path() };
  const { accountId, proofs } = signingIn;
  const result = await deps.credentials.verify(way, { accountId, code, binding: uid, proofs });
  const again = { way, sent: true };
  switch (result.kind) {
    case 'ok':
      return step.finish({
        kind: 'proved',
        accountId,
        proof: result.proof,
        remember: remember !== undefined && deps.rememberedDays > 0,
      });
    case 'refused':
      return showSecondFactor(step, deps, { ...again, codeError: 'factor.error.refused', status: 401 });
    default: {
      const { kind, retryAfterSeconds } = result;
      const status = kind === 'locked' ? 429 : 503;
      return showSecondFactor(step, deps, {
        ...again,
        error: `login.error.${kind}`,
        retryAfterSeconds,
        status,
      });
    }
  }
}

export function secondFactorPages(deps: SecondFactorDeps): Page[] {
  return [
    page({
      method: 'GET',
      path: '/interaction/:uid/second-factor',
      limit: 'page',
      params: uidParams,
      query: WayQuery,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) =>
          showSecondFactor(step, deps, { way: input.query.way, sent: input.query.sent !== undefined }),
        ),
    }),
    page({
      method: 'POST',
      path: '/interaction/:uid/second-factor',
      limit: 'sign-in',
      params: uidParams,
      form: CodeForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) => {
          if (input.form) return prove(step, deps, input.form);
          const way = ways.find((one) => one === input.typed.way);
          return showSecondFactor(step, deps, {
            way,
            sent: true,
            codeError: input.formErrors.code,
            status: 400,
          });
        }),
    }),
    page({
      method: 'POST',
      path: '/interaction/:uid/second-factor/send',
      limit: 'sign-in',
      params: uidParams,
      form: WayForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) =>
          input.form ? send(step, deps, input.form.way) : { kind: 'redirect', to: step.path() },
        ),
    }),
  ];
}
