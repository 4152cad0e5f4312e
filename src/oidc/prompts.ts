// THE dispatcher: the ordered list of what must be proved before an authorization request is answered.
// A new step is one prompt here and one row in interaction/steps.ts; no step ever sends a person to another step.
import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import type { ClientSource } from './client-source.ts';

const { Check, Prompt, base } = interactionPolicy;

export function prompts(deps: { clientSource: ClientSource }) {
  const policy = base();

  const selectAccount = new Prompt({ name: 'select_account', requestable: true });
  policy.add(selectAccount, 0);

  const login = policy.get('login');
  login?.checks.add(
    // A session whose account was suspended or deleted proves nothing: ask who is there, do not fail.
    new Check('account_gone', 'End-User authentication is required', 'login_required', (ctx) =>
      Boolean(ctx.oidc.session?.accountId && !ctx.oidc.account),
    ),
  );

  const consent = policy.get('consent');
  // The base policy asks at every request of a native client, because another app may claim its redirect URI (RFC 8252 §8.6).
  // A first-party client is vouched for by the operator, and a loopback or claimed https redirect names its app.
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

function asksNativeClient(ctx: KoaContextWithOIDC, clientSource: ClientSource): boolean {
  const { client, result, params } = ctx.oidc;
  if (client?.applicationType !== 'native' || result?.consent) return false;
  if (clientSource.registered(client).firstParty) return false;
  return params?.response_type !== 'none';
}
