// Consent: which client wants what, where the answer goes and for how long, and the person's yes or no (ASVS 10.7.2).
import type { Account, Accounts } from '../accounts/accounts.ts';
import { type Page, type PageResult, page } from '../platform/http/page.ts';
import { boundToInteraction, type Step, type StepDeps, uidParams, withStep } from './step.ts';

export interface ConsentDeps extends StepDeps {
  readonly accounts: Accounts;
  readonly tokens: { readonly accessTokenSeconds: number; readonly refreshAbsoluteSeconds: number };
}

const MINUTE = 60;
const DAY = 24 * 60 * MINUTE;

export async function showConsent(step: Step, deps: ConsentDeps): Promise<PageResult> {
  const { client, accountId, organization } = step.pending;
  const account = accountId ? await deps.accounts.find(accountId) : undefined;
  return step.show('interaction/consent', step.t('consent.title'), {
    action: step.path('consent'),
    cancelAction: step.path('cancel'),
    switchAccountAction: step.path('switch-account'),
    client: {
      name: client.name,
      logoUri: client.logoUri,
      clientUri: client.clientUri,
      policyUri: client.policyUri,
      tosUri: client.tosUri,
      firstParty: client.firstParty,
    },
    account: accountView(account),
    organization: organization?.name ?? null,
    ...destination(step),
    ...request(step, deps),
  });
}

function accountView(account: Account | undefined) {
  return {
    name: account?.name ?? null,
    email: account?.email ?? null,
    username: account?.username ?? null,
  };
}

/** MCP authorization, "Localhost Redirect URI Risks": any program on this computer may be behind a loopback address. */
function destination(step: Step) {
  const { redirectUri } = step.pending;
  const url = redirectUri ? URL.parse(redirectUri) : null;
  const loopback = url?.protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return {
    redirectHost: url ? url.host || url.protocol : step.t('consent.redirect.device'),
    loopbackOnly: loopback,
  };
}

function request(step: Step, { tokens }: ConsentDeps) {
  const { asked, resources, client } = step.pending;
  const offlineAccess = asked.scopes.includes('offline_access');
  const apiLifetimes = resources.map(
    ({ api }) => client.accessTokenLifetimeSeconds ?? api.tokenLifetimeSeconds,
  );
  const accessTokenSeconds = Math.max(tokens.accessTokenSeconds, ...apiLifetimes);
  return {
    scopes: asked.scopes.map((name) => ({ name, sentenceKey: `consent.scope.${name}` })),
    resources: resources.map(({ api, permissions }) => ({
      name: api.name,
      audience: api.audience,
      permissions,
    })),
    offlineAccess,
    lifetimeDays: Math.ceil((client.refreshAbsoluteSeconds ?? tokens.refreshAbsoluteSeconds) / DAY),
    accessTokenMinutes: Math.ceil(accessTokenSeconds / MINUTE),
  };
}

export function consentPages(deps: ConsentDeps): Page[] {
  return [
    page({
      method: 'POST',
      path: '/interaction/:uid/consent',
      limit: 'page',
      params: uidParams,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, async (step) => {
          // A consent sent from an old page while the engine waits for something else allows nothing.
          if (step.pending.prompt !== 'consent' || !step.pending.accountId) {
            return { kind: 'redirect', to: step.path() };
          }
          const grantId = await deps.interactions.grantConsent(step.pending);
          return step.finish({ kind: 'consented', grantId });
        }),
    }),
    page({
      method: 'POST',
      path: '/interaction/:uid/switch-account',
      limit: 'page',
      params: uidParams,
      csrfBinding: boundToInteraction,
      run: (input) =>
        withStep(deps, input, (step) => ({ kind: 'redirect', to: step.path('select-account') })),
    }),
  ];
}
