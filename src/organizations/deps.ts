// What the parts of this folder are built from.
import type { Actor, Audit } from '../audit/audit.ts';
import type { AccountId, OrganizationId, TeamId } from '../lib/ids.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';

export interface OrganizationsDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record' | 'recordAll'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  clock: Clock;
  /** Ends the keys of the account that are bound to the organization; keys live on a higher floor. */
  revokeKeysOf: (
    trx: Db,
    of: { organizationId: OrganizationId; accountId: AccountId },
    by: Actor,
  ) => Promise<unknown>;
  /** What the roles of the team allow those who are in it. */
  permissionsOfTeam: (trx: Db, teamId: TeamId) => Promise<string[]>;
}

export interface PartDeps extends OrganizationsDeps {
  /** A transaction whose change is seen on this node before it returns. */
  commit<T>(run: (trx: Db) => Promise<T>): Promise<T>;
}
