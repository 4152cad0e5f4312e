// What is assigned to whom: idempotent, within organizations, never more than one holds, and gone with either side of it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WantedAssignment } from '../../src/access/assignments.ts';
import { ADMIN_ROLE } from '../../src/access/schema.ts';
import type { ApiKeyId } from '../../src/lib/ids.ts';
import { newId } from '../../src/lib/ids.ts';
import { codeOf, operator } from '../clients/support.ts';
import { useDatabase } from '../support/database.ts';
import { createAccessNode, everything, holding } from './world.ts';

const { postgres, db } = useDatabase();
const node = createAccessNode(postgres);
const { access, organizations, accounts } = node;
beforeAll(node.start);
afterAll(() => node.changes.stop());

const page = { limit: 50, cursor: null };
type Of = WantedAssignment['subject'];
const wanted = (roleId: string, subject: Of, organizationId: string | null = null) => ({
  roleId,
  subject,
  organizationId,
});
const account = (id: string): Of => ({ kind: 'account', id });
const listed = async (subject: Of) => (await access.listAssignments({ subject }, page)).items;

async function key(organizationId: string | null = null): Promise<ApiKeyId> {
  const id = newId('key');
  const { id: accountId } = await node.person();
  const row = {
    id,
    root_id: id,
    account_id: accountId,
    name: 'k',
    created_at: new Date(),
  };
  await db('api_keys').insert({ ...row, organization_id: organizationId });
  return id;
}

