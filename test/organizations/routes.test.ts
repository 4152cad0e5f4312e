// The management API of organizations: what is decided from within one, who gives away what, and how fast a suspension bites.
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/access/access.ts';
import { asOperator as asKeyOperator } from '../../src/api-keys/api-keys.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';

const gatehouse = useGatehouse();
const made: { all?: Machine } = {};
const call = callsBy(gatehouse, () => {
  if (!made.all) throw new Error('made before the tests');
  return made.all;
});
beforeAll(async () => {
  made.all = await machine(gatehouse);
});

let count = 0;

/** An organization with a member, and a key of its own that may do this. */
async function organization(permissions: string[] = ['*:*']) {
  const { services } = gatehouse;
  count += 1;
  const { id } = await services.organizations.create({ slug: `org-${count}`, name: 'Acme' }, operator);
  const account = await createPerson(services);
  await services.organizations.addMember(id, account.id, operator);
  const owner = { kind: 'organization', id } as const;
  const issued = await services.apiKeys.create({ name: 'own', permissions, owner }, asKeyOperator(operator));
  const within = (method: string, path: string, body?: unknown) =>
    call(method, `/organizations/${id}${path}`, {
      token: null,
      headers: { 'X-API-Key': issued.secret, 'If-Match': '*' },
      body,
    });
  return { id, accountId: account.id, key: issued, within };
}

describe('from within an organization', () => {
  it('its name and time zone are changed, and not what it is to others', async () => {
    const { within } = await organization();
    const changed = await within('PATCH', '', { name: 'New', timeZone: 'Europe/Vienna' });
    expect(changed).toMatchObject({ status: 200, body: { name: 'New', timeZone: 'Europe/Vienna' } });
    for (const [method, path, body] of [
      ['PATCH', '', { slug: 'other' }],
      ['PATCH', '', { permissions: ['*:*'] }],
      ['DELETE', '', undefined],
      ['POST', '/suspend', {}],
      ['POST', '/reinstate', undefined],
    ] as const) {
      expect(await within(method, path, body)).toMatchObject({
        status: 403,
        body: { code: 'organization_bound' },
      });
    }
    expect((await within('GET', '')).body).toMatchObject({ name: 'New', status: 'active', version: 2 });
  });

  it('nobody new becomes a member, and whether the account exists is not told', async () => {
    const { within, accountId } = await organization();
    const stranger = await createPerson(gatehouse.services);
    expect((await within('PUT', `/members/${accountId}`)).status).toBe(200);
    for (const id of [stranger.id, 'acc_00000000000000000000000000']) {
      const { status, body } = await within('PUT', `/members/${id}`);
      expect([status, body.code]).toEqual([403, 'organization_bound']);
    }
    expect((await within('GET', '/members')).body.items).toHaveLength(1);
    expect((await within('DELETE', `/members/${accountId}`)).status).toBe(204);
    expect((await within('GET', '/members')).body.items).toEqual([]);
  });

  it('nobody is put into a team that may do more than whoever asks', async () => {
    const { access, organizations } = gatehouse.services;
    const { id, accountId, within } = await organization(['organizations:read', 'organizations:update']);
    const team = await organizations.createTeam(id, { name: 'Crew' }, operator);
    const place = `/teams/${team.id}/members/${accountId}`;
    const role = await access.createRole(
      { name: 'writer', organizationId: id, permissions: ['notes:write'] },
      asOperator(operator),
    );
    const subject = { kind: 'team', id: team.id } as const;
    await access.assign({ roleId: role.id, subject, organizationId: id }, asOperator(operator));
    expect(await within('PUT', place)).toMatchObject({
      status: 403,
      body: { code: 'permission_denied', permission: 'notes:write' },
    });
    await access.unassign({ roleId: role.id, subject, organizationId: id }, asOperator(operator));
    expect((await within('PUT', place)).status).toBe(200);
  });
});

describe('a suspended organization', () => {
  it('has keys that do not work, from the very next call on, until it is reinstated', async () => {
    const { id, within } = await organization();
    expect((await within('GET', '')).status).toBe(200);
    expect((await call('POST', `/organizations/${id}/suspend`, { body: { reason: 'unpaid' } })).status).toBe(
      200,
    );
    expect((await within('GET', '')).status).toBe(401);
    expect((await call('POST', `/organizations/${id}/reinstate`)).status).toBe(200);
    expect((await within('GET', '')).status).toBe(200);
  });
});

describe('a membership that ends', () => {
  it('takes the roles in the organization along, and no others; they do not come back with it', async () => {
    const { access } = gatehouse.services;
    const { id, accountId } = await organization();
    const subject = { kind: 'account', id: accountId } as const;
    const may = async (organizationId: string | null) =>
      (await access.factsOf(subject, organizationId))?.permissions.texts.filter((text) =>
        text.startsWith('notes:'),
      );
    for (const [name, organizationId] of [
      ['inner', id],
      ['outer', null],
    ] as const) {
      const permissions = [`notes:${name}`];
      const role = await access.createRole({ name: `${name}-${id}`, permissions }, asOperator(operator));
      await access.assign({ roleId: role.id, subject, organizationId }, asOperator(operator));
    }
    expect(await may(id)).toEqual(['notes:inner', 'notes:outer']);
    expect((await call('DELETE', `/organizations/${id}/members/${accountId}`)).status).toBe(204);
    expect(await may(id)).toBeUndefined();
    expect(await may(null)).toEqual(['notes:outer']);
    expect((await call('PUT', `/organizations/${id}/members/${accountId}`)).status).toBe(200);
    expect(await may(id)).toEqual(['notes:outer']);
  });
});

describe('where a person is a member', () => {
  it('is told of each account, and of nobody it is not', async () => {
    const { id, accountId } = await organization();
    const { status, body } = await call('GET', `/accounts/${accountId}/organizations`);
    expect([status, body.items.map((one: { organizationId: string }) => one.organizationId)]).toEqual([
      200,
      [id],
    ]);
    const nobody = await call('GET', '/accounts/acc_00000000000000000000000000/organizations');
    expect([nobody.status, nobody.body.code]).toEqual([404, 'account_not_found']);
    expect((await call('GET', '/me/organizations')).body).toEqual({ items: [], nextCursor: null });
  });
});
