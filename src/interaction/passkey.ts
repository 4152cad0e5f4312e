// The passkey on the pages of a sign-in: alone at the first step, or beside what was proved before at the second.
import { z } from 'zod';
import type { Credentials } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Proof } from '../lib/strength.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { boundToInteraction, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface PasskeyDeps extends StepDeps {
  readonly credentials: Pick<Credentials, 'verify' | 'factors'>;
}

/** What the page of the step shows when a passkey was not taken. */
export interface PasskeyRefusal {
  readonly error: string;
  readonly status: number;
  readonly retryAfterSeconds?: number;
}

/** What partials/passkey needs in the model of a page. */
export interface PasskeyModel {
  readonly action: string;
  readonly options: unknown;
}

const PasskeyForm = z.object({
  response: z.string().min(1).max(32_768),
  remember: z.string().max(10).optional(),
});

/** Whom the passkey is asked of: whoever is on the way in, at the second step; of anybody before that. */
function askedOf({ pending }: Step): { accountId: AccountId | null; proofs: readonly Proof[] } {
  const { prompt, signingIn } = pending;
  return prompt === 'second_factor' && signingIn !== null ? signingIn : { accountId: null, proofs: [] };
}

export async function passkeyModel(step: Step, { credentials }: PasskeyDeps): Promise<PasskeyModel> {
  const { accountId } = askedOf(step);
  const options = await credentials.factors.passkeys.optionsToSignIn(accountId, step.pending.uid);
  return { action: step.path('passkey'), options };
}

/** `refused` shows the page on which it was asked for, anew. */
export function passkeyPages(
  deps: PasskeyDeps,
  refused: (step: Step, refusal: PasskeyRefusal) => Promise<PageResult> | PageResult,
): Page[] {
  const path = '/interaction/:uid/passkey';
  return [
    page({
      method: 'GET',
      path,
      limit: 'page',
      params: uidParams,
      csrfBinding: boundToInteraction,
      // Where a browser lands that loads a refusal again.
      run: (input) => withStep(deps, input, (step) => ({ kind: 'redirect', to: step.path() })),
    }),
    page({
      method: 'POST',
      path,
      limit: 'sign-in',
      params: uidParams,
      form: PasskeyForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, async (step) => {
          const { form } = input;
          if (form === undefined) return refused(step, { error: 'passkey.error.refused', status: 400 });
          const { accountId, proofs } = askedOf(step);
          const response = parsed(form.response);
          const binding = step.pending.uid;
          const result = await deps.credentials.verify('passkey', { accountId, proofs, response, binding });
          if (result.kind === 'ok') {
            const { account, proof } = result;
            const proved = { kind: 'proved', accountId: account.id, proof } as const;
            if (accountId === null) return step.finish({ ...proved, alone: true });
            return step.finish({ ...proved, remember: form.remember !== undefined });
          }
          return refused(step, refusalOf(result));
        }),
    }),
  ];
}

type Refused = Exclude<Awaited<ReturnType<Credentials['verify']>>, { kind: 'ok' }>;

function refusalOf(result: Refused): PasskeyRefusal {
  if (result.kind === 'refused') return { error: 'passkey.error.refused', status: 401 };
  const { retryAfterSeconds } = result;
  return result.kind === 'locked'
    ? { error: 'login.error.locked', status: 429, retryAfterSeconds }
    : { error: 'login.error.busy', status: 503, retryAfterSeconds };
}

/** What is no JSON is no answer, and is refused like any other that does not fit. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
