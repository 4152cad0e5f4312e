// What the documents promise about roles and permissions, kept by the management API: one test or more per promise.
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator as everything } from '../../src/access/access.ts';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { permissions } from '../../src/vocabulary/permissions.ts';
import { basic, post } from '../flows/relying-party.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { type Call, callsBy, type Machine, machine } from '../support/management.ts';
import { createClient, createPerson, operator } from '../support/people.ts';

const wide = { LIMIT_ADMIN_READ_PER_MINUTE: '1000000', LIMIT_ADMIN_WRITE_PER_MINUTE: '1000000' };
const gatehouse = useGatehouse({ settings: wide });
const made: { all?: Machine } = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('the machine is made before the tests');
  return made.all;
});
beforeAll(async () => {
  made.all = await machine(gatehouse);
  // It holds everything, and so may hand out everything: machines do so by a role.
  const [admin] = (await call('GET', '/roles?name=admin')).body.items;
  const subject = { kind: 'client', id: made.all.clientId } as const;
  await gatehouse.services.access.assign(
    { roleId: admin.id, subject, organizationId: null },
    everything(operator),
  );
});

let count = 0;
async function role(names: string[], more: object = {}): Promise<{ id: string; name: string }> {
  count += 1;
  const { status, body } = await call('POST', '/roles', {
    body: { name: `role-${count}`, permissions: names, ...more },
  });
  expect([status, body.code]).toEqual([201, undefined]);
  return body;
}
const person = async () => (await createPerson(gatehouse.services)).id;
const give = (roleId: string, id: string, query = '', more: Call = {}) =>
  call('PUT', `/roles/${roleId}/assignments/account/${id}${query}`, more);
const may = async (id: string, action: string, resource: string, query = '') =>
  (await call('GET', `/subjects/account/${id}/decisions/${action}/${encodeURIComponent(resource)}${query}`))
    .body;

describe('A4', () => {
  it('A4: has_permission(user, resource, action), with the reason; and the permissions of a user', async () => {
    const id = await person();
    const editor = await role(['files:create', 'files:read']);
    expect(await may(id, 'create', 'files')).toEqual({
      allowed: false,
      reasons: [{ code: 'no_permission', text: 'The subject holds no permission for files:create.' }],
    });
    expect((await give(editor.id, id)).status).toBe(200);
    expect(await may(id, 'create', 'files')).toEqual({
      allowed: true,
      reasons: [{ code: 'permitted', text: `files:create from role ${editor.name}.` }],
    });
    const { body } = await call('GET', `/subjects/account/${id}/permissions`);
    expect(body.permissions).toEqual(expect.arrayContaining(['files:create', 'files:read']));
    expect(body.roles).toEqual([editor.name]);
    expect(body.sources).toContainEqual({ permission: 'own-api-keys:read', via: 'everyone' });
    const assigned = await call('GET', `/subjects/account/${id}/roles`);
    expect(assigned.body.items.map((one: { role: string }) => one.role)).toEqual([editor.name]);
    expect((await call('DELETE', `/roles/${editor.id}/assignments/account/${id}`)).status).toBe(204);
    expect((await may(id, 'create', 'files')).allowed).toBe(false);
  });
});

describe('A5', () => {
  it('A5: roles of the forms files:read:files:*, *:*:* and audit_logs:read', async () => {
    const [viewer, auditor, root] = [
      await role(['files:read:files:*']),
      await role(['audit_logs:read']),
      await role(['*:*:*']),
    ];
    const [one, two, three] = [await person(), await person(), await person()];
    await give(viewer.id, one);
    await give(auditor.id, two);
    await give(root.id, three);
    expect((await may(one, 'read', 'files:123')).allowed).toBe(true);
    expect((await may(one, 'delete', 'files:123')).allowed).toBe(false);
    expect((await may(one, 'read', 'audit_logs')).allowed).toBe(false);
    expect((await may(two, 'read', 'audit_logs')).allowed).toBe(true);
    expect((await may(three, 'execute', 'jobs:nightly')).allowed).toBe(true);
  });

  it('A5: a selector with separators in it is refused with a code and a sentence that says what to do', async () => {
    for (const permission of ['files:read:a b', 'files:read:a::b', 'files:read:', 'files read']) {
      const { status, body } = await call('POST', '/roles', {
        body: { name: 'x', permissions: [permission] },
      });
      expect([status, body.code, Object.keys(body.fields)]).toEqual([
        400,
        'permission_invalid',
        ['permissions.0'],
      ]);
    }
  });
});

