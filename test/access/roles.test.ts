// Roles: what they may be called and hold, what they inherit, that nobody makes more than they hold, and their end.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf } from '../clients/support.ts';
import { useDatabase } from '../support/database.ts';
import { createAccessNode, everything, holding } from './world.ts';

const { postgres, db } = useDatabase();
const node = createAccessNode(postgres);
const { access } = node;
beforeAll(node.start);
afterAll(() => node.changes.stop());

const page = { limit: 50, cursor: null };
const eventsOf = (id: string) =>
  db('audit_events').where({ target_id: id }).orderBy('sequence').select('type', 'details');

describe('a role', () => {
  it('is made, found, changed and removed, each with its event', async () => {
    const role = await access.createRole(
      { name: 'reporter', description: 'Reads reports.', permissions: ['reports:read'] },
      everything,
    );
    expect(role).toMatchObject({
      name: 'reporter',
      organizationId: null,
      builtIn: false,
      version: 1,
      parents: [],
    });
    expect(await access.findRole(role.id)).toEqual(role);
    expect(await access.findRoleByName('reporter', null)).toEqual(role);
    const changed = await access.changeRole(role.id, { permissions: ['reports:*'], version: 1 }, everything);
    expect(changed).toMatchObject({ permissions: ['reports:*'], description: 'Reads reports.', version: 2 });
    expect(await codeOf(access.changeRole(role.id, { description: null, version: 1 }, everything))).toBe(
      'version_conflict',
    );
    await access.removeRole(role.id, everything);
    expect(await access.findRole(role.id)).toBeUndefined();
    expect(await eventsOf(role.id)).toEqual([
      { type: 'role.created', details: { name: 'reporter', permissions: ['reports:read'] } },
      { type: 'role.changed', details: { name: 'reporter', fields: ['permissions'] } },
      { type: 'role.deleted', details: { name: 'reporter', assignments: 0 } },
    ]);
  });

  it('has a name of its own in its place; another organization may use the same', async () => {
    const [one, two] = [await node.organization(), await node.organization()];
    const make = (organizationId: string | null) =>
      codeOf(access.createRole({ name: 'baker', organizationId }, everything));
    expect(await make(null)).toBe('fulfilled');
    expect(await make(one.id)).toBe('fulfilled');
    expect(await make(two.id)).toBe('fulfilled');
    expect(await make(one.id)).toBe('role_name_taken');
    expect(await make('org_00000000000000000000000000')).toBe('organization_not_found');
    const other = await node.role([], { organizationId: one.id });
    expect(await codeOf(access.changeRole(other.id, { name: 'baker' }, everything))).toBe('role_name_taken');
    const { items } = await access.listRoles({ organizationId: one.id, name: 'baker' }, page);
    expect(items.map(({ organizationId }) => organizationId).sort()).toEqual([null, one.id].sort());
  });

  it('bears no name of one that is known everywhere, unless whoever makes it holds what that one holds', async () => {
    const { id: organizationId } = await node.organization();
    await access.createRole({ name: 'judge', permissions: ['verdicts:*'] }, everything);
    const within = holding(['roles:*'], { organizationId });
    // Whoever looks at the roles of a token would believe it.
    for (const name of ['admin', 'judge']) {
      expect(await codeOf(access.createRole({ name }, within))).toBe('permission_denied');
    }
    const own = await access.createRole({ name: 'clerk' }, within);
    expect(await codeOf(access.changeRole(own.id, { name: 'admin' }, within))).toBe('permission_denied');
    expect(await codeOf(access.changeRole(own.id, { name: 'judge' }, within))).toBe('permission_denied');
    const judge = holding(['roles:*', 'verdicts:*'], { organizationId });
    expect(await codeOf(access.changeRole(own.id, { name: 'judge' }, judge))).toBe('fulfilled');
    // Afterwards it is changed by anybody who may.
    expect(await codeOf(access.changeRole(own.id, { description: 'Ours.' }, within))).toBe('fulfilled');
  });

  it.each([
    ['a name with a capital', { name: 'Admin2' }, 'role_invalid', 'name'],
    ['a name with a space', { name: 'a b' }, 'role_invalid', 'name'],
    [
      'a permission with an empty segment',
      { permissions: ['files:read:a::b'] },
      'permission_invalid',
      /empty segment/,
    ],
    [
      'a permission that ends in a colon',
      { permissions: ['files:read:'] },
      'permission_invalid',
      /empty segment/,
    ],
    [
      'a permission with a space in its selector',
      { permissions: ['files:read:a b'] },
      'permission_invalid',
      /space/,
    ],
    ['a permission with a quote in it', { permissions: ['files:read:"a"'] }, 'permission_invalid', /quote/],
    ['a permission without an action', { permissions: ['files'] }, 'permission_invalid', /resource:action/],
    ['half a wildcard', { permissions: ['file*:read'] }, 'permission_invalid', /"file\*"/],
    [
      'a permission of 300 letters',
      { permissions: [`files:read:${'x'.repeat(300)}`] },
      'permission_invalid',
      /longer/,
    ],
  ])('is refused for %s, with a sentence that says what to do', async (_what, input, code, said) => {
    const error = await access.createRole({ name: 'fine', ...input }, everything).catch((reason) => reason);
    expect(error.code).toBe(code);
    if (said instanceof RegExp) expect(error.details.fields['permissions.0']).toMatch(said);
    else expect(error.details.fields[said]).toBeDefined();
  });

  it('takes the forms of permissions that the documents use', async () => {
    const role = await node.role(['files:read:files:*', '*:*:*', 'audit_logs:read']);
    expect(role.permissions).toEqual(['files:read:files:*', '*:*:*', 'audit_logs:read']);
  });
});

