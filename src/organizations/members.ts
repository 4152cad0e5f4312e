// Who is a member of which organization.
import type { Actor } from '../audit/audit.ts';
import { type AccountId, type OrganizationId, parseId } from '../lib/ids.ts';
import { type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Db } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { PartDeps } from './deps.ts';
import { cursorId } from './input.ts';
import type { AccountOrganization, Member } from './schema.ts';
import * as store from './store.ts';

const nothing = { items: [], nextCursor: null };

interface Place {
  organizationId: OrganizationId;
  accountId: AccountId;
}

export function createMembers(deps: PartDeps) {
  const { commit, clock } = deps;
  const { db } = deps.postgres;

  async function tell(
    trx: Db,
    type: 'organization.member-added' | 'organization.member-removed',
    place: Place,
    by: Actor,
  ): Promise<void> {
    const { organizationId, accountId } = place;
    const target = { kind: 'organization', id: organizationId };
    await deps.audit.record(trx, { type, actor: by, outcome: 'success', accountId, target });
    await deps.changes.bump(trx, 'access', accountId);
  }

  async function addIn(trx: Db, organizationId: string, accountId: string, by: Actor): Promise<Member> {
    const organization = await holdOrganization(trx, organizationId);
    const account = parseId('acc', accountId);
    if (account === undefined || !(await store.holdAccount(trx, account))) {
      throw failure('account_not_found');
    }
    if (await store.insertMember(trx, organization, account, clock.now())) {
      const place = { organizationId: organization, accountId: account };
      await tell(trx, 'organization.member-added', place, by);
    }
    const member = await store.findMember(trx, organization, account);
    if (member === undefined) throw failure('member_not_found');
    return member;
  }

  return {
    addMemberIn: addIn,

    addMember: (organizationId: string, accountId: string, by: Actor): Promise<Member> =>
      commit((trx) => addIn(trx, organizationId, accountId, by)),

    async addNewcomers(trx: Db, places: readonly Place[], by: Actor): Promise<void> {
      await store.insertMembers(trx, places, clock.now());
      await deps.audit.recordAll(
        trx,
        places.map(({ organizationId, accountId }) => ({
          type: 'organization.member-added',
          actor: by,
          outcome: 'success',
          accountId,
          target: { kind: 'organization', id: organizationId },
        })),
      );
    },

    removeMember: (organizationId: string, accountId: string, by: Actor): Promise<boolean> =>
      commit(async (trx) => {
        const organization = await holdOrganization(trx, organizationId);
        const account = parseId('acc', accountId);
        if (account === undefined || !(await store.deleteMember(trx, organization, account))) return false;
        const place = { organizationId: organization, accountId: account };
        // They would work again with a later membership. Roles go with the row, by their foreign key.
        await deps.revokeKeysOf(trx, place, by);
        await tell(trx, 'organization.member-removed', place, by);
        return true;
      }),

    async findMember(organizationId: string, accountId: string): Promise<Member | undefined> {
      const [organization, account] = [parseId('org', organizationId), parseId('acc', accountId)];
      return organization && account && store.findMember(db, organization, account);
    },

    async listMembers(organizationId: string, page: PageRequest): Promise<Page<Member>> {
      const after = cursorId('acc', page.cursor);
      const organization = parseId('org', organizationId);
      if (organization === undefined) return nothing;
      const rows = await store.listMembers(db, organization, after ?? '', page.limit + 1);
      return pageOf(rows, page.limit, (member) => [member.accountId]);
    },

    async organizationsOf(
      accountId: string,
      filter: { organizationId?: string | null },
      page: PageRequest,
    ): Promise<Page<AccountOrganization> | undefined> {
      const after = cursorId('org', page.cursor);
      const account = parseId('acc', accountId);
      if (account === undefined || !(await store.accountExists(db, account))) return undefined;
      const only = filter.organizationId ?? undefined;
      const rows = await store.listAccountOrganizations(db, account, only, after ?? '', page.limit + 1);
      return pageOf(rows, page.limit, (row) => [row.organizationId]);
    },
  };
}

/** It is there until the transaction ends. */
export async function holdOrganization(trx: Db, id: string): Promise<OrganizationId> {
  const parsed = parseId('org', id);
  if (parsed === undefined || !(await store.holdOrganization(trx, parsed))) {
    throw failure('organization_not_found');
  }
  return parsed;
}
