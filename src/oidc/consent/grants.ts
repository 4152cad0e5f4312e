// Which grant an authorization request runs under: the session's own, one made from remembered consent, or one made
// because the client is first-party. Everything else goes to the consent page.
import type { Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Client } from '../../clients/clients.ts';
import type { Config } from '../../platform/config/schema.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { ClientSource } from '../client-source.ts';
import { asksNativeClient } from '../prompts.ts';
import { type Consent, covers, findConsent } from './consents.ts';

type Grant = InstanceType<Provider['Grant']>;

export function loadExistingGrant(deps: {
  db: Db;
  clientSource: ClientSource;
  tokens: Config['tokens'];
}): NonNullable<Configuration['loadExistingGrant']> {
  return async (ctx) => {
    const { oidc } = ctx;
    if (!oidc.client || !oidc.session || !oidc.account) return undefined;
    const grantId = oidc.result?.consent?.grantId ?? oidc.session.grantIdFor(oidc.client.clientId);
    const existing = grantId ? await oidc.provider.Grant.find(grantId) : undefined;
    const usable = existing?.accountId === oidc.account.accountId ? existing : undefined;
    const allowed = await allowedWithoutAsking(ctx, deps);
    const lifetime = grantLifetimeSeconds(deps.tokens, deps.clientSource.registered(oidc.client));
    if (!allowed) return usable ? kept(usable, lifetime) : undefined;

    const grant =
      usable ??
      new oidc.provider.Grant({ accountId: oidc.account.accountId, clientId: oidc.client.clientId });
    const before = JSON.stringify([grant.openid, grant.resources]);
    addTo(grant, allowed);
    const unchanged = usable && before === JSON.stringify([grant.openid, grant.resources]);
    if (unchanged) return kept(usable, lifetime);
    await extend(grant, lifetime);
    return grant;
  };
}

export function addTo(grant: Grant, consent: Consent): void {
  if (consent.scopes.length > 0) grant.addOIDCScope(consent.scopes.join(' '));
  if (consent.claims.length > 0) grant.addOIDCClaims(consent.claims);
  for (const [audience, scopes] of Object.entries(consent.resourceScopes)) {
    if (scopes.length > 0) grant.addResourceScope(audience, scopes.join(' '));
  }
}

/** A grant must outlive every refresh token made from it, or the refresh fails while the token is good. */
export function grantLifetimeSeconds(
  tokens: Config['tokens'],
  client?: Pick<Client, 'refreshAbsoluteSeconds'>,
): number {
  return (client?.refreshAbsoluteSeconds ?? tokens.refreshAbsoluteSeconds) + DAY;
}

const DAY = 24 * 60 * 60;

async function kept(grant: Grant, lifetime: number): Promise<Grant> {
  if (grant.remainingTTL < lifetime - DAY) await extend(grant, lifetime);
  return grant;
}

async function extend(grant: Grant, lifetime: number): Promise<void> {
  grant.exp = Math.floor(Date.now() / 1000) + lifetime;
  await grant.save();
}

async function allowedWithoutAsking(
  ctx: KoaContextWithOIDC,
  deps: { db: Db; clientSource: ClientSource },
): Promise<Consent | undefined> {
  const { client, account } = ctx.oidc;
  if (!client || !account || ctx.oidc.promptPending('consent')) return undefined;
  const asked = askedFor(ctx);
  if (deps.clientSource.registered(client).firstParty) {
    return asksNativeClient(ctx, deps.clientSource) ? undefined : asked;
  }
  // RFC 8252 §8.6: a native client's redirect can be taken by another app, so remembered consent does not count for it.
  if (client.applicationType === 'native') return undefined;
  const remembered = await findConsent(deps.db, account.accountId, client.clientId);
  return remembered && covers(remembered, asked) ? asked : undefined;
}

function askedFor(ctx: KoaContextWithOIDC): Consent {
  const { oidc } = ctx;
  const scopes = [...oidc.requestParamScopes];
  const resourceScopes = Object.entries(oidc.resourceServers ?? {}).map(
    ([audience, server]) => [audience, scopes.filter((scope) => server.scopes.has(scope))] as const,
  );
  return {
    scopes: [...oidc.requestParamOIDCScopes],
    claims: [...oidc.requestParamClaims],
    resourceScopes: Object.fromEntries(resourceScopes),
  };
}