describe('B2', () => {
  it('B2: admin has everything of user, user of viewer, viewer of guest', async () => {
    const { items } = (await call('GET', '/roles')).body;
    const named = (name: string) => items.find((one: { name: string }) => one.name === name);
    const rolesOf = async (name: string) => {
      const id = await person();
      await give(named(name).id, id);
      return (await call('GET', `/subjects/account/${id}/permissions`)).body;
    };
    expect((await rolesOf('guest')).roles).toEqual(['guest']);
    expect((await rolesOf('viewer')).roles).toEqual(['guest', 'viewer']);
    const user = await rolesOf('user');
    expect(user.roles).toEqual(['guest', 'user', 'viewer']);
    expect(user.sources).toContainEqual({ permission: '*:read', via: 'role viewer, inherited by user' });
    const admin = await rolesOf('admin');
    expect(admin.roles).toEqual(['admin', 'guest', 'user', 'viewer']);
    expect(admin.permissions).toEqual(['*:*']);
  });

  it('B2: a role holds at the management API itself, at once, and is gone at once', async () => {
    const { client, secret } = await createClient(gatehouse.services, {
      kind: 'machine',
      apis: [{ audience: `${gatehouse.issuer}/api`, permissions: [] }],
    });
    const token = async () => {
      const resource = `${gatehouse.issuer}/api`;
      const { body } = await post(
        `${gatehouse.issuer}/token`,
        { grant_type: 'client_credentials', resource, scope: 'accounts:read clients:read' },
        basic(client, secret),
      );
      return String(body.access_token);
    };
    const reader = await role(['accounts:read']);
    await call('PUT', `/roles/${reader.id}/assignments/client/${client.id}`);
    const held = await token();
    expect((await call('GET', '/accounts?limit=1', { token: held })).status).toBe(200);
    expect((await call('GET', '/clients?limit=1', { token: held })).status).toBe(403);
    await call('DELETE', `/roles/${reader.id}/assignments/client/${client.id}`);
    expect((await call('GET', '/accounts?limit=1', { token: held })).status).not.toBe(200);
  });
});

describe('B3', () => {
  it('B3: a fine-grained permission is for what it names, and a condition for whose it is', async () => {
    const id = await person();
    await give((await role(['projects:update:@owner', 'projects:read:alpha'])).id, id);
    const put = (resource: string, owner: string) =>
      call('PUT', `/resources/projects/${resource}`, { body: { properties: { owner } } });
    await put('mine', id);
    await put('theirs', 'acc_somebody');
    expect((await may(id, 'read', 'projects:alpha')).allowed).toBe(true);
    expect(await may(id, 'read', 'projects:beta')).toMatchObject({
      allowed: false,
      reasons: [{ code: 'other_resource' }],
    });
    expect(await may(id, 'update', 'projects:mine')).toMatchObject({
      allowed: true,
      reasons: [{ code: 'permitted_by_property' }],
    });
    expect(await may(id, 'update', 'projects:theirs')).toMatchObject({
      allowed: false,
      reasons: [{ code: 'property_mismatch' }],
    });
  });
});

