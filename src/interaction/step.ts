// The frame of every step between /authorize and the redirect back: load the pending request, show a view, finish.
// The only file here that sees Koa's context; a step never sends the person to another step but back to the engine.
import { z } from 'zod';
import type { Interactions, PendingInteraction, StepOutcome } from '../oidc/oidc.ts';
import type { PageInput, PageResult } from '../platform/http/page.ts';
import { requestOf } from '../platform/http/request-id.ts';
import type { Translate } from '../platform/i18n.ts';

export interface StepDeps {
  readonly interactions: Interactions;
}

export const uidParams = z.object({ uid: z.string().min(1).max(64) });

/** The form's token is tied to this one sign-in. */
export const boundToInteraction = (params: Readonly<Record<string, string>>): string => params.uid ?? '';

type StepInput = Pick<PageInput<{ uid: string }, unknown, unknown>, 'ctx' | 'params' | 'speak'>;

export interface Step {
  readonly pending: PendingInteraction;
  readonly locale: string;
  readonly t: Translate;
  /** A page of this step. Its form may lead to the client, so the client's address is allowed as a target. */
  show(
    view: string,
    title: string,
    model: object,
    status?: number,
    headers?: Record<string, string>,
  ): PageResult;
  finish(outcome: StepOutcome): Promise<PageResult>;
  /** Who is signed in in this browser, the one that the engine sees first. */
  accountsHere(): ReturnType<Interactions['accountsHere']>;
  /** Signs one of them out. */
  signOut(sessionId: string): Promise<void>;
  /** The address of this interaction, or of one of its pages. */
  path(page?: string): string;
}

/** Runs `take` with the pending request, or shows the way out when it is gone (back button, second tab, cookies off). */
export async function withStep(
  deps: StepDeps,
  input: StepInput,
  take: (step: Step) => Promise<PageResult> | PageResult,
): Promise<PageResult> {
  const { ctx, params } = input;
  const pending = await deps.interactions.find(ctx.req, ctx.res, params.uid);
  if (!pending) return lost(input);
  const facts = requestOf(ctx);
  facts.clientId = pending.client.id;
  facts.accountId = pending.signingIn?.accountId ?? pending.accountId;
  const { locale, t } = input.speak(pending.params.ui_locales);
  const path = (page?: string) => `/interaction/${pending.uid}${page ? `/${page}` : ''}`;
  return take({
    pending,
    locale,
    t,
    path,
    show: (view, title, model, status = 200, headers = {}) => ({
      kind: 'view',
      view,
      title,
      model,
      status,
      locale,
      headers,
      formAction: pending.redirectUri ? [pending.redirectUri] : [],
    }),
    accountsHere: () => deps.interactions.accountsHere(ctx.req, ctx.res),
    signOut: (sessionId) => deps.interactions.signOut(ctx.req, ctx.res, sessionId),
    finish: async (outcome) => {
      if (outcome.kind === 'proved') facts.accountId = outcome.accountId;
      return { kind: 'redirect', to: (await deps.interactions.finish(ctx.req, ctx.res, outcome)) ?? path() };
    },
  });
}

/** What the page was to ask is asked no more: the engine says what is next. */
export async function goOn(step: Step): Promise<PageResult> {
  const isAsked = ['second_factor', 'enrol_factor', 'change_password', 'complete_profile'].includes(
    step.pending.prompt,
  );
  return isAsked ? step.finish({ kind: 'cleared' }) : { kind: 'redirect', to: step.path() };
}

/**
 * The sign-in goes on in any case; where recovery codes came with a factor, after a page that shows them: whoever closes that
 * one signs in anew, with the factor that is there now.
 */
export function goOnPastCodes(step: Step, next: PageResult, codes: readonly string[] | null): PageResult {
  if (codes === null || next.kind !== 'redirect') return next;
  const { client } = step.pending;
  return step.show('interaction/recovery-codes', step.t('recoveryCodes.title'), {
    codes,
    continueTo: next.to,
    client: { name: client.name, logoUri: client.logoUri },
  });
}

function lost(input: StepInput): PageResult {
  const { t, locale } = input.speak(undefined);
  const reason = lostReason(input.ctx.req.headers.cookie);
  return {
    kind: 'view',
    view: 'interaction/lost',
    title: t('lost.title'),
    status: 400,
    locale,
    model: { reason, clientUri: null },
  };
}

/** The interaction's cookie lives as long as the interaction may: with the cookie and without a record, it is finished. */
function lostReason(cookies: string | undefined): 'cookies' | 'expired' | 'finished' {
  if (cookies === undefined) return 'cookies';
  return /(^|; ?)(__Secure-)?interaction=/.test(cookies) ? 'finished' : 'expired';
}
