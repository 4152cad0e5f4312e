// Organizations, their members and their teams. Each change and its event are one commit, and every query of what belongs to
// an organization names it.
import type { Actor } from '../audit/audit.ts';
import type { AccountId, OrganizationId } from '../lib/ids.ts';
import type { Page, PageRequest } from '../lib/page.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { HandingOut } from '../vocabulary/handing-out.ts';
import type { OrganizationsDeps } from './deps.ts';
import { createKnownOrganizations } from './known.ts';
import { createMembers, holdOrganization } from './members.ts';
import { createRegistry } from './registry.ts';
import type {
  AccountOrganization,
  Member,
  Membership,
  NewOrganization,
  NewTeam,
  Organization,
  OrganizationChange,
  OrganizationFilter,
  Team,
  TeamChange,
} from './schema.ts';
import { createTeams } from './teams.ts';

export type { OrganizationsDeps } from './deps.ts';
export type {
  AccountOrganization,
  Member,
  Membership,
  NewOrganization,
  Organization,
  OrganizationFilter,
  OrganizationStatus,
  Team,
} from './schema.ts';

export interface Organizations {
  /** Throws organization_slug_taken, permission_invalid or request_invalid. */
  create(input: NewOrganization, by: Actor): Promise<Organization>;
  /** undefined when there is none, or no longer. */
  find(id: string): Promise<Organization | undefined>;
  findBySlug(slug: string): Promise<Organization | undefined>;
  /** The newest first. */
  list(filter: OrganizationFilter, page: PageRequest): Promise<Page<Organization>>;
  /** Throws version_conflict when `change.version` is not the current one. */
  change(id: string, change: OrganizationChange, by: Actor): Promise<Organization>;
  /** Keys and tokens that are bound to it stop working: their features look at `known`. */
  suspend(id: string, reason: string | null, by: Actor): Promise<Organization>;
  reinstate(id: string, by: Actor): Promise<Organization>;
  /** With its memberships, teams, roles, assignments and keys. */
  remove(id: string, by: Actor, version?: number): Promise<void>;

  /** From memory, also a suspended one. Fresh at once on this node, within a second or two after a change elsewhere. */
  known(id: string): Promise<Organization | undefined>;
  /** From memory: the active organizations of the account, by name. The same object as long as nothing changed. */
  membershipsOf(accountId: string): Promise<readonly Membership[]>;
  /** From the database, with suspended ones and the names of teams; undefined for no account. `organizationId`: this one alone. */
  organizationsOf(
    accountId: string,
    filter: { organizationId?: string | null },
    page: PageRequest,
  ): Promise<Page<AccountOrganization> | undefined>;

  /** Once more is no change. Throws organization_not_found and account_not_found. */
  addMember(organizationId: string, accountId: string, by: Actor): Promise<Member>;
  /** Many at once, whom nobody can know yet: their accounts are made in this transaction. */
  addNewcomers(
    trx: Db,
    places: readonly { organizationId: OrganizationId; accountId: AccountId }[],
    by: Actor,
  ): Promise<void>;
  /** With the places in teams and the roles there. False: was none. */
  removeMember(organizationId: string, accountId: string, by: Actor): Promise<boolean>;
  findMember(organizationId: string, accountId: string): Promise<Member | undefined>;
  listMembers(organizationId: string, page: PageRequest): Promise<Page<Member>>;

  /** Throws organization_not_found, team_name_taken. */
  createTeam(organizationId: string, input: NewTeam, by: Actor): Promise<Team>;
  findTeam(organizationId: string, teamId: string): Promise<Team | undefined>;
  /** In any letters. */
  findTeamByName(organizationId: string, name: string): Promise<Team | undefined>;
  listTeams(organizationId: string, page: PageRequest): Promise<Page<Team>>;
  changeTeam(organizationId: string, teamId: string, change: TeamChange, by: Actor): Promise<Team>;
  removeTeam(organizationId: string, teamId: string, by: Actor, version?: number): Promise<void>;
  /**
   * Throws team_not_found, member_not_found for who is not a member of the organization, and permission_denied when the team
   * may do more than `held`: what whoever asks may hand out.
   */
  addTeamMember(
    organizationId: string,
    teamId: string,
    accountId: string,
    by: Actor,
    held?: HandingOut,
  ): Promise<Member>;
  removeTeamMember(organizationId: string, teamId: string, accountId: string, by: Actor): Promise<boolean>;
  listTeamMembers(organizationId: string, teamId: string, page: PageRequest): Promise<Page<Member>>;

  /** Throws organization_not_found, team_not_found, and permission_denied as addTeamMember does. */
  refuseInvitation(trx: Db, place: InvitedTo, held?: HandingOut): Promise<void>;
  /** In that transaction: somebody who was invited becomes a member, of the team as well. Throws as the two above. */
  admit(trx: Db, place: InvitedTo, accountId: string, by: Actor): Promise<void>;

  /** Keeps what `known` and `membershipsOf` answer fresh. */
  start(): void;
}

export interface InvitedTo {
  organizationId: string;
  teamId: string | null;
}

/** For the command line: by id or slug. Throws organization_not_found. */
export async function organizationNamed(
  organizations: Pick<Organizations, 'find' | 'findBySlug'>,
  text: string,
): Promise<Organization> {
  const organization = (await organizations.find(text)) ?? (await organizations.findBySlug(text));
  if (organization === undefined) throw failure('organization_not_found', { organization: text });
  return organization;
}

export function createOrganizations(deps: OrganizationsDeps): Organizations {
  const { postgres, changes } = deps;

  /** In a transaction whose change is seen on this node before it returns. */
  async function commit<T>(run: (trx: Db) => Promise<T>): Promise<T> {
    const result = await postgres.transaction(run);
    // The change stands: were this look to fail, the next one in a second brings it.
    await changes.poll().catch(() => undefined);
    return result;
  }

  const known = createKnownOrganizations(deps);
  const { addMemberIn, ...members } = createMembers({ ...deps, commit });
  const { addTeamMemberIn, refuseTeam, ...teams } = createTeams({ ...deps, commit });
  return {
    ...createRegistry({ ...deps, commit }),
    ...members,
    ...teams,
    async refuseInvitation(trx, { organizationId, teamId }, held) {
      await holdOrganization(trx, organizationId);
      if (teamId !== null) await refuseTeam(trx, { organizationId, teamId }, held);
    },
    async admit(trx, { organizationId, teamId }, accountId, by) {
      await addMemberIn(trx, organizationId, accountId, by);
      if (teamId !== null) await addTeamMemberIn(trx, { organizationId, teamId }, accountId, by);
    },
    known: known.organization,
    membershipsOf: known.membershipsOf,
    start() {
      changes.on('access', known.expire);
    },
  };
}