describe('an assignment', () => {
  it('is made once, however often it is asked for, and taken away once, each with one event', async () => {
    const { id } = await node.person();
    const role = await node.role(['files:read']);
    const first = await access.assign(wanted(role.id, account(id)), everything);
    const second = await access.assign(wanted(role.id, account(id)), everything);
    expect(second).toEqual(first);
    expect(first).toMatchObject({ roleId: role.id, role: role.name, subjectKind: 'account', subjectId: id });
    expect(await listed(account(id))).toEqual([first]);
    expect((await access.listAssignments({ roleId: role.id }, page)).items).toEqual([first]);
    await access.unassign(wanted(role.id, account(id)), everything);
    await access.unassign(wanted(role.id, account(id)), everything);
    expect(await listed(account(id))).toEqual([]);
    const events = await db('audit_events').where({ target_id: id }).orderBy('sequence').pluck('type');
    expect(events).toEqual(['role.assigned', 'role.unassigned']);
  });

  it('may be to an account, a team, a client or an API key', async () => {
    const role = await node.role(['files:read']);
    const place = await node.organization();
    const team = await organizations.createTeam(place.id, { name: 'Support' }, operator);
    const { client } = await node.clients.register({ name: 'Worker', kind: 'machine' }, operator);
    const subjects: Of[] = [
      account((await node.person()).id),
      { kind: 'team', id: team.id },
      { kind: 'client', id: client.id },
      { kind: 'api-key', id: await key() },
    ];
    for (const subject of subjects) await access.assign(wanted(role.id, subject), everything);
    const { items } = await access.listAssignments({ roleId: role.id }, page);
    expect(items.map((one) => [one.subjectKind, one.organizationId])).toEqual([
      ['account', null],
      ['api-key', null],
      ['client', null],
      ['team', place.id],
    ]);
  });

  it('is to nothing that is not there', async () => {
    const role = await node.role([]);
    for (const kind of ['account', 'team', 'client', 'api-key'] as const) {
      for (const id of ['acc_00000000000000000000000000', 'nobody', 'a\0b']) {
        expect(await codeOf(access.assign(wanted(role.id, { kind, id }), everything))).toBe(
          'subject_not_found',
        );
      }
    }
    const { id } = await node.person();
    expect(await codeOf(access.assign(wanted('role_nothing', account(id)), everything))).toBe(
      'role_not_found',
    );
    const nowhere = wanted(role.id, account(id), 'org_00000000000000000000000000');
    expect(await codeOf(access.assign(nowhere, everything))).toBe('organization_not_found');
  });

  it('is listed page by page, each once', async () => {
    const role = await node.role([]);
    for (let turn = 0; turn < 5; turn += 1) await node.give(role.id, (await node.person()).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { items, nextCursor } = await access.listAssignments({ roleId: role.id }, { limit: 2, cursor });
      seen.push(...items.map(({ subjectId }) => subjectId));
      cursor = nextCursor;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
    expect(await codeOf(access.listAssignments({}, { limit: 2, cursor: 'made-up' }))).toBe('request_invalid');
  });
});

describe('an assignment in an organization', () => {
  it('is to its members, its teams and its keys, and to no others', async () => {
    const [one, two] = [await node.organization(), await node.organization()];
    const role = await node.role(['files:read']);
    const { id } = await node.person();
    const team = await organizations.createTeam(two.id, { name: 'Elsewhere' }, operator);
    expect(await codeOf(access.assign(wanted(role.id, account(id), one.id), everything))).toBe(
      'member_not_found',
    );
    await organizations.addMember(one.id, id, operator);
    expect(await codeOf(access.assign(wanted(role.id, account(id), one.id), everything))).toBe('fulfilled');
    const others: Of[] = [
      { kind: 'team', id: team.id },
      { kind: 'api-key', id: await key(two.id) },
      { kind: 'api-key', id: await key() },
    ];
    for (const subject of others) {
      expect(await codeOf(access.assign(wanted(role.id, subject, one.id), everything))).toBe(
        'subject_not_found',
      );
    }
  });

  it('is where the role belongs, for the role of an organization', async () => {
    const [one, two] = [await node.organization(), await node.organization()];
    const role = await node.role(['files:read'], { organizationId: one.id });
    const { id } = await node.person();
    for (const place of [one, two]) await organizations.addMember(place.id, id, operator);
    expect((await access.assign(wanted(role.id, account(id)), everything)).organizationId).toBe(one.id);
    expect(await codeOf(access.assign(wanted(role.id, account(id), two.id), everything))).toBe(
      'role_not_found',
    );
    const team = await organizations.createTeam(two.id, { name: 'Elsewhere' }, operator);
    const toTeam = wanted(role.id, { kind: 'team', id: team.id });
    expect(await codeOf(access.assign(toTeam, everything))).toBe('subject_not_found');
  });

  it('ends with the membership, and does not come back with the next one', async () => {
    const place = await node.organization();
    const role = await node.role(['files:read']);
    const { id } = await node.person();
    await organizations.addMember(place.id, id, operator);
    await node.give(role.id, id, place.id);
    await organizations.removeMember(place.id, id, operator);
    await organizations.addMember(place.id, id, operator);
    expect(await listed(account(id))).toEqual([]);
    expect((await access.factsOf({ kind: 'account', id }, place.id))?.roles).toEqual([]);
  });
});

describe('whoever is bound to an organization', () => {
  it('assigns inside it, and finds nobody outside', async () => {
    const [one, two] = [await node.organization(), await node.organization()];
    const role = await node.role(['files:read']);
    const [member, stranger] = [await node.person(), await node.person()];
    await organizations.addMember(one.id, member.id, operator);
    await node.give(role.id, member.id);
    const acting = holding(['*:*'], { organizationId: one.id });
    const made = await access.assign(wanted(role.id, account(member.id)), acting);
    expect(made.organizationId).toBe(one.id);
    const answer = (subject: Of, place: string | null = null) =>
      codeOf(access.assign(wanted(role.id, subject, place), acting));
    expect(await answer(account(stranger.id))).toBe('subject_not_found');
    expect(await answer(account('acc_00000000000000000000000000'))).toBe('subject_not_found');
    expect(await answer(account(member.id), two.id)).toBe('organization_not_found');
    const { items } = await access.listAssignments({ roleId: role.id }, page, acting);
    expect(items).toEqual([made]);
    const ofStranger = access.listAssignments({ subject: account(stranger.id) }, page, acting);
    expect(await codeOf(ofStranger)).toBe('subject_not_found');
    await access.unassign(wanted(role.id, account(member.id)), acting);
    expect((await listed(account(member.id))).map(({ organizationId }) => organizationId)).toEqual([null]);
  });

  it('makes no administrator of the server', async () => {
    const place = await node.organization();
    const { id } = await node.person();
    await organizations.addMember(place.id, id, operator);
    const acting = holding(['*:*'], { organizationId: place.id });
    const made = await access.assign(wanted(ADMIN_ROLE, account(id)), acting);
    expect(made.organizationId).toBe(place.id);
    expect((await accounts.find(id))?.admin).toBe(false);
  });
});

describe('nobody hands out more than they hold', () => {
  it('neither gives nor takes a role that holds more, by itself or by what it inherits', async () => {
    const strong = await node.role(['files:*']);
    const heir = await node.role([], { parents: [strong.id] });
    const { id } = await node.person();
    for (const role of [strong, heir]) {
      const weak = holding(['files:read', 'roles:assign']);
      expect(await codeOf(access.assign(wanted(role.id, account(id)), weak))).toBe('permission_denied');
      await node.give(role.id, id);
      expect(await codeOf(access.unassign(wanted(role.id, account(id)), weak))).toBe('permission_denied');
      expect(await codeOf(access.assign(wanted(role.id, account(id)), holding(['files:*'])))).toBe(
        'fulfilled',
      );
    }
  });
});

describe('a role that is assigned', () => {
  it('is not removed, unless its assignments are to end with it', async () => {
    const role = await node.role(['files:read']);
    const { id } = await node.person();
    await node.give(role.id, id);
    expect(await codeOf(access.removeRole(role.id, everything))).toBe('role_assigned');
    const weak = holding(['roles:delete']);
    const how = { withAssignments: true };
    expect(await codeOf(access.removeRole(role.id, weak, how))).toBe('permission_denied');
    expect((await access.factsOf({ kind: 'account', id }, null))?.roles).toEqual([role.name]);
    await access.removeRole(role.id, everything, how);
    expect(await listed(account(id))).toEqual([]);
    expect((await access.factsOf({ kind: 'account', id }, null))?.roles).toEqual([]);
  });

  it('is either removed or assigned when both come at once, and never both', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      const role = await node.role(['files:read']);
      const { id } = await node.person();
      const codes = await Promise.all([
        codeOf(access.removeRole(role.id, everything)),
        codeOf(node.give(role.id, id)),
      ]);
      expect([
        ['fulfilled', 'role_not_found'],
        ['role_assigned', 'fulfilled'],
      ]).toContainEqual(codes);
    }
  });
});

