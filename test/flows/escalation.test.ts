// Ways by which somebody could come to more than they were given: by a narrow token, a strong team, a key that sleeps.
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/access/access.ts';
import { ADMIN_ROLE } from '../../src/access/schema.ts';
import type { Account } from '../../src/accounts/accounts.ts';
import { asOperator as asKeyOperator } from '../../src/api-keys/api-keys.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';
import { post, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const all: { machine?: Machine } = {};
const call = callsBy(gatehouse, () => {
  if (!all.machine) throw new Error('made before the tests');
  return all.machine;
});
beforeAll(async () => {
  all.machine = await machine(gatehouse);
});

/** A token of the person for the management API, with this scope and no more. */
async function narrowToken(person: Account, scope: string, organizationId?: string): Promise<string> {
  const { managementAudience: resource } = gatehouse.services;
  const app = await relyingParty(gatehouse, { apis: [{ audience: resource, permissions: ['*'] }] });
  const place = organizationId === undefined ? {} : { organization_id: organizationId };
  const { tokens } = await app.signIn(person, { resource, scope: `openid ${scope}`, ...place });
  expect(tokens.scope?.split(' ')).toEqual(expect.arrayContaining(scope.split(' ')));
  return tokens.access_token;
}

describe('a token with a part of what its person holds', () => {
  it('hands out no permission of ours that it was not given itself', async () => {
    const { services } = gatehouse;
    const boss = await createPerson(services, { admin: true });
    const accomplice = await createPerson(services);
    const token = await narrowToken(boss, 'roles:assign roles:create roles:update');
    const give = (roleId: string) =>
      call('PUT', `/roles/${roleId}/assignments/account/${accomplice.id}`, { token });
    expect(await give(ADMIN_ROLE)).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    expect(await services.accounts.find(accomplice.id)).toMatchObject({ admin: false });
    const make = (name: string, permissions: string[]) =>
      call('POST', '/roles', { token, body: { name, permissions } });
    expect(await make('ours-by-star', ['accounts:*'])).toMatchObject({ status: 403 });
    expect(await make('ours-by-name', ['accounts:update'])).toMatchObject({ status: 403 });
    // What it was given, and what is of other APIs, where its person holds it.
    const made = await make('given', ['roles:assign', 'notes:read']);
    expect(made).toMatchObject({ status: 201 });
    expect(await give(made.body.id)).toMatchObject({ status: 200 });
  });

  it('puts nobody into a team that may do more at ours than the token', async () => {
    const { services } = gatehouse;
    const boss = await createPerson(services, { admin: true });
    const accomplice = await createPerson(services);
    const { id: organizationId } = await services.organizations.create(
      { slug: 'narrow', name: 'N' },
      operator,
    );
    await services.organizations.addMember(organizationId, accomplice.id, operator);
    const team = await services.organizations.createTeam(organizationId, { name: 'strong' }, operator);
    const role = await services.access.createRole(
      { name: 'people-master', permissions: ['accounts:update'] },
      asOperator(operator),
    );
    const subject = { kind: 'team', id: team.id } as const;
    await services.access.assign({ roleId: role.id, subject, organizationId }, asOperator(operator));
    const path = `/organizations/${organizationId}/teams/${team.id}/members/${accomplice.id}`;
    const token = await narrowToken(boss, 'organizations:read organizations:update');
    expect(await call('PUT', path, { token })).toMatchObject({
      status: 403,
      body: { code: 'permission_denied' },
    });
    expect(await call('PUT', path)).toMatchObject({ status: 200 });
  });
});

describe('who is bound to an organization', () => {
  it('learns of no client that has nothing to do with it, and brings none in', async () => {
    const { services } = gatehouse;
    const { organizations, access, apiKeys } = services;
    const { id: organizationId } = await organizations.create({ slug: 'clients', name: 'C' }, operator);
    const owner = { kind: 'organization', id: organizationId } as const;
    const by = asKeyOperator(operator);
    const { secret } = await apiKeys.create({ name: 'all', permissions: ['*:*'], owner }, by);
    const role = await access.createRole(
      { name: 'small', permissions: [], organizationId },
      asOperator(operator),
    );
    const ask = (method: string, path: string) =>
      call(method, path, { token: null, headers: { 'X-API-Key': secret } });
    const { clientId } = await machine(gatehouse, ['clients:read']);
    const answers = async (id: string) => {
      const all = [
        await ask('GET', `/subjects/client/${id}/permissions`),
        await ask('GET', `/subjects/client/${id}/roles`),
        await ask('GET', `/subjects/client/${id}/decisions/read/clients`),
        await ask('PUT', `/roles/${role.id}/assignments/client/${id}`),
        await ask('DELETE', `/roles/${role.id}/assignments/client/${id}`),
      ];
      return all.map(({ status, body }) => `${status} ${body?.code}`);
    };
    expect(await answers(clientId)).toEqual(Array.from({ length: 5 }, () => '404 subject_not_found'));
    expect(await answers('nobody')).toEqual(await answers(clientId));
    // Somebody from outside brought it in.
    const subject = { kind: 'client', id: clientId } as const;
    await access.assign({ roleId: role.id, subject, organizationId }, asOperator(operator));
    expect((await ask('GET', `/subjects/client/${clientId}/permissions`)).status).toBe(200);
    expect((await ask('GET', `/subjects/client/${clientId}/roles`)).body.items).toHaveLength(1);
  });
});

describe('who is strong by a team', () => {
  it('is changed by nobody weaker, as one who is strong by a role of their own', async () => {
    const { services } = gatehouse;
    const strong = await createPerson(services);
    const { id: organizationId } = await services.organizations.create(
      { slug: 'teams', name: 'T' },
      operator,
    );
    await services.organizations.addMember(organizationId, strong.id, operator);
    const team = await services.organizations.createTeam(organizationId, { name: 'keyholders' }, operator);
    await services.organizations.addTeamMember(organizationId, team.id, strong.id, operator);
    const role = await services.access.createRole(
      { name: 'key-master', permissions: ['api-keys:*'] },
      asOperator(operator),
    );
    const subject = { kind: 'team', id: team.id } as const;
    await services.access.assign({ roleId: role.id, subject, organizationId }, asOperator(operator));
    const { token } = await machine(gatehouse, ['accounts:read', 'accounts:update']);
    const taken = await call('PATCH', `/accounts/${strong.id}`, {
      token,
      headers: { 'If-Match': '*' },
      body: { email: 'mine@thief.example' },
    });
    expect(taken).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
  });
});

describe('a key whose owner is suspended', () => {
  it('is given no new secret by who holds less than it was given', async () => {
    const { services } = gatehouse;
    const owner = await createPerson(services, { admin: false });
    const role = await services.access.createRole(
      { name: 'client-master', permissions: ['clients:*'] },
      asOperator(operator),
    );
    await services.access.assign(
      { roleId: role.id, subject: { kind: 'account', id: owner.id }, organizationId: null },
      asOperator(operator),
    );
    const { key } = await services.apiKeys.create(
      { name: 'strong', permissions: ['clients:*'], owner: { kind: 'account', id: owner.id } },
      asKeyOperator(operator),
    );
    await services.accounts.suspend(owner.id, null, operator);
    const { token } = await machine(gatehouse, ['api-keys:read', 'api-keys:rotate']);
    const rotated = await call('POST', `/api-keys/${key.id}/rotate`, { token, headers: { 'If-Match': '*' } });
    expect(rotated).toMatchObject({ status: 403, body: { code: 'api_key_permission_not_held' } });
  });
});

describe('a token made with a key that has a list of addresses', () => {
  it('opens the management API from those alone, as the key itself', async () => {
    const { services, issuer } = gatehouse;
    const owner = await createPerson(services, { admin: true });
    const { key, secret } = await services.apiKeys.create(
      {
        name: 'at home',
        permissions: ['roles:read'],
        owner: { kind: 'account', id: owner.id },
        allowedAddresses: ['127.0.0.0/8', '::1'],
      },
      asKeyOperator(operator),
    );
    const { body } = await post(
      `${issuer}/token`,
      { grant_type: 'client_credentials', resource: services.managementAudience },
      { 'X-API-Key': secret },
    );
    const token = String(body.access_token);
    expect(await call('GET', '/roles', { token })).toMatchObject({ status: 200 });
    await services.apiKeys.change(key.id, { allowedAddresses: ['192.0.2.0/24'] }, asKeyOperator(operator));
    expect(await call('GET', '/roles', { token })).toMatchObject({ status: 401 });
  });
});
