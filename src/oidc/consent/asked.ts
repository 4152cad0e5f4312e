// What a pending request asks a person to allow: scopes, claims, and permissions of APIs.
import type { Interaction } from 'oidc-provider';
import type { Api, Apis } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import { openidScopes } from '../../clients/schema.ts';
import { compilePermissions } from '../../lib/permission.ts';
import type { Grantable } from '../tokens/grantable.ts';
import type { OrganizationChoice } from './choice.ts';
import type { Consent } from './consents.ts';
import { apiScopesIn, audiencesOf } from './organizations.ts';

export interface Asked {
  readonly asked: Consent;
  /** The APIs named in `asked`, with only what is asked for and can be granted. */
  readonly resources: readonly { api: Api; permissions: readonly AskedPermission[] }[];
  /** In which organization it is allowed; undefined when that is no question. */
  readonly organizationId: OrganizationChoice | undefined;
}

export interface AskedPermission {
  readonly name: string;
  /** Of the permission that the API registered; the asked one may be narrower. */
  readonly sentence: string;
  readonly narrower: boolean;
}

interface AskedDeps {
  apis: Pick<Apis, 'known'>;
  grantable: Grantable;
}

export async function askedIn(interaction: Interaction, client: Client, deps: AskedDeps): Promise<Asked> {
  const organizationId = organizationIn(interaction);
  const resourceScopes = await askedResourceScopes(interaction, client, organizationId ?? null, deps);
  const resources = Object.entries(resourceScopes).flatMap(([audience, names]) => {
    const api = deps.apis.known(audience);
    return api ? [{ api, permissions: names.flatMap((name) => permissionOf(api, name)) }] : [];
  });
  const claims = stringList(interaction.prompt.details.missingOIDCClaims);
  return {
    asked: { scopes: askedOidcScopes(interaction), claims, resourceScopes },
    resources,
    organizationId,
  };
}

/** With the sentence of the registered permission that it is, or else of the first that covers it. */
function permissionOf(api: Api, name: string): AskedPermission[] {
  const registered =
    api.permissions.find((permission) => permission.name === name) ??
    api.permissions.find((permission) => compilePermissions([permission.name]).covers(name));
  if (registered === undefined) return [];
  return [{ name, sentence: registered.sentence, narrower: registered.name !== name }];
}

/** Noted by the prompt (prompts.ts), which knows what was chosen. */
function organizationIn({ prompt }: Interaction): OrganizationChoice | undefined {
  const id: unknown = prompt.details.organizationId;
  return typeof id === 'string' || id === null ? id : undefined;
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
  organizationId: OrganizationChoice,
  { grantable }: AskedDeps,
): Promise<Record<string, string[]>> {
  const { params, session } = interaction;
  if (!session) return {};
  const holder = { accountId: session.accountId, organizations: [organizationId] };
  const requested = apiScopesIn(scopesOf(interaction));
  const asked = await Promise.all(
    audiencesOf(params.resource).map(
      async (audience) =>
        [audience, (await grantable.of(client, audience, requested, holder)) ?? []] as const,
    ),
  );
  return Object.fromEntries(asked.filter(([, names]) => names.length > 0));
}

function scopesOf({ params: { scope } }: Interaction): Set<string> {
  return new Set(typeof scope === 'string' ? scope.split(' ') : []);
}

function stringList(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
