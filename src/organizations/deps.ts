// What the parts of this folder are built from.
import type { Audit } from '../audit/audit.ts';
import type { AccountId, OrganizationId, TeamId } from '../lib/ids.ts';
import type { Changes } from '../platform/changes.ts';
import type { Clock } from '../platform/clock.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';

export interface OrganizationsDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  clock: Clock;
  forgetAssignments: ForgetAssignments;
  /** What the roles of the team allow those who are in it. */
  permissionsOfTeam: (trx: Db, teamId: TeamId) => Promise<string[]>;
}

/** Takes away the roles that the account or team was given in the organization; roles live on a higher floor. */
export type ForgetAssignments = (
  trx: Db,
  of: { organizationId: OrganizationId; accountId?: AccountId; teamId?: TeamId },
) => Promise<void>;

export interface PartDeps extends OrganizationsDeps {
  /** A transaction whose change is seen on this node before it returns. */
  commit<T>(run: (trx: Db) => Promise<T>): Promise<T>;
}
