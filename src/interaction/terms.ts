// Accept the terms: asked of everybody who has not accepted the version that holds, whatever way they came in.

import { z } from 'zod';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import type { Registration } from '../registration/registration.ts';
import { boundToInteraction, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface TermsDeps extends StepDeps {
  readonly registration: Pick<Registration, 'terms'>;
}

const TermsForm = z.object({ terms: z.literal('yes', 'register.error.terms') });

export function showTerms(step: Step, deps: TermsDeps, error?: string): PageResult {
  const { client } = step.pending;
  return step.show(
    'interaction/terms',
    step.t('terms.title'),
    {
      action: step.path('terms'),
      cancelAction: step.path('cancel'),
      termsUrl: deps.registration.terms.current?.url ?? null,
      client: { name: client.name, logoUri: client.logoUri },
      fieldErrors: error === undefined ? {} : { terms: error },
    },
    error === undefined ? 200 : 400,
  );
}

export function termsPages(deps: TermsDeps): Page[] {
  return [
    page({
      method: 'POST',
      path: '/interaction/:uid/terms',
      limit: 'page',
      params: uidParams,
      form: TermsForm,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, async (step) => {
          const accountId = step.pending.signingIn?.accountId;
          if (step.pending.prompt !== 'accept_terms' || accountId === undefined) {
            return { kind: 'redirect', to: step.path() };
          }
          if (!input.form) return showTerms(step, deps, 'register.error.terms');
          await deps.registration.terms.accept(accountId);
          return step.finish({ kind: 'cleared' });
        }),
    }),
  ];
}
