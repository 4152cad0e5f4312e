// What a pending request asks a person to allow: scopes, claims, and permissions of APIs.
import type { Interaction } from 'oidc-provider';
import type { Accounts } from '../../accounts/accounts.ts';
import type { Api, Apis } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import { openidScopes } from '../../clients/schema.ts';
import { entitledPermissions, grantable } from '../tokens/resources.ts';
import type { Consent } from './consents.ts';

export interface Asked {
  readonly asked: Consent;
  /** The APIs named in `asked`, with only the permissions that are asked for. */
  readonly resources: readonly { api: Api; permissions: Api['permissions'] }[];
}

interface AskedDeps {
  apis: Apis;
  accounts: Accounts;
}

export async function askedIn(interaction: Interaction, client: Client, deps: AskedDeps): Promise<Asked> {
  const resourceScopes = await askedResourceScopes(interaction, client, deps);
  const resources = Object.entries(resourceScopes).flatMap(([audience, names]) => {
    const api = deps.apis.known(audience);
    if (!api) return [];
    return [{ api, permissions: api.permissions.filter((permission) => names.includes(permission.name)) }];
  });
  const claims = stringList(interaction.prompt.details.missingOIDCClaims);
  return { asked: { scopes: askedOidcScopes(interaction), claims, resourceScopes }, resources };
}

/** Everything of OpenID Connect that is asked, not only what is new: the page must show the whole of what will be allowed. */
function askedOidcScopes(interaction: Interaction): string[] {
  const requested = scopesOf(interaction);
  const asked = openidScopes.filter((scope) => requested.has(scope));
  return [...new Set([...asked, ...stringList(interaction.prompt.details.missingOIDCScope)])];
}

/**
 * Likewise all that is asked of each API: the grant made from it replaces the one before, so that a grant of only what
 * is new would take away what was there, and the next request would ask for that.
 */
async function askedResourceScopes(
  interaction: Interaction,
  client: Client,
  { apis, accounts }: AskedDeps,
): Promise<Record<string, string[]>> {
  const { params, session } = interaction;
  const requested = scopesOf(interaction);
  const person = session ? await accounts.find(session.accountId) : undefined;
  const asked = [params.resource].flat().flatMap((audience) => {
    const api = typeof audience === 'string' ? apis.known(audience) : undefined;
    const entitled = api && entitledPermissions(client, api);
    if (!api || !entitled || !person) return [];
    return [[api.audience, grantable(entitled, api, person).filter((name) => requested.has(name))] as const];
  });
  return Object.fromEntries(asked.filter(([, names]) => names.length > 0));
}

function scopesOf({ params: { scope } }: Interaction): Set<string> {
  return new Set(typeof scope === 'string' ? scope.split(' ') : []);
}

function stringList(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
