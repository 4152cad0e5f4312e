// Teams of an organization, and who of its members is in which.
import type { Actor } from '../audit/audit.ts';
import { definedFields } from '../lib/fields.ts';
import { parseName } from '../lib/identifiers.ts';
import { type AccountId, newId, parseId } from '../lib/ids.ts';
import { type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { EventType } from '../vocabulary/events.ts';
import type { HandingOut } from '../vocabulary/handing-out.ts';
import type { PartDeps } from './deps.ts';
import { changedNames, check, cursorId } from './input.ts';
import { holdOrganization } from './members.ts';
import { type Member, NewTeam, type Team, TeamChange } from './schema.ts';
import { holdMember } from './store.ts';
import * as store from './team-store.ts';

/** Beyond this it is cheaper to look everybody up again than to name each of them. */
const NAMED_CHANGES = 100;

export function createTeams(deps: PartDeps) {
  const { commit, clock } = deps;
  const { db } = deps.postgres;

  async function tell(
    trx: Db,
    type: EventType,
    team: Pick<Team, 'id' | 'organizationId'>,
    by: Actor,
    more: { accountId?: AccountId; details?: Record<string, unknown> } = {},
  ): Promise<void> {
    const { accountId = null } = more;
    const target = { kind: 'team', id: team.id };
    const details = { organizationId: team.organizationId, ...more.details };
    await deps.audit.record(trx, { type, actor: by, outcome: 'success', accountId, target, details });
  }

  /** What these may do has changed. */
  async function bump(trx: Db, accountIds: readonly AccountId[]): Promise<void> {
    const isNamed = accountIds.length <= NAMED_CHANGES;
    for (const id of isNamed ? accountIds : [undefined]) await deps.changes.bump(trx, 'access', id);
  }

  /** Who is in a team has its roles, so nobody puts anybody into one that may do more than they may (OWASP ASVS 8.2.3). */
  async function refuseHandingOut(trx: Db, team: Team, held: HandingOut | undefined): Promise<void> {
    if (held === undefined) return;
    const permissions = await deps.permissionsOfTeam(trx, team.id);
    const permission = permissions.find((one) => !held.covers(one));
    if (permission !== undefined) throw failure('permission_denied', { permission });
  }

  const create = (organizationId: string, input: NewTeam, by: Actor): Promise<Team> => {
    const { name } = check(NewTeam, input);
    return commit(async (trx) => {
      const organization = await holdOrganization(trx, organizationId);
      const now = clock.now();
      const own = { id: newId('team'), organizationId: organization, version: 1 };
      const team: Team = { ...own, name, createdAt: now, updatedAt: now };
      if (!(await store.insertTeam(trx, team))) throw failure('team_name_taken');
      await tell(trx, 'team.created', team, by);
      return team;
    });
  };

  const change = (organizationId: string, teamId: string, input: TeamChange, by: Actor): Promise<Team> => {
    const { version, ...given } = check(TeamChange, input);
    const wanted = definedFields(given);
    return commit(async (trx) => {
      const before = await lock(trx, keyOf(organizationId, teamId), version);
      const fields = changedNames(before, wanted);
      if (fields.length === 0) return before;
      const next = { ...before, ...wanted, version: before.version + 1, updatedAt: clock.now() };
      if (!(await store.updateTeam(trx, next))) throw failure('team_name_taken');
      await tell(trx, 'team.changed', next, by, { details: { fields } });
      return next;
    });
  };

  const remove = (organizationId: string, teamId: string, by: Actor, version?: number): Promise<void> =>
    commit(async (trx) => {
      const key = keyOf(organizationId, teamId);
      const team = await lock(trx, key, version);
      const members = await store.emptyTeam(trx, key);
      await store.deleteTeam(trx, key);
      await tell(trx, 'team.deleted', team, by);
      await bump(trx, members);
    });

  async function addIn(
    trx: Db,
    place: { organizationId: string; teamId: string },
    accountId: string,
    by: Actor,
    held?: HandingOut,
  ): Promise<Member> {
    const key = keyOf(place.organizationId, place.teamId);
    const team = await lock(trx, key);
    await refuseHandingOut(trx, team, held);
    const account = parseId('acc', accountId);
    if (account === undefined || !(await holdMember(trx, key.organizationId, account))) {
      throw failure('member_not_found');
    }
    if (await store.insertTeamMember(trx, key, account, clock.now())) {
      await tell(trx, 'team.member-added', team, by, { accountId: account });
      await bump(trx, [account]);
    }
    const member = await store.findTeamMember(trx, key, account);
    if (member === undefined) throw failure('member_not_found');
    return member;
  }

  const addMember = (
    organizationId: string,
    teamId: string,
    accountId: string,
    by: Actor,
    held?: HandingOut,
  ): Promise<Member> => commit((trx) => addIn(trx, { organizationId, teamId }, accountId, by, held));

  const removeMember = (
    organizationId: string,
    teamId: string,
    accountId: string,
    by: Actor,
  ): Promise<boolean> =>
    commit(async (trx) => {
      const key = keyOf(organizationId, teamId);
      const team = await lock(trx, key);
      const account = parseId('acc', accountId);
      if (account === undefined || !(await store.deleteTeamMember(trx, key, account))) return false;
      await tell(trx, 'team.member-removed', team, by, { accountId: account });
      await bump(trx, [account]);
      return true;
    });

  return {
    createTeam: create,
    changeTeam: change,
    removeTeam: remove,
    addTeamMember: addMember,
    addTeamMemberIn: addIn,

    async refuseTeam(trx: Db, place: { organizationId: string; teamId: string }, held?: HandingOut) {
      await refuseHandingOut(trx, await lock(trx, keyOf(place.organizationId, place.teamId)), held);
    },

    removeTeamMember: removeMember,

    async findTeam(organizationId: string, teamId: string): Promise<Team | undefined> {
      const key = parseKey(organizationId, teamId);
      return key && store.findTeam(db, key);
    },

    async findTeamByName(organizationId: string, name: string): Promise<Team | undefined> {
      const [organization, parsed] = [parseId('org', organizationId), parseName(name)];
      if (organization === undefined || parsed === undefined) return undefined;
      return store.findTeamByName(db, organization, parsed);
    },

    async listTeams(organizationId: string, page: PageRequest): Promise<Page<Team>> {
      const after = cursorId('team', page.cursor);
      const organization = parseId('org', organizationId);
      if (organization === undefined) return { items: [], nextCursor: null };
      const rows = await store.listTeams(db, organization, after ?? '', page.limit + 1);
      return pageOf(rows, page.limit, ({ id }) => [id]);
    },

    async listTeamMembers(organizationId: string, teamId: string, page: PageRequest): Promise<Page<Member>> {
      const after = cursorId('acc', page.cursor);
      const key = parseKey(organizationId, teamId);
      if (key === undefined) return { items: [], nextCursor: null };
      const rows = await store.listTeamMembers(db, key, after ?? '', page.limit + 1);
      return pageOf(rows, page.limit, ({ accountId }) => [accountId]);
    },
  };
}

function parseKey(organizationId: string, teamId: string): store.TeamKey | undefined {
  const [organization, team] = [parseId('org', organizationId), parseId('team', teamId)];
  return organization && team && { organizationId: organization, teamId: team };
}

function keyOf(organizationId: string, teamId: string): store.TeamKey {
  const key = parseKey(organizationId, teamId);
  if (key === undefined) throw failure('team_not_found');
  return key;
}

async function lock(trx: Db, key: store.TeamKey, version?: number): Promise<Team> {
  const team = await store.lockTeam(trx, key);
  if (team === undefined) throw failure('team_not_found');
  if (version !== undefined && version !== team.version) {
    throw failure('version_conflict', { version: team.version });
  }
  return team;
}
