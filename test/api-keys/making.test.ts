// Making and changing keys: whose, how much, for how long, and every input that is refused with its reason.
import { describe, expect, it } from 'vitest';
import { asOperator as anything } from '../../src/access/access.ts';
import { type Authority, managing, type NewApiKey, owning } from '../../src/api-keys/api-keys.ts';
import { newId } from '../../src/lib/ids.ts';
import { permissions } from '../../src/vocabulary/permissions.ts';
import { createApi, createPerson, operator } from '../support/people.ts';
import { atTheMachine, callerOf, refusal, useNodes } from './world.ts';

const nodes = useNodes();
const day = 86_400_000;
const make = (input: Partial<NewApiKey>, as: Authority = atTheMachine) =>
  nodes.services.apiKeys.create(
    {
      name: 'A key',
      permissions: ['notes:read'],
      ...(as === atTheMachine ? { owner: { kind: 'account', id: nodes.admin().id } } : {}),
      ...input,
    },
    as,
  );
const effectiveOf = async (id: string) => {
  const key = await nodes.services.apiKeys.known(id);
  const effective = key && (await nodes.services.apiKeys.effective(key));
  return effective?.permissions.texts;
};

describe('a new key', () => {
  it('A3: has a name, permissions, limits, lists, an end and an owner', async () => {
    const { audience } = await createApi(nodes.services);
    const { key } = await make({
      name: 'Deploys',
      permissions: ['files:read:files:*', 'audit_logs:read'],
      apis: [audience],
      allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'],
      rateLimits: [{ permits: 100, per: 'hour', burst: 10 }],
      constraints: { model: ['small', 'large'], endpoint: ['/v1/chat'] },
      claims: { tier: 'gold' },
      notes: 'for the pipeline',
    });
    const found = await nodes.services.apiKeys.find(key.id, atTheMachine);
    expect(found).toMatchObject({ ...key, active: true, inactiveReason: null });
    expect(found?.expiresAt?.getTime()).toBeCloseTo(Date.now() + 365 * day, -5);
  });

  it('C8: may do no more than its owner, now and later', async () => {
    const { services } = nodes;
    const owner = await createPerson(services);
    const acting = anything(operator);
    const role = await services.access.createRole(
      { name: 'note-taker', permissions: ['ledgers:read', 'ledgers:write'] },
      acting,
    );
    const assignment = {
      roleId: role.id,
      subject: { kind: 'account', id: owner.id },
      organizationId: null,
    } as const;
    const mine = { owner: { kind: 'account', id: owner.id } } as const;
    expect(await refusal(make({ ...mine, permissions: ['ledgers:read', 'files:read'] }))).toEqual({
      code: 'api_key_permission_not_held',
      permissions: ['ledgers:read', 'files:read'],
    });
    await services.access.assign(assignment, acting);
    const { key } = await make({ ...mine, permissions: ['ledgers:read', 'ledgers:write'] });
    expect(await effectiveOf(key.id)).toEqual(['ledgers:read', 'ledgers:write']);
    await services.access.unassign(assignment, acting);
    expect(await effectiveOf(key.id)).toEqual([]);
  });

  it('may do no more than whoever makes it: its account, and what its credential was given of our own words', async () => {
    const { services } = nodes;
    const clerk = await createPerson(services);
    const forAdmin = { owner: { kind: 'account', id: nodes.admin().id } } as const;
    const asClerk = managing(callerOf(clerk));
    expect(await refusal(make({ ...forAdmin, permissions: ['ledgers:read'] }, asClerk))).toEqual({
      code: 'api_key_permission_not_held',
      permissions: ['ledgers:read'],
    });
    const narrow = owning(callerOf(nodes.admin(), { permissions: ['own-api-keys:create'] }));
    expect(await refusal(make({ permissions: ['*:*'] }, narrow))).toMatchObject({ permissions: ['*:*'] });
    expect(await refusal(make({ permissions: ['accounts:read', 'ledgers:read'] }, narrow))).toMatchObject({
      permissions: ['accounts:read'],
    });
    expect((await make({ permissions: ['ledgers:read'] }, narrow)).key.accountId).toBe(nodes.admin().id);
  });

  it('of an administrator is made and touched by those who may make administrators', async () => {
    const { services } = nodes;
    const other = await createPerson(services, { admin: true });
    const without = callerOf(other, {
      permissions: Object.keys(permissions).filter((name) => name !== 'accounts:admin'),
    });
    const as = managing(without);
    const forAdmin = { owner: { kind: 'account', id: nodes.admin().id } } as const;
    expect(await refusal(make(forAdmin, as))).toMatchObject({ code: 'permission_denied' });
    const { key } = await make({});
    const { apiKeys } = services;
    for (const act of [
      () => apiKeys.change(key.id, { name: 'Mine now' }, as),
      () => apiKeys.rotate(key.id, {}, as),
      () => apiKeys.revoke(key.id, null, as),
      () => apiKeys.disable(key.id, as),
      () => apiKeys.enable(key.id, as),
    ]) {
      expect(await refusal(act())).toEqual({ code: 'permission_denied', permission: 'accounts:admin' });
    }
    // One's own are one's own.
    expect(
      await make({}, managing(callerOf(nodes.admin(), { permissions: without.permissions }))),
    ).toHaveProperty('secret');
  });

  it('of a client may do what the client is registered for, at that API', async () => {
    const { services } = nodes;
    const [one, other] = [await createApi(services), await createApi(services)];
    const { client } = await services.clients.register(
      {
        name: 'Robot',
        kind: 'machine',
        apis: [
          { audience: one.audience, permissions: ['notes:read'] },
          { audience: other.audience, permissions: ['*'] },
        ],
      },
      operator,
    );
    const owner = { kind: 'client', id: client.id } as const;
    const { key } = await make({ owner, permissions: ['notes:read', 'notes:write'] });
    const at = async (audience: string) =>
      (await services.apiKeys.effective(key, audience))?.permissions.texts;
    expect(await at(one.audience)).toEqual(['notes:read']);
    expect(await at(other.audience)).toEqual(['notes:read', 'notes:write']);
    expect(await at('https://elsewhere.example')).toEqual([]);
    const third = await createApi(services);
    expect(await refusal(make({ owner, apis: [third.audience] }))).toMatchObject({ code: 'api_key_invalid' });
  });

  it('of an organization stays under its ceiling and ends with its suspension', async () => {
    const { services } = nodes;
    const organization = await services.organizations.create(
      { slug: 'acme', name: 'Acme', permissions: ['notes:read'] },
      operator,
    );
    const owner = { kind: 'organization', id: organization.id } as const;
    expect(await refusal(make({ owner, permissions: ['notes:write'] }))).toMatchObject({
      permissions: ['notes:write'],
    });
    const { key, secret } = await make({ owner });
    expect(key).toMatchObject({
      ownerKind: 'organization',
      organizationId: organization.id,
      accountId: null,
    });
    await services.organizations.suspend(organization.id, null, operator);
    expect(await services.apiKeys.authenticate(secret, { address: null })).toMatchObject({
      refused: 'owner_inactive',
    });
  });

  it('in an organization is for its members, and for callers of that organization alone', async () => {
    const { services } = nodes;
    const organization = await services.organizations.create({ slug: 'globex', name: 'Globex' }, operator);
    const elsewhere = await services.organizations.create({ slug: 'initech', name: 'Initech' }, operator);
    const member = await createPerson(services);
    const mine = {
      owner: { kind: 'account', id: member.id },
      organizationId: organization.id,
      permissions: [],
    } as const;
    expect(await refusal(make({ ...mine, permissions: [] }))).toMatchObject({ code: 'member_not_found' });
    await services.organizations.addMember(organization.id, member.id, operator);
    const { key, secret } = await make({ ...mine, permissions: [] });
    const bound = managing(callerOf(nodes.admin(), { organizationId: elsewhere.id }));
    const own = managing(callerOf(member, { organizationId: organization.id }));
    expect(await services.apiKeys.find(key.id, bound)).toBeUndefined();
    expect(await services.apiKeys.find(key.id, own)).toMatchObject({ id: key.id });
    expect((await services.apiKeys.list({}, { limit: 100, cursor: null }, bound)).items).toEqual([]);
    expect(await refusal(services.apiKeys.revoke(key.id, null, bound))).toEqual({
      code: 'api_key_not_found',
    });
    expect(await refusal(make({ ...mine, permissions: [] }, bound))).toEqual({
      code: 'organization_not_found',
    });
    expect(await refusal(make({ owner: { kind: 'organization', id: organization.id } }, bound))).toEqual({
      code: 'organization_not_found',
    });
    await services.organizations.removeMember(organization.id, member.id, operator);
    expect(await services.apiKeys.authenticate(secret, { address: null })).toMatchObject({
      refused: 'revoked',
    });
  });

  it('carries claims only from those who may say them', async () => {
    const names = Object.keys(permissions).filter((name) => name !== 'api-keys:admin');
    const as = owning(callerOf(nodes.admin(), { permissions: names }));
    expect(await refusal(make({ claims: { tier: 'gold' } }, as))).toEqual({
      code: 'permission_denied',
      permission: 'api-keys:admin',
    });
    expect((await make({ claims: { tier: 'gold' } })).key.claims).toEqual({ tier: 'gold' });
  });

  it.each<[string, Partial<NewApiKey>, string, string?]>([
    ['no name', { name: ' ' }, 'api_key_invalid', 'name'],
    ['a name that hides', { name: 'a\u202eb' }, 'api_key_invalid', 'name'],
    ['an empty segment', { permissions: ['notes::read'] }, 'permission_invalid', 'permissions.0'],
    [
      'a selector with an empty part',
      { permissions: ['notes:read:a::b'] },
      'permission_invalid',
      'permissions.0',
    ],
    ['a selector with a space', { permissions: ['notes:read:a b'] }, 'permission_invalid', 'permissions.0'],
    ['a permission twice', { permissions: ['notes:read', 'notes:read'] }, 'api_key_invalid', 'permissions'],
    ['an unknown API', { apis: ['https://nobody.example'] }, 'api_key_invalid', 'apis'],
    ['no APIs at all', { apis: [] }, 'api_key_invalid', 'apis'],
    ['an address that is none', { allowedAddresses: ['300.1.1.1'] }, 'api_key_invalid', 'allowedAddresses.0'],
    [
      'a range too wide for its kind',
      { allowedAddresses: ['192.0.2.0/33'] },
      'api_key_invalid',
      'allowedAddresses.0',
    ],
    ['a mapped address', { allowedAddresses: ['::ffff:192.0.2.1'] }, 'api_key_invalid', 'allowedAddresses.0'],
    [
      'too many addresses',
      { allowedAddresses: Array.from({ length: 51 }, (_, at) => `192.0.2.${at}`) },
      'api_key_invalid',
      'allowedAddresses',
    ],
    [
      'a negative limit',
      { rateLimits: [{ permits: -1, per: 'hour' }] },
      'api_key_invalid',
      'rateLimits.0.permits',
    ],
    [
      'a limit of nothing',
      { rateLimits: [{ permits: 0, per: 'hour' }] },
      'api_key_invalid',
      'rateLimits.0.permits',
    ],
    [
      'a fractional limit',
      { rateLimits: [{ permits: 1.5, per: 'hour' }] },
      'api_key_invalid',
      'rateLimits.0.permits',
    ],
    [
      'a huge limit',
      { rateLimits: [{ permits: 1e12, per: 'hour' }] },
      'api_key_invalid',
      'rateLimits.0.permits',
    ],
    [
      'a burst that outlives its counter',
      { rateLimits: [{ permits: 1, per: 'hour', burst: 3 }] },
      'api_key_invalid',
      'rateLimits.0',
    ],
    [
      'two limits of one window',
      {
        rateLimits: [
          { permits: 1, per: 'hour' },
          { permits: 2, per: 'hour' },
        ],
      },
      'api_key_invalid',
      'rateLimits',
    ],
    ['a constraint that is no word', { constraints: { 'a b': ['x'] } }, 'api_key_invalid'],
    ['claims without end', { claims: { text: 'x'.repeat(5000) } }, 'api_key_invalid', 'claims'],
    ['claims of the protocol', { claims: { sub: 'somebody' } }, 'api_key_invalid', 'claims.sub'],
    ['an end in the past', { expiresAt: new Date(Date.now() - 1) }, 'api_key_invalid', 'expiresAt'],
    [
      'an end beyond the policy',
      { expiresAt: new Date(Date.now() + 731 * day) },
      'api_key_invalid',
      'expiresAt',
    ],
    ['no end, against the policy', { expiresAt: null }, 'api_key_invalid', 'expiresAt'],
    ['an owner who is nobody', { owner: { kind: 'account', id: newId('acc') } }, 'account_not_found'],
    ['an owner of no form', { owner: { kind: 'client', id: 'no such client' } }, 'client_not_found'],
    [
      'an organization that is none',
      { owner: { kind: 'organization', id: newId('org') } },
      'organization_not_found',
    ],
    ['a parent that is none', { owner: undefined, parentId: newId('key') }, 'api_key_not_found'],
  ])('is refused with %s', async (_what, input, code, field) => {
    const said = await refusal(make(input));
    expect(said.code).toBe(code);
    if (field !== undefined) expect(Object.keys(said.fields ?? {})).toContain(field);
  });

  it('is written down with who made it, and without its secret', async () => {
    const { key, secret } = await make({});
    const { items } = await nodes.services.audit.list({ targetId: key.id }, { limit: 10, cursor: null });
    expect(items).toMatchObject([{ type: 'api-key.created', actor: operator, accountId: nodes.admin().id }]);
    expect(JSON.stringify(items)).not.toContain(secret.slice(31));
  });
});

