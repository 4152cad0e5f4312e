// A phone number for one-time codes, set up on the way: where to, and then the code that arrived there, at one address.
import { z } from 'zod';
import type { AddedFactor, Credentials } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import { AppError } from '../platform/errors.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { waitInWords } from '../platform/http/render-page.ts';
import { boundToInteraction, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface EnrolSmsDeps extends StepDeps {
  readonly credentials: Pick<Credentials, 'factors'>;
}

/** What the page shows of it. */
export interface SmsModel {
  readonly step: 'to' | 'code';
  /** As typed, so that another code can be asked for. */
  readonly to: string;
  /** Shortened, or as typed once a code was refused; null before one was sent. */
  readonly sentTo: string | null;
}

interface Shown {
  readonly sms: SmsModel;
  readonly error?: string;
  readonly wait?: string;
  /** Message keys. */
  readonly fieldErrors?: Readonly<Record<string, string>>;
  readonly status?: number;
}

export interface EnrolSmsFrame {
  /** Who sets one up; undefined where none may be. */
  enrollerOf(step: Step): AccountId | undefined;
  show(step: Step, shown: Shown): Promise<PageResult>;
  goOnWith(step: Step, factor: AddedFactor): Promise<PageResult>;
}

/** `code` is there in the second step. */
const Form = z.object({
  to: z.string().trim().max(60).default(''),
  code: z.string().trim().max(64).optional(),
});

export const asked: SmsModel = { step: 'to', to: '', sentTo: null };

export function enrolSmsPages(deps: EnrolSmsDeps, frame: EnrolSmsFrame): Page[] {
  const { factors } = deps.credentials;

  async function send(step: Step, accountId: AccountId, to: string): Promise<PageResult> {
    const again = { ...asked, to };
    if (to === '')
      return frame.show(step, { sms: again, fieldErrors: { to: 'field.error.required' }, status: 400 });
    try {
      const sent = await factors.codes.begin(
        accountId,
        { channel: 'sms', to },
        step.pending.uid,
        step.locale,
      );
      if (sent.kind === 'sent') return await frame.show(step, { sms: { step: 'code', to, sentTo: sent.to } });
      const wait = waitInWords(step.t, sent.retryAfterSeconds);
      return await frame.show(step, { sms: again, error: 'security.codes.limited', wait, status: 429 });
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      const { code, status } = error;
      return frame.show(step, { sms: again, fieldErrors: { to: `error.${code}` }, status });
    }
  }

  async function confirm(step: Step, accountId: AccountId, to: string, code: string): Promise<PageResult> {
    const given = {
      channel: 'sms',
      code,
      binding: step.pending.uid,
      name: step.t('factor.kind.sms'),
    } as const;
    try {
      const by = { kind: 'account', id: accountId } as const;
      return await frame.goOnWith(step, await factors.codes.confirm(accountId, given, by));
    } catch (error) {
      if (!(error instanceof AppError) || error.status >= 500) throw error;
      if (error.code !== 'code_wrong')
        return frame.show(step, {
          sms: { ...asked, to },
          error: `error.${error.code}`,
          status: error.status,
        });
      const fieldErrors = { code: 'factor.error.refused' };
      return frame.show(step, { sms: { step: 'code', to, sentTo: to }, fieldErrors, status: 400 });
    }
  }

  return [
    page({
      method: 'POST',
      path: '/interaction/:uid/enrol-factor/sms',
      limit: 'sign-in',
      params: uidParams,
      csrfBinding: boundToInteraction,
      form: Form,
      run: (input) =>
        withStep(deps, input, (step) => {
          const accountId = frame.enrollerOf(step);
          if (accountId === undefined) return { kind: 'redirect', to: step.path() };
          const { to = '', code } = input.form ?? { to: input.typed.to };
          if (code === undefined) return send(step, accountId, to);
          if (code !== '') return confirm(step, accountId, to, code);
          const fieldErrors = { code: 'factor.error.codeMissing' };
          return frame.show(step, { sms: { step: 'code', to, sentTo: to }, fieldErrors, status: 400 });
        }),
    }),
  ];
}
