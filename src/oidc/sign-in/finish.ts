// What a step comes to: the result with which the engine goes on, and the session under which it does.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Interaction, InteractionResults, Provider } from 'oidc-provider';
import type { Assurance } from '../../assurance/assurance.ts';
import { toldOf } from '../../lib/strength.ts';
import type { BrowserAccounts, SignedIn } from '../browser-accounts.ts';
import type { ClientSource } from '../client-source.ts';
import type { OrganizationChoice } from '../consent/choice.ts';
import { SELECT_ORGANIZATION } from '../consent/organizations.ts';
import {
  afterObstacle,
  afterProof,
  afterRenewal,
  type FinishingDeps,
  noteBrowser,
  type Progress,
  type Proved,
  type Renewed,
} from './finishing.ts';
import {
  anewMark,
  asResult,
  beganAt,
  provedBy,
  type SigningIn,
  underWayIn,
  withoutUnderWay,
} from './under-way.ts';

export type StepOutcome =
  /** One more thing was proved. What was ended since it was looked at stays ended. */
  | Proved
  /** What stood in the way of this step is there no more: terms are accepted. */
  | { readonly kind: 'cleared' }
  | Renewed
  | { readonly kind: 'account_selected'; readonly sessionId: string }
  | { readonly kind: 'organization_selected'; readonly organizationId: OrganizationChoice }
  | { readonly kind: 'consented'; readonly grantId: string }
  | { readonly kind: 'cancelled' };

export interface FinishDeps extends FinishingDeps {
  provider: () => Provider;
  browser: BrowserAccounts;
  clientSource: ClientSource;
  assurance: Assurance;
}

type Session = SignedIn['session'];

interface Finishing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly interaction: Interaction;
  readonly outcome: StepOutcome;
  /** All who are signed in in this browser. */
  readonly here: readonly SignedIn[];
}

export function createFinish(deps: FinishDeps) {
  const { provider, browser } = deps;

  return async (
    request: IncomingMessage,
    response: ServerResponse,
    outcome: StepOutcome,
  ): Promise<string | undefined> => {
    const interaction = await provider().interactionDetails(request, response);
    const here = await browser.list(request, response);
    const finishing = { request, response, interaction, outcome, here };
    const progress = await progressOf(finishing, deps);
    if (progress?.kind === 'worthless') return undefined;
    const complete = progress?.kind === 'complete' ? progress.signingIn : undefined;
    const session = await sessionFor(finishing, complete, browser);
    if (outcome.kind === 'account_selected' && session === undefined) return undefined;
    const accountBefore = interaction.session?.accountId;
    if (session) {
      await browser.activate(request, response, session);
      interaction.session = referenceTo(session, interaction.session);
    }
    // What another account has proved or allowed before in this request is not this one's.
    const isSame = interaction.session?.accountId === accountBefore;
    interaction.result = resultOf(finishing, progress, isSame ? interaction.lastSubmission : undefined);
    await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
    if (complete) {
      await deps.assurance.completed(complete.accountId, complete.proofs);
      await noteBrowser(request, response, complete, deps.devices);
    }
    return interaction.returnTo;
  };
}

/** undefined for a step that has nothing to do with a sign-in. */
async function progressOf(
  { request, interaction, outcome, here }: Finishing,
  deps: FinishDeps,
): Promise<Progress | undefined> {
  if (outcome.kind !== 'proved' && outcome.kind !== 'cleared' && outcome.kind !== 'renewed') return undefined;
  const engineClient = await deps.provider().Client.find(String(interaction.params.client_id));
  if (!engineClient) return { kind: 'worthless' };
  const underWay = underWayIn(interaction.lastSubmission);
  const own = here.find(({ session }) => session.uid === interaction.session?.uid)?.session;
  const situation = {
    request,
    prompt: interaction.prompt.name,
    params: interaction.params,
    client: deps.clientSource.registered(engineClient),
    before: underWay ?? provedBy(own),
  };
  if (outcome.kind === 'proved') return afterProof(outcome, situation, deps);
  if (outcome.kind === 'renewed') return afterRenewal(outcome, situation, deps);
  return underWay && afterObstacle(underWay, situation, deps);
}

/**
 * The session under which the engine is to go on. Were it shown one of another account than the one that signed in, it
 * would sign that one out. undefined: the one that it has, in which nobody is signed in yet.
 */
async function sessionFor(
  { interaction, outcome, here }: Finishing,
  complete: SigningIn | undefined,
  browser: BrowserAccounts,
): Promise<Session | undefined> {
  if (outcome.kind === 'account_selected') return here.find(({ id }) => id === outcome.sessionId)?.session;
  // Also when another tab has switched meanwhile: this request goes on as whom it began.
  if (complete === undefined)
    return here.find(({ session }) => session.uid === interaction.session?.uid)?.session;
  const own = here.find(({ account }) => account.id === complete.accountId);
  if (own) return own.session;
  const somebodyElse = interaction.session !== undefined || here.some(({ active }) => active);
  if (!somebodyElse) return undefined;
  const { accountId, proofs } = complete;
  return browser.begin(accountId, { proofs, at: new Date(beganAt(proofs)) });
}

function referenceTo(session: Session, before: Interaction['session']): Interaction['session'] {
  const { uid, jti, accountId = '', acr, amr } = session;
  return before?.uid === uid ? before : { accountId, uid, cookie: jti, acr, amr };
}

function resultOf(
  { outcome }: Finishing,
  progress: Progress | undefined,
  kept: InteractionResults | undefined,
): InteractionResults {
  if (progress && progress.kind !== 'worthless') return resultOfSignIn(progress, kept);
  switch (outcome.kind) {
    case 'account_selected':
      return { ...withoutUnderWay(kept), select_account: {} };
    case 'organization_selected':
      return { ...kept, [SELECT_ORGANIZATION]: { organizationId: outcome.organizationId } };
    case 'consented':
      return { ...kept, consent: { grantId: outcome.grantId } };
    case 'cancelled':
      return { error: 'access_denied', error_description: 'End-User aborted interaction' };
    default:
      return { ...kept };
  }
}

function resultOfSignIn(
  { kind, signingIn }: Exclude<Progress, { kind: 'worthless' }>,
  kept: InteractionResults | undefined,
): InteractionResults {
  const { accountId, proofs, isAnew } = signingIn;
  const rest = { ...(isAnew ? undefined : withoutUnderWay(kept)), select_account: {} };
  if (kind === 'under_way') return { ...rest, ...asResult(signingIn) };
  const ts = Math.floor(beganAt(proofs) / 1000);
  return { ...rest, login: { accountId, ...toldOf(proofs), ts }, ...anewMark(isAnew) };
}
