// Organizations and memberships as every token asks for them: from memory, many of the missing in one statement.
import { parseId } from '../lib/ids.ts';
import { createBatch } from '../platform/database/batch.ts';
import { createKnown } from '../platform/known/known.ts';
import type { OrganizationsDeps } from './deps.ts';
import type { Membership, Organization } from './schema.ts';
import { knownOrganizations, type Place, placesOf } from './store.ts';

/** Whoever left an organization must not act in it: beyond this the database is asked, or the act fails with it. */
const MAXIMUM_SILENCE_MILLISECONDS = 5000;

interface Places {
  readonly places: readonly Place[];
  /** What was answered last, and from which organizations. */
  answered?: {
    readonly organizations: readonly (Organization | undefined)[];
    readonly list: readonly Membership[];
  };
}

const nowhere: readonly Membership[] = [];

export function createKnownOrganizations(deps: Pick<OrganizationsDeps, 'postgres' | 'changes' | 'clock'>): {
  organization(id: string): Promise<Organization | undefined>;
  membershipsOf(accountId: string): Promise<readonly Membership[]>;
  expire(ids: readonly string[] | undefined): void;
} {
  const { db } = deps.postgres;
  const batched = { inFlight: 2, companyMilliseconds: 1 };
  const fresh = {
    clock: deps.clock,
    silence: deps.changes.silence,
    maximumSilence: MAXIMUM_SILENCE_MILLISECONDS,
  };
  const organizationBatch = createBatch({
    ...batched,
    run: (ids: readonly string[]) => knownOrganizations(db, ids),
  });
  const placesBatch = createBatch({ ...batched, run: (ids: readonly string[]) => placesOf(db, ids) });
  const organizations = createKnown<Organization>({ ...fresh, load: (id) => organizationBatch.run(id) });
  const places = createKnown<Places>({
    ...fresh,
    load: async (id) => ({ places: await placesBatch.run(id) }),
  });

  return {
    async organization(id) {
      return parseId('org', id) && organizations.get(id);
    },
    async membershipsOf(accountId) {
      const held = parseId('acc', accountId) && (await places.get(accountId));
      if (held === undefined || held.places.length === 0) return nowhere;
      const found = await Promise.all(held.places.map((place) => organizations.get(place.organizationId)));
      if (held.answered?.organizations.every((one, at) => one === found[at]) !== true) {
        held.answered = { organizations: found, list: membershipsIn(held.places, found) };
      }
      return held.answered.list;
    },
    expire(ids) {
      organizations.expire(ids);
      places.expire(ids);
    },
  };
}

/** The active ones by name. */
function membershipsIn(
  places: readonly Place[],
  organizations: readonly (Organization | undefined)[],
): readonly Membership[] {
  return places
    .flatMap((place, at): Membership[] => {
      const organization = organizations[at];
      if (organization?.status !== 'active') return [];
      return [{ ...place, slug: organization.slug, name: organization.name }];
    })
    .sort((a, b) => a.name.localeCompare(b.name, 'en') || (a.organizationId < b.organizationId ? -1 : 1));
}
