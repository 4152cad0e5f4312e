// Decisions within organizations: who is bound to one learns of nothing outside it, and nothing crosses from one to another.
import { beforeAll, describe, expect, it } from 'vitest';
import type { Organization } from '../../src/organizations/organizations.ts';
import { allow, ask, caller, keyOf, operator, person, tag, useDecisions } from './world.ts';

const world = useDecisions();
const view = { name: 'view' };
const plan = { type: 'plan', id: 'p' };
const made: {
  red?: Organization;
  blue?: Organization;
  ruby: string;
  redKey: string;
  looseKey: string;
  redClient: string;
  looseClient: string;
} = { ruby: '', redKey: '', looseKey: '', redClient: '', looseClient: '' };
const red = () => made.red?.id ?? '';
const blue = () => made.blue?.id ?? '';

const organization = (slug: string) =>
  world.organizations.create({ slug: `${slug}-${tag()}`, name: slug }, operator);

beforeAll(async () => {
  made.red = await organization('red');
  made.blue = await organization('blue');
  const ruby = await person(world, { username: 'ruby' });
  const rosa = await person(world, { username: 'rosa' });
  const bert = await person(world, { username: 'bert' });
  const everywhere = await person(world, { username: 'eve' });
  made.ruby = ruby.id;
  for (const { id } of [ruby, rosa]) await world.organizations.addMember(red(), id, operator);
  for (const { id } of [ruby, bert]) await world.organizations.addMember(blue(), id, operator);
  await allow(world, ['plan:view'], [{ kind: 'account', id: ruby.id }], red());
  await allow(world, ['plan:view', 'plan:draw'], [{ kind: 'account', id: bert.id }], blue());
  await allow(world, ['plan:view'], [{ kind: 'account', id: everywhere.id }]);
  const team = await world.organizations.createTeam(red(), { name: 'Roses' }, operator);
  await world.organizations.addTeamMember(red(), team.id, rosa.id, operator);
  await allow(world, ['plan:view:@owner'], [{ kind: 'team', id: team.id }], red());
  made.redKey = await keyOf(world, ruby.id, { organizationId: red() });
  made.looseKey = await keyOf(world, everywhere.id);
  const client = (name: string) =>
    world.clients.register({ kind: 'machine', name, apis: [] }, operator).then((one) => one.client.id);
  made.redClient = await client('Red');
  made.looseClient = await client('Loose');
  await allow(world, ['plan:view'], [{ kind: 'client', id: made.redClient }], red());
  await allow(world, ['plan:view'], [{ kind: 'client', id: made.looseClient }]);
  world.callers['Bearer red'] = caller(['access:execute', 'access:search'], red());
  world.callers['Bearer blue'] = caller(['access:execute', 'access:search'], blue());
  await world.changes.poll();
});

async function decides(subject: object, more: object = {}, as = 'Bearer all') {
  const question = { subject, action: view, resource: plan, ...more };
  const { status, body } = await ask(world, '/access/v1/evaluation', question, { as });
  expect(status).toBe(200);
  return body.decision ? 'permit' : Object.keys(body.context.reason_admin)[0];
}

const user = (id: string, organization?: unknown) => ({
  type: 'user',
  id,
  ...(organization === undefined ? {} : { properties: { organization } }),
});

describe('a caller that is bound to no organization', () => {
  it('names one by id or slug, in the properties of the subject or in the context', async () => {
    expect(await decides(user('ruby'))).toBe('no_permission');
    expect(await decides(user('ruby', red()))).toBe('permit');
    expect(await decides(user('ruby', made.red?.slug))).toBe('permit');
    expect(await decides(user('ruby'), { context: { organization: red() } })).toBe('permit');
    expect(await decides(user('ruby', red()), { context: { organization: made.red?.slug } })).toBe('permit');
    expect(await decides(user('ruby', blue()))).toBe('no_permission');
    expect(await decides(user('bert', red()))).toBe('subject_unknown');
  });

  it.each([['org_00000000000000000000000000'], ['nothing'], [''], [7], [{ name: 'red' }], [null]])(
    'is denied for the organization %j',
    async (organization) => {
      expect(await decides(user('ruby', organization))).toBe('organization_unknown');
    },
  );

  it('is denied when it names two, and for one that is suspended', async () => {
    expect(await decides(user('ruby', red()), { context: { organization: blue() } })).toBe(
      'organization_unknown',
    );
    const closed = await organization('closed');
    await world.organizations.addMember(closed.id, made.ruby, operator);
    await allow(world, ['plan:view'], [{ kind: 'account', id: made.ruby }], closed.id);
    expect(await decides(user('ruby', closed.id))).toBe('permit');
    await world.organizations.suspend(closed.id, null, operator);
    expect(await decides(user('ruby', closed.id))).toBe('organization_unknown');
    expect(await decides(user('ruby', closed.slug))).toBe('organization_unknown');
  });
});