describe('a key', () => {
  it('is changed in the fields that are named, for its version', async () => {
    const { apiKeys } = nodes.services;
    const { key } = await make({ notes: 'old' });
    const changed = await apiKeys.change(key.id, { name: 'New', notes: null, version: 1 }, atTheMachine);
    expect(changed).toMatchObject({ name: 'New', notes: null, version: 2, permissions: ['notes:read'] });
    expect(await refusal(apiKeys.change(key.id, { name: 'Late', version: 1 }, atTheMachine))).toMatchObject({
      code: 'version_conflict',
    });
    expect(await apiKeys.change(key.id, { name: 'New' }, atTheMachine)).toMatchObject({ version: 2 });
    expect(await refusal(apiKeys.change(key.id, { permissions: ['a'] }, atTheMachine))).toMatchObject({
      code: 'permission_invalid',
    });
    const { items } = await nodes.services.audit.list(
      { targetId: key.id, type: 'api-key.changed' },
      { limit: 10, cursor: null },
    );
    expect(items).toMatchObject([{ details: { fields: ['name', 'notes'] } }]);
  });

  it('keeps what it has when somebody with less changes its name', async () => {
    const { key } = await make({ permissions: ['notes:read', 'accounts:read'] });
    const narrow = owning(callerOf(nodes.admin(), { permissions: ['own-api-keys:update'] }));
    const { apiKeys } = nodes.services;
    expect(await apiKeys.change(key.id, { name: 'Renamed' }, narrow)).toMatchObject({ name: 'Renamed' });
    expect(await refusal(apiKeys.change(key.id, { permissions: ['accounts:*'] }, narrow))).toMatchObject({
      permissions: ['accounts:*'],
    });
    // A new secret is a way to everything that the key can.
    expect(await refusal(apiKeys.rotate(key.id, {}, narrow))).toMatchObject({
      permissions: ['accounts:read'],
    });
  });

  it('that has ended stays as it is', async () => {
    const { apiKeys } = nodes.services;
    const { key } = await make({});
    await apiKeys.revoke(key.id, 'lost', atTheMachine);
    expect(await apiKeys.revoke(key.id, 'again', atTheMachine)).toMatchObject({ revokedReason: 'lost' });
    for (const act of [
      () => apiKeys.change(key.id, { name: 'New' }, atTheMachine),
      () => apiKeys.rotate(key.id, {}, atTheMachine),
      () => apiKeys.enable(key.id, atTheMachine),
    ]) {
      expect(await refusal(act())).toEqual({ code: 'api_key_ended' });
    }
  });

  it('that is none is not found, of whatever form', async () => {
    for (const id of [newId('key'), newId('acc'), 'key_', "key_' or 1=1"]) {
      expect(await nodes.services.apiKeys.find(id, atTheMachine)).toBeUndefined();
      expect(await refusal(nodes.services.apiKeys.revoke(id, null, atTheMachine))).toEqual({
        code: 'api_key_not_found',
      });
    }
  });
});
