// What memberships have to do with roles: those that end with them, and those that come with a team.
import type { AccountId, OrganizationId, TeamId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import { permissionsAssigned } from './assignment-store.ts';

/** Everything that was assigned in the organization; of an account or a team: to that one. */
export async function forgetAssignments(
  trx: Db,
  of: { organizationId: OrganizationId; accountId?: AccountId; teamId?: TeamId },
): Promise<void> {
  const { organizationId, accountId, teamId } = of;
  const query = trx('role_assignments').where({ organization_id: organizationId });
  if (accountId !== undefined) query.where({ subject_kind: 'account', subject_id: accountId });
  if (teamId !== undefined) query.where({ subject_kind: 'team', subject_id: teamId });
  await query.delete();
}

/** What whoever is in the team may do by its roles. */
export function permissionsOfTeam(trx: Db, teamId: TeamId): Promise<string[]> {
  return permissionsAssigned(trx, 'team', teamId);
}
