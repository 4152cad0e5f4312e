// What memberships have to do with roles: those that come with a team.
import type { TeamId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import { permissionsAssigned } from './assignment-store.ts';

/** What whoever is in the team may do by its roles. */
export function permissionsOfTeam(trx: Db, teamId: TeamId): Promise<string[]> {
  return permissionsAssigned(trx, 'team', teamId);
}
