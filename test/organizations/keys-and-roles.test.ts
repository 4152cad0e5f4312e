// What ends with a membership, a team and an organization where the whole server is wired: keys, and roles.
import { describe, expect, it } from 'vitest';
import { asOperator as acting } from '../../src/access/access.ts';
import { useNodes } from '../api-keys/world.ts';
import { createPerson, operator } from '../support/people.ts';

const nodes = useNodes();

describe('a member who leaves', () => {
  it('leaves with the keys of its own that are bound there, and they stay ended when it comes back', async () => {
    const { services } = nodes;
    const { organizations, apiKeys } = services;
    const person = await createPerson(services, { admin: true });
    const [here, there] = await Promise.all(
      ['here', 'there'].map((slug) => organizations.create({ slug, name: slug }, operator)),
    );
    if (!here || !there) throw new Error('two were made');
    for (const { id } of [here, there]) await organizations.addMember(id, person.id, operator);
    const owner = { kind: 'account', id: person.id } as const;
    const make = (organizationId: string | null) => nodes.key({ owner, organizationId, permissions: [] });
    const [bound, elsewhere, free] = [await make(here.id), await make(there.id), await make(null)];
    await organizations.removeMember(here.id, person.id, operator);
    await organizations.addMember(here.id, person.id, operator);
    const ask = async ({ secret }: { secret: string }) => {
      const found = await apiKeys.authenticate(secret, { address: null });
      return 'refused' in found ? found.refused : 'good';
    };
    expect([await ask(bound), await ask(elsewhere), await ask(free)]).toEqual(['revoked', 'good', 'good']);
    const { items } = await services.audit.list(
      { type: 'api-key.revoked', targetId: bound.key.id },
      { limit: 5, cursor: null },
    );
    expect(items).toMatchObject([{ accountId: person.id, actor: operator }]);
  });
});

describe('roles that were assigned in an organization', () => {
  it('end with the membership, the team and the organization', async () => {
    const { organizations, access } = nodes.services;
    const person = await createPerson(nodes.services);
    const as = acting(operator);
    const role = await access.createRole({ name: 'reader', permissions: ['notes:read'] }, as);
    const { id } = await organizations.create({ slug: 'roles', name: 'Roles' }, operator);
    await organizations.addMember(id, person.id, operator);
    const team = await organizations.createTeam(id, { name: 'Crew' }, operator);
    const assign = (kind: 'account' | 'team', subject: string) =>
      access.assign({ roleId: role.id, subject: { kind, id: subject }, organizationId: id }, as);
    const left = async () =>
      (await nodes.database.db('role_assignments').where({ organization_id: id }).select('subject_kind')).map(
        (row) => row.subject_kind,
      );
    await assign('account', person.id);
    await assign('team', team.id);
    await organizations.removeMember(id, person.id, operator);
    expect(await left()).toEqual(['team']);
    await organizations.removeTeam(id, team.id, operator);
    expect(await left()).toEqual([]);
    await organizations.addMember(id, person.id, operator);
    await assign('account', person.id);
    await organizations.remove(id, operator);
    expect(await left()).toEqual([]);
  });
});
