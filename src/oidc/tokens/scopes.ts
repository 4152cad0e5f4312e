// Everything that decides what may be granted to whom and in which organization, put together for the engine.
import type { Access, Facts } from '../../access/access.ts';
import type { Apis } from '../../apis/apis.ts';
import type { Organizations } from '../../organizations/organizations.ts';
import type { ClientSource } from '../client-source.ts';
import { createOrganizationChoices, type OrganizationChoices } from '../consent/organizations.ts';
import type { Entitlements } from './entitlements.ts';
import { createGrantable, type Grantable } from './grantable.ts';
import { createResources, type Resources } from './resources.ts';
import type { Rights } from './rights.ts';

export interface Scopes {
  readonly grantable: Grantable;
  readonly organizations: OrganizationChoices;
  readonly resources: Resources;
  factsOf(accountId: string, organizationId: string | null): Promise<Facts | undefined>;
  factsOfClient(clientId: string): Promise<Facts | undefined>;
  apiOf: Apis['known'];
  membershipsOf: Organizations['membershipsOf'];
  isMember(accountId: string, organizationId: string): Promise<boolean>;
}

export function createScopes(deps: {
  apis: Pick<Apis, 'known'>;
  access: Pick<Access, 'factsOf'>;
  organizations: Pick<Organizations, 'membershipsOf'>;
  clientSource: ClientSource;
  entitlements: Entitlements;
  rights: Pick<Rights, 'ofClient'>;
}): Scopes {
  const { apis, entitlements, clientSource } = deps;
  const { membershipsOf } = deps.organizations;
  const factsOf: Scopes['factsOf'] = (id, organizationId) =>
    deps.access.factsOf({ kind: 'account', id }, organizationId);
  const grantable = createGrantable({
    apis,
    entitlements,
    heldBy: async (accountId, organizationId) => (await factsOf(accountId, organizationId))?.permissions,
  });
  const organizations = createOrganizationChoices({
    grantable,
    clientSource,
    membershipsOf,
    isServersOwn: (audience) => apis.known(audience)?.system ?? false,
  });

  return {
    grantable,
    organizations,
    resources: createResources({ ...deps, grantable, organizations }),
    factsOf,
    factsOfClient: (id) => deps.access.factsOf({ kind: 'client', id }, null),
    apiOf: apis.known,
    membershipsOf,
    isMember: async (accountId, organizationId) =>
      (await membershipsOf(accountId)).some((one) => one.organizationId === organizationId),
  };
}
