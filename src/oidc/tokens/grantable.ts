// Which scopes of an API may be granted: one rule for the authorization request, the consent page, tokens and refreshes.
import type { Apis } from '../../apis/apis.ts';
import type { Client } from '../../clients/clients.ts';
import { compilePermissions, type PermissionSet } from '../../lib/permission.ts';
import type { Entitlements } from './entitlements.ts';

export interface Ask {
  readonly asked: Iterable<string>;
  /** What the API has. */
  readonly api: PermissionSet;
  /** What the client, or key, may have of it. */
  readonly entitlement: PermissionSet;
  /** What the person behind it holds, in the organization that was chosen; undefined where there is nobody. */
  readonly held?: PermissionSet | undefined;
}

/**
 * THE rule for scopes of APIs: one is granted when every set covers it. It may be narrower than what is registered
 * (`files:read:files:7` of `files:read`), never wider; what is too much is left out (RFC 6749 §3.3).
 */
export function grantedScopes({ asked, api, entitlement, held }: Ask): string[] {
  const sets = held === undefined ? [api, entitlement] : [api, entitlement, held];
  return [...new Set(asked)].filter((scope) => sets.every((set) => set.covers(scope)));
}

/** A person in one organization (null: without one), or in any of several as long as it is not clear in which. */
export interface Holder {
  readonly accountId: string;
  readonly organizations: readonly (string | null)[];
}

export interface Grantable {
  /** Without a holder: what anybody could be granted. undefined when the API is none of the client's. */
  of(
    client: Pick<Client, 'apis'>,
    audience: string,
    asked: Iterable<string>,
    holder: Holder | undefined,
  ): Promise<string[] | undefined>;
}

/** What somebody holds from roles, and from being anybody; undefined when there is no such account or membership. */
export type HeldBy = (accountId: string, organizationId: string | null) => Promise<PermissionSet | undefined>;

const NOTHING = compilePermissions([]);

export function createGrantable(deps: {
  apis: Pick<Apis, 'known'>;
  entitlements: Entitlements;
  heldBy: HeldBy;
}): Grantable {
  async function heldBy({ accountId, organizations }: Holder): Promise<PermissionSet> {
    const sets = await Promise.all(organizations.map((one) => deps.heldBy(accountId, one)));
    const [first = NOTHING, ...others] = sets.filter((set) => set !== undefined);
    return others.reduce((all, set) => all.union(set), first);
  }

  return {
    async of(client, audience, asked, holder) {
      const api = deps.apis.known(audience);
      const entitlement = deps.entitlements.ofClient(client, audience);
      if (api === undefined || entitlement === undefined) return undefined;
      const held = holder && (await heldBy(holder));
      return grantedScopes({ asked, api: deps.entitlements.ofApi(api), entitlement, held });
    },
  };
}