describe('C7', () => {
  async function organization(...members: string[]): Promise<string> {
    count += 1;
    const { organizations } = gatehouse.services;
    const { id } = await organizations.create({ slug: `place-${count}`, name: `Place ${count}` }, operator);
    for (const member of members) await organizations.addMember(id, member, operator);
    return id;
  }

  it('C7: a role in one organization says nothing in another, nor outside', async () => {
    const id = await person();
    const [one, two] = [await organization(id), await organization(id)];
    const editor = await role(['files:create']);
    await give(editor.id, id, `?organizationId=${one}`);
    expect((await may(id, 'create', 'files', `?organizationId=${one}`)).allowed).toBe(true);
    expect((await may(id, 'create', 'files', `?organizationId=${two}`)).allowed).toBe(false);
    expect((await may(id, 'create', 'files')).allowed).toBe(false);
  });

  it('C7: whoever is bound to an organization manages its roles, and neither sees nor gives anything elsewhere', async () => {
    const [boss, member, stranger] = [await person(), await person(), await person()];
    const [own, other] = [await organization(boss, member), await organization(stranger)];
    const manager = await role(['roles:*', 'files:*'], { organizationId: own });
    await give(manager.id, boss);
    const foreign = await role(['files:read'], { organizationId: other });
    const { secret } = await gatehouse.services.apiKeys.create(
      {
        name: 'manager',
        permissions: ['roles:*', 'files:*'],
        owner: { kind: 'account', id: boss },
        organizationId: own,
      },
      asOperator(operator),
    );
    const asBoss: Call = { token: null, headers: { 'x-api-key': secret } };
    const create = (body: object) => call('POST', '/roles', { ...asBoss, body });
    const native = await create({ name: 'native', permissions: ['files:read'] });
    expect([native.status, native.body.organizationId]).toEqual([201, own]);
    expect((await create({ name: 'strong', permissions: ['clients:read'] })).body.code).toBe(
      'permission_denied',
    );
    expect((await create({ name: 'out', organizationId: other })).body.code).toBe('organization_not_found');
    expect((await give(native.body.id, member, '', asBoss)).body).toMatchObject({ organizationId: own });
    const refused = async (reply: ReturnType<typeof call>) => {
      const { status, body } = await reply;
      return [status, body.code];
    };
    expect(await refused(give(native.body.id, stranger, '', asBoss))).toEqual([404, 'subject_not_found']);
    expect(await refused(give(foreign.id, member, '', asBoss))).toEqual([404, 'role_not_found']);
    expect(await refused(call('GET', `/roles/${foreign.id}`, asBoss))).toEqual([404, 'role_not_found']);
    for (const part of ['roles', 'permissions', 'decisions/read/files']) {
      const about = call('GET', `/subjects/account/${stranger}/${part}`, asBoss);
      expect(await refused(about)).toEqual([404, 'subject_not_found']);
    }
    const seen = (await call('GET', '/roles', asBoss)).body.items.map((one: { id: string }) => one.id);
    expect([seen.includes(native.body.id), seen.includes(foreign.id)]).toEqual([true, false]);
    // Roles that are known everywhere are theirs to give inside, not to change.
    const [viewer] = (await call('GET', '/roles?name=viewer', asBoss)).body.items;
    const change = { ...asBoss, body: { description: 'x' }, headers: { ...asBoss.headers, 'If-Match': '*' } };
    expect(await refused(call('PATCH', `/roles/${viewer.id}`, change))).toEqual([404, 'role_not_found']);
  });
});

describe('nobody becomes somebody who may more', () => {
  it('by changing the account or the client of one who has a stronger role', async () => {
    const helper = await machine(
      gatehouse,
      Object.keys(permissions).filter((name) => name !== 'signing-keys:update'),
    );
    const { token } = helper;
    const strong = await role(['signing-keys:*']);
    const id = await person();
    const { client } = await createClient(gatehouse.services, { kind: 'machine' });
    const acts = () =>
      Promise.all([
        call('PATCH', `/accounts/${id}`, {
          token,
          body: { email: `taken${count}@example.com` },
          headers: { 'If-Match': '*' },
        }),
        call('PATCH', `/clients/${client.id}`, {
          token,
          body: { name: 'Mine' },
          headers: { 'If-Match': '*' },
        }),
        call('POST', `/clients/${client.id}/secrets`, { token, body: {} }),
      ]);
    expect((await acts()).map(({ status }) => status)).toEqual([200, 200, 201]);
    await give(strong.id, id);
    await call('PUT', `/roles/${strong.id}/assignments/client/${client.id}`);
    count += 1;
    const replies = await acts();
    expect(replies.map(({ status, body }) => [status, body.permission])).toEqual(
      replies.map(() => [403, 'signing-keys:update']),
    );
    // Nor by giving the role to themselves.
    const own = await call('PUT', `/roles/${strong.id}/assignments/client/${helper.clientId}`, { token });
    expect([own.status, own.body.code]).toEqual([403, 'permission_denied']);
  });
});
