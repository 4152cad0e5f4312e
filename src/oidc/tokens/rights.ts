// What whoever a token was made for may have of an API today: the sets of the one rule for scopes (resources.ts).
import type { Apis } from '../../apis/apis.ts';
import type { Clients } from '../../clients/clients.ts';
import { compilePermissions } from '../../lib/permission.ts';
import type { Entitlements } from './entitlements.ts';
import type { IssuedToken } from './issued.ts';
import type { Ask } from './resources.ts';

export type Held = Omit<Ask, 'asked'>;

/** undefined: it has nothing to do with this API any more. */
export type Rights = (holder: IssuedToken, audience: string) => Promise<Held | undefined>;

export interface RightsDeps {
  apis: Pick<Apis, 'known'>;
  clients: Pick<Clients, 'known'>;
  entitlements: Entitlements;
  isAdmin: (accountId: string) => Promise<boolean>;
}

const nothing = compilePermissions([]);

export function createRights(deps: RightsDeps): Rights {
  return async ({ clientId, accountId }, audience) => {
    const api = deps.apis.known(audience);
    const known = await deps.clients.known(clientId);
    const entitlement = known && deps.entitlements.ofClient(known.client, audience);
    if (!api || !entitlement) return undefined;
    const sets = { api: deps.entitlements.ofApi(api), entitlement };
    if (accountId === null || !api.system || (await deps.isAdmin(accountId))) return sets;
    return { ...sets, held: nothing };
  };
}
