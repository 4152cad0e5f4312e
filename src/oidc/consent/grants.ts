// Which grant an authorization request runs under: the session's own, one made from remembered consent, or one made
// because the client is first-party. Everything else goes to the consent page.
import type { Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Client } from '../../clients/clients.ts';
import type { Config } from '../../platform/config/schema.ts';
import type { Db } from '../../platform/database/postgres.ts';
import type { ClientSource } from '../client-source.ts';
import { asksNativeClient } from '../prompts.ts';
import type { OrganizationChoice } from './choice.ts';
import { type Consent, covers, findConsent } from './consents.ts';
import { chooseFor, organizationChosenFor, organizationOf } from './grant-organization.ts';
import type { OrganizationChoices } from './organizations.ts';

type Grant = InstanceType<Provider['Grant']>;

interface GrantDeps {
  db: Db;
  clientSource: ClientSource;
  tokens: Config['tokens'];
  organizations: OrganizationChoices;
  /** Throws when nothing of what is asked can be granted. */
  resources: { refuseEmpty(ctx: KoaContextWithOIDC): Promise<void> };
}

export function loadExistingGrant(deps: GrantDeps): NonNullable<Configuration['loadExistingGrant']> {
  return async (ctx) => {
    const { oidc } = ctx;
    if (!oidc.client || !oidc.session || !oidc.account) return undefined;
    await deps.resources.refuseEmpty(ctx);
    const chosen = await deps.organizations.of(ctx);
    // Nothing is granted before it is clear in which organization.
    if (chosen?.kind !== 'clear') return undefined;
    const grantId = oidc.result?.consent?.grantId ?? oidc.session.grantIdFor(oidc.client.clientId);
    const existing = grantId ? await oidc.provider.Grant.find(grantId) : undefined;
    const isTheirs = existing?.accountId === oidc.account.accountId;
    const usable = isTheirs && fits(existing, chosen.organizationId) ? existing : undefined;
    const allowed = await allowedWithoutAsking(ctx, chosen.organizationId ?? null, deps);
    const lifetime = grantLifetimeSeconds(deps.tokens, deps.clientSource.registered(oidc.client));
    if (!allowed) return usable ? kept(usable, lifetime) : undefined;

    const grant =
      usable ??
      new oidc.provider.Grant({ accountId: oidc.account.accountId, clientId: oidc.client.clientId });
    const before = stateOf(grant);
    chooseFor(grant, chosen.organizationId);
    addTo(grant, allowed);
    if (usable && before === stateOf(grant)) return kept(usable, lifetime);
    await extend(grant, lifetime);
    return grant;
  };
}

/** A grant is of one organization for ever: what came from it would else change sides. One without any API has none yet. */
function fits(grant: Grant, organizationId: OrganizationChoice | undefined): boolean {
  const isBlank = organizationChosenFor(grant) === undefined && !grant.resources;
  return isBlank || organizationOf(grant) === (organizationId ?? null);
}

function stateOf(grant: Grant): string {
  return JSON.stringify([grant.openid, grant.resources, organizationChosenFor(grant)]);
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
  organizationId: OrganizationChoice,
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
  const remembered = await findConsent(deps.db, {
    accountId: account.accountId,
    clientId: client.clientId,
    organizationId,
  });
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
