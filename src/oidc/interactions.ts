// What the hosted pages may know and do between /authorize and the redirect back: the pending request, its outcome, consent.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { errors, type Interaction, type Provider } from 'oidc-provider';
import type { Apis } from '../apis/apis.ts';
import type { Assurance, Missing } from '../assurance/assurance.ts';
import type { Audit } from '../audit/audit.ts';
import type { Client } from '../clients/clients.ts';
import type { Passwords } from '../credentials/credentials.ts';
import type { AccountId } from '../lib/ids.ts';
import type { Proof } from '../lib/strength.ts';
import type { Config } from '../platform/config/schema.ts';
import type { Postgres } from '../platform/database/postgres.ts';
import type { BrowserAccounts, SignedIn } from './browser-accounts.ts';
import type { ClientSource } from './client-source.ts';
import { type Asked, askedIn } from './consent/asked.ts';
import { rememberConsent } from './consent/consents.ts';
import { chooseFor } from './consent/grant-organization.ts';
import { addTo, grantLifetimeSeconds } from './consent/grants.ts';
import type { Membership } from './consent/organizations.ts';
import type { Cutoffs } from './cutoffs.ts';
import { framesOf } from './pages/front-channel.ts';
import { askIn } from './sign-in/asked-strength.ts';
import { createFinish, type StepOutcome } from './sign-in/finish.ts';
import { type KnownBrowsers, stillCounting } from './sign-in/finishing.ts';
import { createStrengthen } from './sign-in/strengthen.ts';
import { provedBy, type SigningIn, underWayIn } from './sign-in/under-way.ts';
import type { Grantable } from './tokens/grantable.ts';

export type { StepOutcome } from './sign-in/finish.ts';

export interface PendingInteraction extends Asked {
  readonly uid: string;
  /** What is to be done next: 'login', 'second_factor', 'consent' and so on. */
  readonly prompt: string;
  /** Why, in the engine's words: 'no_session', 'login_prompt', 'max_age' and so on. */
  readonly reasons: readonly string[];
  readonly client: Client;
  readonly params: Readonly<Record<string, string | undefined>>;
  /** Where the answer will go; null for a device. */
  readonly redirectUri: string | null;
  /** Who is signed in, as far as this browser's session goes. */
  readonly accountId: string | null;
  /** Who is on the way in and what they proved, by this sign-in or before by their session; null once that is no question. */
  readonly signingIn: SigningIn | null;
  /** What they lack. */
  readonly missing: Missing | null;
  /** The one that `organizationId` means, as long as the account is a member. */
  readonly organization: Membership | null;
  /** Where the person may act for this client, when that is the question: organizations, and whether also without one. */
  readonly choices: { readonly organizations: readonly Membership[]; readonly none: boolean };
}

export interface Interactions {
  /** undefined when it expired, was finished elsewhere, or belongs to another browser. */
  find(
    request: IncomingMessage,
    response: ServerResponse,
    uid: string,
  ): Promise<PendingInteraction | undefined>;
  /**
   * Stores what was proved; answers the address at which the engine goes on. undefined for a proof that is worth nothing
   * any more: a new password was set, or the account was suspended, while it was looked at.
   */
  finish(
    request: IncomingMessage,
    response: ServerResponse,
    outcome: StepOutcome,
  ): Promise<string | undefined>;
  /**
   * Counts what was just proved in the active session, be it that of this account; its id is a new one then. A sign-in goes
   * on by `finish`.
   */
  strengthen(
    request: IncomingMessage,
    response: ServerResponse,
    accountId: AccountId,
    proof: Proof,
  ): Promise<void>;
  /** Makes the grant for what was asked, remembers it, and writes it to the ledger. */
  grantConsent(pending: PendingInteraction): Promise<string>;
  denyConsent(pending: PendingInteraction): Promise<void>;
  /** Who is signed in in this browser, the one that the engine sees first. */
  accountsHere(request: IncomingMessage, response: ServerResponse): Promise<SignedIn[]>;
  /** The one that the engine sees; each look keeps their session from going idle. */
  activeHere(request: IncomingMessage, response: ServerResponse): Promise<SignedIn | undefined>;
  /** Signs one of them out; nothing when it is not signed in here. */
  signOut(request: IncomingMessage, response: ServerResponse, sessionId: string): Promise<void>;
  /** The same apart from any request of an app; the addresses by which the browser tells apps of it (front-channel logout). */
  leave(request: IncomingMessage, response: ServerResponse, sessionId: string): Promise<readonly string[]>;
}

export interface InteractionsDeps {
  provider: () => Provider;
  browser: BrowserAccounts;
  clientSource: ClientSource;
  apis: Pick<Apis, 'known'>;
  grantable: Grantable;
  membershipsOf: (accountId: string) => Promise<readonly Membership[]>;
  postgres: Postgres;
  audit: Audit;
  tokens: Config['tokens'];
  cutoffs: Pick<Cutoffs, 'ofAccount'>;
  passwords: Pick<Passwords, 'setAt'>;
  assurance: Assurance;
  devices: KnownBrowsers;
}

