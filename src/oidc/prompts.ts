// THE dispatcher: the ordered list of what must be proved before an authorization request is answered.
// A new step is one prompt here and one row in interaction/steps.ts; no step ever sends a person to another step.
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { Assurance } from '../assurance/assurance.ts';
import type { BrowserAccounts } from './browser-accounts.ts';
import type { ClientSource } from './client-source.ts';
import { type OrganizationChoices, SELECT_ORGANIZATION } from './consent/organizations.ts';
import { createStandings } from './sign-in/missing.ts';
import { continueSignIn, signInPrompts } from './sign-in/prompts.ts';
import { underWayIn } from './sign-in/under-way.ts';

const { Check, Prompt, base } = interactionPolicy;

export interface PromptsDeps {
  clientSource: ClientSource;
  browser: Pick<BrowserAccounts, 'hasOthers'>;
  organizations: OrganizationChoices;
  assurance: Pick<Assurance, 'missing'>;
  config: { readonly registration: { readonly mode: string } };
}

export function prompts(deps: PromptsDeps) {
  const policy = base();
  const standings = createStandings(deps);

  const selectAccount = new Prompt(
    { name: 'select_account', requestable: true },
    // One account of this browser was signed out, others were not: which of them goes on is not ours to guess.
    new Check(
      'signed_in_elsewhere',
      'End-User account selection is required',
      'account_selection_required',
      async (ctx) => isToChoose(ctx) && deps.browser.hasOthers(ctx.req, ctx.res),
    ),
  );
  policy.add(selectAccount, 0);
  // A server that nobody can register at does not know the value.
  if (deps.config.registration.mode !== 'closed') policy.add(create(), 1);

  const login = policy.get('login');
  login?.checks.add(
    // A session whose account was suspended or deleted proves nothing: ask who is there, do not fail.
    new Check('account_gone', 'End-User authentication is required', 'login_required', (ctx) =>
      Boolean(ctx.oidc.session?.accountId && !ctx.oidc.account),
    ),
  );

  if (login) continueSignIn(login, standings);

  for (const prompt of [selectOrganization(deps.organizations), ...signInPrompts(standings).reverse()])
    policy.add(prompt, policy.indexOf(login ?? selectAccount) + 1);

  const consent = policy.get('consent');
  // The page says in which organization it is that something is allowed.
  if (consent) {
    consent.details = async (ctx) => {
      const chosen = await deps.organizations.of(ctx);
      return chosen?.kind === 'clear' ? { organizationId: chosen.organizationId } : {};
    };
  }
  // The base policy asks at every request of a native client; our own are asked about less often.
  consent?.checks.remove('native_client_prompt');
  consent?.checks.add(
    new Check(
      'native_client_prompt',
      'native clients require End-User interaction',
      'interaction_required',
      (ctx) => asksNativeClient(ctx, deps.clientSource),
    ),
  );

  return policy;
}

/**
 * Initiating User Registration via OpenID Connect 1.0 §4: whoever comes is shown how to make an account. Whoever signs in in
 * its place has answered it, too.
 */
function create(): interactionPolicy.Prompt {
  const prompt = new Prompt(
    { name: 'create', requestable: true },
    new Check(
      'registration_wanted',
      'End-User registration is required',
      'interaction_required',
      ({ oidc }) =>
        oidc.prompts.has('create') && !oidc.result?.login && underWayIn(oidc.result) === undefined,
    ),
  );
  prompt.checks.remove('create_prompt');
  return prompt;
}

/** Asked of those who could act in several; the app may ask for it, and is heard where there is something to choose. */
function selectOrganization(organizations: OrganizationChoices): interactionPolicy.Prompt {
  const prompt = new Prompt(
    { name: SELECT_ORGANIZATION, requestable: true },
    async (ctx) => {
      const chosen = await organizations.of(ctx);
      return chosen?.kind === 'open' ? { organizations: chosen.among } : {};
    },
    new Check(
      'several_organizations',
      'End-User organization selection is required',
      'interaction_required',
      async (ctx) => (await organizations.of(ctx))?.kind === 'open',
    ),
  );
  // Its own check would ask also whoever has nothing to choose.
  prompt.checks.remove(`${SELECT_ORGANIZATION}_prompt`);
  return prompt;
}

/** Not for an app that says whom it means, or that wants a fresh sign-in. */
function isToChoose({ oidc }: KoaContextWithOIDC): boolean {
  const { params, session, result, prompts: wanted } = oidc;
  const named = params?.login_hint !== undefined || params?.id_token_hint !== undefined;
  return !session?.accountId && !result && !named && !wanted.has('login');
}

/**
 * Another program on the device may claim a private scheme or a loopback port, and would get a code for nothing if an
 * answer went there without anybody being asked (RFC 8252 §8.6). Of our own apps that answer is let through where
 * somebody has signed in for this very request, or where a domain of the app's maker stands behind the address (§7.2);
 * a device code is confirmed on a page of its own.
 */
export function asksNativeClient(ctx: KoaContextWithOIDC, clientSource: ClientSource): boolean {
  const { client, result, params, deviceCode } = ctx.oidc;
  if (client?.applicationType !== 'native' || result?.consent || params?.response_type === 'none')
    return false;
  if (!clientSource.registered(client).firstParty) return true;
  if (deviceCode || result?.login) return false;
  return !String(params?.redirect_uri).startsWith('https:');
}
