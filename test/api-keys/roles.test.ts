// Roles that are assigned to keys: what they add, within the owner and the keys above, and which of them a token may name.
import { describe, expect, it } from 'vitest';
import { asOperator as anything } from '../../src/access/access.ts';
import { operator } from '../support/people.ts';
import { atTheMachine, useNodes } from './world.ts';

const nodes = useNodes();
const acting = anything(operator);
const effectiveOf = async (id: string) => {
  const key = await nodes.services.apiKeys.known(id);
  const effective = key && (await nodes.services.apiKeys.effective(key));
  return effective && { permissions: effective.permissions.texts, roles: effective.roles };
};

describe('a role of a key', () => {
  it('adds to what the key may do, and is gone at once when it is taken away', async () => {
    const { access } = nodes.services;
    const role = await access.createRole({ name: 'filer', permissions: ['files:read'] }, acting);
    const { key } = await nodes.key();
    expect(await effectiveOf(key.id)).toEqual({ permissions: ['notes:read'], roles: [] });
    const assignment = {
      roleId: role.id,
      subject: { kind: 'api-key', id: key.id },
      organizationId: null,
    } as const;
    await access.assign(assignment, acting);
    expect(await effectiveOf(key.id)).toEqual({
      permissions: ['files:read', 'notes:read'],
      roles: ['filer'],
    });
    await access.changeRole(role.id, { permissions: ['files:list'] }, acting);
    expect((await effectiveOf(key.id))?.permissions).toEqual(['files:list', 'notes:read']);
    await access.unassign(assignment, acting);
    expect(await effectiveOf(key.id)).toEqual({ permissions: ['notes:read'], roles: [] });
  });

  it('does not go beyond the key above, and is not named where it would say more than the key may do', async () => {
    const { access } = nodes.services;
    const role = await access.createRole(
      { name: 'noter', permissions: ['notes:read', 'notes:write'] },
      acting,
    );
    const parent = await nodes.key({ permissions: ['notes:read'] });
    const child = await nodes.key({ parentId: parent.key.id, permissions: [] });
    const subject = { kind: 'api-key', id: child.key.id } as const;
    await access.assign({ roleId: role.id, subject, organizationId: null }, acting);
    expect(await effectiveOf(child.key.id)).toEqual({ permissions: ['notes:read'], roles: [] });
    await nodes.services.apiKeys.change(parent.key.id, { permissions: ['notes:*'] }, atTheMachine);
    expect(await effectiveOf(child.key.id)).toEqual({
      permissions: ['notes:read', 'notes:write'],
      roles: ['noter'],
    });
  });
});