export function createInteractions(deps: InteractionsDeps): Interactions {
  const { provider, browser, clientSource, postgres, audit } = deps;

  return {
    async find(request, response, uid) {
      const interaction = await detailsOf(provider(), request, response);
      if (!interaction || interaction.uid !== uid) return undefined;
      const clientId = interaction.params.client_id;
      const engineClient = await provider().Client.find(String(clientId));
      if (!engineClient) return undefined;
      return pendingOf(interaction, clientSource.registered(engineClient), deps);
    },

    finish: createFinish(deps),
    strengthen: createStrengthen(deps),

    async grantConsent(pending) {
      const accountId = pending.accountId ?? '';
      const { Grant } = provider();
      const { organizationId = null } = pending;
      const clientId = pending.client.id;
      const grant = new Grant({ accountId, clientId });
      chooseFor(grant, pending.organizationId);
      addTo(grant, pending.asked);
      grant.exp = Math.floor(Date.now() / 1000) + grantLifetimeSeconds(deps.tokens, pending.client);
      const grantId = await grant.save();
      await postgres.transaction(async (trx) => {
        await rememberConsent(trx, { accountId, clientId, organizationId }, pending.asked);
        await audit.record(trx, {
          type: 'consent.granted',
          actor: { kind: 'account', id: accountId },
          outcome: 'success',
          accountId,
          clientId,
          target: { kind: 'grant', id: grantId },
          details: { ...pending.asked, ...(organizationId && { organizationId }) },
        });
      });
      return grantId;
    },

    async denyConsent(pending) {
      await audit.append({
        type: 'consent.denied',
        actor: { kind: 'account', id: pending.accountId },
        outcome: 'denied',
        accountId: pending.accountId,
        clientId: pending.client.id,
        details: {
          ...pending.asked,
          ...(pending.organizationId && { organizationId: pending.organizationId }),
        },
      });
    },

    accountsHere: browser.list,
    activeHere: browser.visit,

    async signOut(request, response, id) {
      const interaction = await provider().interactionDetails(request, response);
      const one = await browser.signOut(request, response, id);
      if (!one || one.session.uid !== interaction.session?.uid) return;
      // The request that led here lives on, for whoever signs in next.
      interaction.session = undefined;
      await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
    },

    async leave(request, response, id) {
      const one = await browser.signOut(request, response, id);
      return one === undefined ? [] : framesOf(one.session, deps);
    },
  };
}

async function detailsOf(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Interaction | undefined> {
  try {
    return await provider.interactionDetails(request, response);
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return undefined;
    throw error;
  }
}

async function pendingOf(
  interaction: Interaction,
  client: Client,
  deps: Pick<
    InteractionsDeps,
    'apis' | 'grantable' | 'membershipsOf' | 'assurance' | 'cutoffs' | 'passwords' | 'provider'
  >,
): Promise<PendingInteraction> {
  const underWay = underWayIn(interaction.lastSubmission);
  const signingIn = underWay
    ? { ...underWay, proofs: await stillCounting(underWay, deps) }
    : await provedBefore(interaction, deps);
  const params = stringsOf(interaction.params);
  const accountId = interaction.session?.accountId ?? null;
  const asked = await askedIn(interaction, client, deps);
  const memberships = accountId === null ? [] : await deps.membershipsOf(accountId);
  return {
    uid: interaction.uid,
    prompt: interaction.prompt.name,
    reasons: interaction.prompt.reasons,
    client,
    params,
    redirectUri: interaction.deviceCode ? null : (params.redirect_uri ?? null),
    accountId,
    signingIn,
    missing: signingIn && (await missingOf(interaction, client, signingIn, deps)),
    ...asked,
    organization: memberships.find((one) => one.organizationId === asked.organizationId) ?? null,
    choices: choicesOf(interaction, memberships),
  };
}

/** Steps after the sign-in ask no more about it. */
const afterSignIn = ['select_account', 'select_organization', 'consent'];

async function provedBefore(
  { prompt, session }: Interaction,
  { provider }: Pick<InteractionsDeps, 'provider'>,
): Promise<SigningIn | null> {
  if (session === undefined || afterSignIn.includes(prompt.name)) return null;
  return provedBy(await provider().Session.findByUid(session.uid)) ?? null;
}

async function missingOf(
  { prompt, params }: Interaction,
  client: Client,
  { accountId, proofs }: SigningIn,
  { assurance }: Pick<InteractionsDeps, 'assurance'>,
): Promise<Missing | null> {
  if (afterSignIn.includes(prompt.name)) return null;
  return (await assurance.missing(accountId, proofs, askIn(params, client))) ?? null;
}

function choicesOf(
  { prompt }: Interaction,
  memberships: readonly Membership[],
): PendingInteraction['choices'] {
  const among: unknown[] = [prompt.details.organizations].flat();
  return {
    organizations: memberships.filter(({ organizationId }) => among.includes(organizationId)),
    none: among.includes(null),
  };
}

function stringsOf(params: Readonly<Record<string, unknown>>): Record<string, string | undefined> {
  const strings = Object.entries(params).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(strings);
}
