// The organization of an authorization request, found out once per request: for its scopes, its prompt, its grant and its page.
import type { KoaContextWithOIDC } from 'oidc-provider';
import { openidScopes } from '../../clients/schema.ts';
import type { ClientSource } from '../client-source.ts';
import type { Grantable, Holder } from '../tokens/grantable.ts';
import { type Chosen, chooseOrganization, type OrganizationChoice } from './choice.ts';
import { organizationChosenFor } from './grant-organization.ts';

export interface Membership {
  readonly organizationId: string;
  readonly slug: string;
  readonly name: string;
}

export interface OrganizationChoices {
  /** undefined as long as nobody is signed in. */
  of(ctx: KoaContextWithOIDC): Promise<Chosen | undefined>;
  /** Whose permissions count for this request; undefined as long as nobody is signed in. */
  holderOf(ctx: KoaContextWithOIDC): Promise<Holder | undefined>;
}

export interface OrganizationChoicesDeps {
  grantable: Grantable;
  clientSource: Pick<ClientSource, 'registered'>;
  /** The active organizations of an account. */
  membershipsOf: (accountId: string) => Promise<readonly Membership[]>;
  isServersOwn: (audience: string) => boolean;
}

/** The parameter of the authorization request, and what its page adds to the interaction's result. */
export const ORGANIZATION_PARAMETER = 'organization_id';
export const SELECT_ORGANIZATION = 'select_organization';

export function createOrganizationChoices(deps: OrganizationChoicesDeps): OrganizationChoices {
  const found = new WeakMap<KoaContextWithOIDC, Promise<Chosen>>();

  async function find(ctx: KoaContextWithOIDC, accountId: string): Promise<Chosen> {
    const { oidc } = ctx;
    const memberships = (await deps.membershipsOf(accountId)).map(({ organizationId }) => organizationId);
    const audiences = audiencesOf(oidc.params?.resource);
    const asked = apiScopesIn(oidc.requestParamScopes);
    const asksApi = asked.length > 0 && audiences.length > 0;
    const where = asksApi ? [...memberships, null] : [];
    const useful = await Promise.all(where.map((id) => serves(ctx, audiences, asked, accountId, id)));
    const named = oidc.params?.[ORGANIZATION_PARAMETER];
    return chooseOrganization({
      named: typeof named === 'string' ? named : undefined,
      chosen: chosenIn(oidc.result),
      before: await chosenBefore(ctx, accountId),
      wanted: oidc.prompts.has(SELECT_ORGANIZATION),
      memberships,
      asksApi,
      useful: where.filter((_, at) => useful[at]),
      asksServer: audiences.some(deps.isServersOwn),
    });
  }

  async function serves(
    { oidc }: KoaContextWithOIDC,
    audiences: readonly string[],
    asked: readonly string[],
    accountId: string,
    organization: OrganizationChoice,
  ): Promise<boolean> {
    if (!oidc.client) return false;
    const client = deps.clientSource.registered(oidc.client);
    const holder = { accountId, organizations: [organization] };
    const granted = await Promise.all(
      audiences.map((audience) => deps.grantable.of(client, audience, asked, holder)),
    );
    return granted.some((scopes) => scopes !== undefined && scopes.length > 0);
  }

  const choices: OrganizationChoices = {
    async of(ctx) {
      // A request is asked about its resources before the account of its session is loaded.
      const accountId = ctx.oidc.account?.accountId ?? ctx.oidc.session?.accountId;
      if (!accountId) return undefined;
      const known = found.get(ctx);
      if (known) return known;
      const finding = find(ctx, accountId);
      found.set(ctx, finding);
      return finding;
    },

    async holderOf(ctx) {
      const chosen = await choices.of(ctx);
      const accountId = ctx.oidc.account?.accountId ?? ctx.oidc.session?.accountId;
      if (!chosen || !accountId) return undefined;
      return { accountId, organizations: organizationsIn(chosen) };
    },
  };
  return choices;
}

function organizationsIn(chosen: Chosen): readonly OrganizationChoice[] {
  if (chosen.kind === 'foreign') return [];
  return chosen.kind === 'open' ? chosen.among : [chosen.organizationId ?? null];
}

/** Scopes that are not of OpenID Connect itself are permissions of some API. */
export function apiScopesIn(scopes: Iterable<string>): string[] {
  const own: readonly string[] = openidScopes;
  return [...scopes].filter((scope) => scope !== '' && !own.includes(scope));
}

export function audiencesOf(resource: unknown): string[] {
  return [resource].flat().filter((audience) => typeof audience === 'string');
}

/** Written by interactions.ts; stays in the result while the same person goes on. */
function chosenIn(result: object | undefined): OrganizationChoice | undefined {
  const answer: unknown = result && Reflect.get(result, SELECT_ORGANIZATION);
  if (typeof answer !== 'object' || answer === null || !('organizationId' in answer)) return undefined;
  return typeof answer.organizationId === 'string' ? answer.organizationId : null;
}

/** Of the grant that this client has in this session. */
async function chosenBefore(
  { oidc }: KoaContextWithOIDC,
  accountId: string,
): Promise<OrganizationChoice | undefined> {
  const grantId = oidc.client && oidc.session?.grantIdFor(oidc.client.clientId);
  const grant = grantId ? await oidc.provider.Grant.find(grantId) : undefined;
  return grant?.accountId === accountId ? organizationChosenFor(grant) : undefined;
}