describe('a caller that is bound to an organization', () => {
  it('is answered within it, without naming it or naming it', async () => {
    expect(await decides(user('ruby'), {}, 'Bearer red')).toBe('permit');
    expect(await decides(user('ruby', red()), {}, 'Bearer red')).toBe('permit');
    expect(await decides(user('ruby'), {}, 'Bearer blue')).toBe('no_permission');
    expect(await decides(user('bert'), {}, 'Bearer blue')).toBe('permit');
  });

  it('is told of another organization what it is told of one that does not exist', async () => {
    const question = (organization: string) => ({
      subject: user('ruby', organization),
      action: view,
      resource: plan,
    });
    const answers = [];
    for (const organization of [blue(), made.blue?.slug ?? '', 'org_00000000000000000000000000', 'none']) {
      const { body } = await ask(world, '/access/v1/evaluation', question(organization), {
        as: 'Bearer red',
      });
      answers.push(JSON.stringify(body));
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('organization_unknown');
  });

  it('is told of whom it has nothing to do with what it is told of nobody', async () => {
    const strangers = [
      user('bert'),
      user('eve'),
      user('nobody'),
      { type: 'client', id: made.looseClient },
      { type: 'client', id: 'nothing' },
      { type: 'api-key', id: made.looseKey },
      { type: 'api-key', id: 'key_00000000000000000000000000' },
    ];
    const answers = [];
    for (const subject of strangers) {
      const question = { subject, action: view, resource: plan };
      answers.push(
        JSON.stringify((await ask(world, '/access/v1/evaluation', question, { as: 'Bearer red' })).body),
      );
    }
    expect(new Set(answers).size).toBe(1);
    expect(await decides({ type: 'client', id: made.looseClient })).toBe('permit');
  });

  it('is answered for keys and clients of its organization', async () => {
    expect(await decides({ type: 'api-key', id: made.redKey }, {}, 'Bearer red')).toBe('permit');
    expect(await decides({ type: 'client', id: made.redClient }, {}, 'Bearer red')).toBe('permit');
    expect(await decides({ type: 'api-key', id: made.redKey }, {}, 'Bearer blue')).toBe('subject_unknown');
    expect(await decides({ type: 'client', id: made.redClient }, {}, 'Bearer blue')).toBe('subject_unknown');
  });

  it('finds members, keys and clients of its organization only', async () => {
    const found = async (type: string, as: string, resource: object = plan) => {
      const question = { subject: { type }, action: view, resource };
      const { body } = await ask(world, '/access/v1/search/subject', question, { as });
      return body.results.map(({ id }: { id: string }) => id);
    };
    expect(await found('user', 'Bearer red')).toEqual(['ruby']);
    expect(await found('user', 'Bearer red', { ...plan, properties: { owner: 'rosa' } })).toEqual([
      'ruby',
      'rosa',
    ]);
    expect(await found('user', 'Bearer blue')).toEqual(['bert']);
    expect(await found('api-key', 'Bearer red')).toEqual([made.redKey]);
    expect(await found('api-key', 'Bearer blue')).toEqual([]);
    expect(await found('client', 'Bearer red')).toEqual([made.redClient]);
    expect(await found('client', 'Bearer blue')).toEqual([]);
    expect((await found('client', 'Bearer all')).sort()).toEqual([made.looseClient]);
    expect(await found('user', 'Bearer all')).toEqual(['eve']);
  });

  it('finds no actions that only the roles of another organization name', async () => {
    const actions = async (as: string, id: string) => {
      const question = { subject: user(id), resource: plan };
      const { body } = await ask(world, '/access/v1/search/action', question, { as });
      return body.results.map(({ name }: { name: string }) => name);
    };
    await allow(world, ['*:*'], [{ kind: 'account', id: made.ruby }], red());
    expect(await actions('Bearer red', 'ruby')).not.toContain('draw');
    expect(await actions('Bearer blue', 'bert')).toEqual(['draw', 'view']);
  });
});

describe('registered resources', () => {
  const put = (organizationId: string | null, id: string, properties: object) =>
    world.resources.put({ organizationId, type: 'plan', id }, { properties: { ...properties } }, operator);
  const rosa = { type: 'user', id: 'rosa' };

  it('count in their own organization and in no other', async () => {
    await put(red(), 'r1', { owner: 'rosa' });
    const resource = { type: 'plan', id: 'r1' };
    expect(await decides(rosa, { resource }, 'Bearer red')).toBe('permit');
    await put(red(), 'r1', { owner: 'somebody' });
    expect(await decides(rosa, { resource }, 'Bearer red')).toBe('property_mismatch');
    await put(blue(), 'b1', { owner: 'rosa' });
    expect(await decides(rosa, { resource: { type: 'plan', id: 'b1' } }, 'Bearer red')).toBe(
      'property_mismatch',
    );
  });

  it('go before what a question says of them', async () => {
    await put(red(), 'r2', { owner: 'somebody' });
    const resource = { type: 'plan', id: 'r2', properties: { owner: 'rosa' } };
    expect(await decides(rosa, { resource }, 'Bearer red')).toBe('property_mismatch');
    expect(await decides(rosa, { resource: { ...resource, id: 'r3' } }, 'Bearer red')).toBe('permit');
  });

  it('that are known everywhere get no properties from an organization', async () => {
    await put(null, 'g1', {});
    await put(red(), 'g1', { owner: 'rosa' });
    expect(await decides(rosa, { resource: { type: 'plan', id: 'g1' } }, 'Bearer red')).toBe(
      'property_mismatch',
    );
    await put(null, 'g1', { owner: 'rosa' });
    expect(await decides(rosa, { resource: { type: 'plan', id: 'g1' } }, 'Bearer red')).toBe('permit');
  });

  it('are found in their own organization beside those that are known everywhere, each once', async () => {
    await put(red(), 's1', { owner: 'rosa' });
    await put(blue(), 's2', { owner: 'rosa' });
    await put(null, 's3', { owner: 'rosa' });
    await put(red(), 's3', { owner: 'nobody' });
    const question = { subject: rosa, action: view, resource: { type: 'plan' } };
    const { body } = await ask(world, '/access/v1/search/resource', question, { as: 'Bearer red' });
    const ids = body.results.map(({ id }: { id: string }) => id).filter((id: string) => id.startsWith('s'));
    expect(ids).toEqual(['s1', 's3']);
  });
});