describe('an assignment goes with whom it was made to', () => {
  it('an account, a client, a team, a key, an organization', async () => {
    const role = await node.role([]);
    const place = await node.organization();
    const { id } = await node.person();
    const { client } = await node.clients.register({ name: 'Worker', kind: 'machine' }, operator);
    const team = await organizations.createTeam(place.id, { name: 'Support' }, operator);
    const keyId = await key(place.id);
    const subjects: Of[] = [
      account(id),
      { kind: 'client', id: client.id },
      { kind: 'team', id: team.id },
      { kind: 'api-key', id: keyId },
    ];
    for (const subject of subjects) await access.assign(wanted(role.id, subject), everything);
    await accounts.remove(id, operator);
    await node.clients.remove(client.id, operator);
    await organizations.removeTeam(place.id, team.id, operator);
    await db('api_keys').where({ id: keyId }).delete();
    expect((await access.listAssignments({ roleId: role.id }, page)).items).toEqual([]);
  });
});

describe('the role admin, assigned to an account everywhere', () => {
  it('is what makes an administrator, and what an administrator is shown to have', async () => {
    const { id } = await node.person();
    await node.person({ admin: true });
    await node.give(ADMIN_ROLE, id);
    expect((await accounts.find(id))?.admin).toBe(true);
    expect(await listed(account(id))).toMatchObject([{ role: 'admin', organizationId: null }]);
    await accounts.change(id, { admin: false }, operator);
    expect(await listed(account(id))).toEqual([]);
    await accounts.change(id, { admin: true }, operator);
    expect((await access.factsOf({ kind: 'account', id }, null))?.permissions.covers('anything:at-all')).toBe(
      true,
    );
    await node.take(ADMIN_ROLE, id);
    expect((await accounts.find(id))?.admin).toBe(false);
    expect((await access.factsOf({ kind: 'account', id }, null))?.permissions.covers('anything:at-all')).toBe(
      false,
    );
  });

  it('is no change when it is so already', async () => {
    const { id, version } = await node.person({ admin: true });
    await node.give(ADMIN_ROLE, id);
    expect((await accounts.find(id))?.version).toBe(version);
  });

  it('is not taken from the last one', async () => {
    const { items } = await access.listAssignments({ roleId: ADMIN_ROLE }, page);
    const [last, ...others] = items.filter((one) => one.organizationId === null);
    for (const one of others) await node.take(ADMIN_ROLE, one.subjectId);
    expect(await codeOf(node.take(ADMIN_ROLE, last?.subjectId ?? ''))).toBe('last_admin');
  });
});