describe('inheritance', () => {
  it('does not go in circles', async () => {
    const a = await node.role([]);
    const b = await node.role([], { parents: [a.id] });
    const c = await node.role([], { parents: [b.id] });
    expect(await codeOf(access.changeRole(a.id, { parents: [c.id] }, everything))).toBe('role_cycle');
    expect(await codeOf(access.changeRole(a.id, { parents: [a.id] }, everything))).toBe('role_cycle');
    expect((await access.findRole(a.id))?.version).toBe(1);
  });

  it('does not go in circles when two changes that would close one come at once', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      const [a, b] = [await node.role([]), await node.role([])];
      const codes = await Promise.all([
        codeOf(access.changeRole(a.id, { parents: [b.id] }, everything)),
        codeOf(access.changeRole(b.id, { parents: [a.id] }, everything)),
      ]);
      expect(codes.sort()).toEqual(['fulfilled', 'role_cycle']);
    }
  });

  it('is from roles that are known everywhere and from those of the same organization, and from no other', async () => {
    const [one, two] = [await node.organization(), await node.organization()];
    const [everywhere, own, foreign] = [
      await node.role([]),
      await node.role([], { organizationId: one.id }),
      await node.role([], { organizationId: two.id }),
    ];
    const make = (parent: string, organizationId: string | null) =>
      codeOf(
        access.createRole(
          { name: `heir-${parent.slice(-6)}`, organizationId, parents: [parent] },
          everything,
        ),
      );
    expect(await make(everywhere.id, one.id)).toBe('fulfilled');
    expect(await make(own.id, one.id)).toBe('fulfilled');
    expect(await make(foreign.id, one.id)).toBe('role_not_found');
    expect(await make(own.id, null)).toBe('role_not_found');
    expect(await make('role_made-up', null)).toBe('role_not_found');
  });

  it('keeps a role that others inherit from being removed', async () => {
    const parent = await node.role([]);
    const heir = await node.role([], { parents: [parent.id] });
    expect(await codeOf(access.removeRole(parent.id, everything))).toBe('role_inherited');
    await access.removeRole(heir.id, everything);
    await access.removeRole(parent.id, everything);
  });
});

describe('nobody hands out more than they hold', () => {
  it('when a role is made', async () => {
    const acting = holding(['files:read']);
    expect(await codeOf(access.createRole({ name: 'less', permissions: ['files:read:a'] }, acting))).toBe(
      'fulfilled',
    );
    expect(await codeOf(access.createRole({ name: 'more', permissions: ['files:*'] }, acting))).toBe(
      'permission_denied',
    );
    const strong = await node.role(['files:delete']);
    expect(await codeOf(access.createRole({ name: 'heir', parents: [strong.id] }, acting))).toBe(
      'permission_denied',
    );
    expect(await access.findRoleByName('heir', null)).toBeUndefined();
  });

  it('when a role is changed: what is added to it, also by a parent', async () => {
    const acting = holding(['files:read']);
    const role = await node.role(['files:delete']);
    const change = (input: object) => codeOf(access.changeRole(role.id, input, acting));
    expect(await change({ permissions: ['files:delete', 'files:read'] })).toBe('fulfilled');
    expect(await change({ permissions: ['files:delete', 'files:create'] })).toBe('permission_denied');
    const strong = await node.role(['files:create']);
    expect(await change({ parents: [strong.id] })).toBe('permission_denied');
    expect(await change({ description: 'Deletes files.' })).toBe('fulfilled');
  });
});

describe('who is bound to an organization', () => {
  it('sees its roles and those that are known everywhere, and changes only its own', async () => {
    const [one, two] = [await node.organization(), await node.organization()];
    const [own, foreign, everywhere] = [
      await node.role([], { organizationId: one.id }),
      await node.role([], { organizationId: two.id }),
      await node.role([]),
    ];
    const acting = holding(['*:*'], { organizationId: one.id });
    expect(await access.findRole(own.id, acting)).toBeDefined();
    expect(await access.findRole(everywhere.id, acting)).toBeDefined();
    expect(await access.findRole(foreign.id, acting)).toBeUndefined();
    for (const role of [foreign, everywhere]) {
      expect(await codeOf(access.changeRole(role.id, { description: 'x' }, acting))).toBe('role_not_found');
      expect(await codeOf(access.removeRole(role.id, acting))).toBe('role_not_found');
    }
    expect(await codeOf(access.createRole({ name: 'foreign', organizationId: two.id }, acting))).toBe(
      'organization_not_found',
    );
    const made = await access.createRole({ name: 'native' }, acting);
    expect(made.organizationId).toBe(one.id);
  });
});

describe('the roles from the start', () => {
  it('are there, the ladder by inheritance, and can be edited', async () => {
    const names = ['guest', 'viewer', 'user', 'operator', 'auditor', 'admin'];
    const roles = await Promise.all(names.map((name) => access.findRoleByName(name, null)));
    expect(roles.map((role) => role?.builtIn)).toEqual(names.map(() => true));
    const [guest, viewer, user, operator, , admin] = roles;
    expect([guest?.parents, viewer?.parents, user?.parents, admin?.parents]).toEqual([
      [],
      [guest?.id],
      [viewer?.id],
      [user?.id],
    ]);
    const changed = await access.changeRole(operator?.id ?? '', { permissions: ['jobs:*'] }, everything);
    expect(changed.permissions).toEqual(['jobs:*']);
  });

  it('has admin keep its name and every permission, and stay', async () => {
    const admin = await access.findRoleByName('admin', null);
    const change = (input: object) => codeOf(access.changeRole(admin?.id ?? '', input, everything));
    expect(await change({ permissions: ['*:read'] })).toBe('role_protected');
    expect(await change({ name: 'root' })).toBe('role_protected');
    expect(await change({ description: 'The boss.' })).toBe('fulfilled');
    const how = { withAssignments: true };
    expect(await codeOf(access.removeRole(admin?.id ?? '', everything, how))).toBe('role_protected');
  });
});
