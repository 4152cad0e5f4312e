// The decision API in the whole server: real tokens ask.
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/access/access.ts';
import { asOperator as asKeyOperator } from '../../src/api-keys/api-keys.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { type Machine, machine } from '../support/management.ts';
import { createPerson, operator } from '../support/people.ts';

const gatehouse = useGatehouse();
const made: { pep?: Machine; other?: Machine; email: string } = { email: '' };

beforeAll(async () => {
  const { access, resources } = gatehouse.services;
  const person = await createPerson(gatehouse.services);
  const role = await access.createRole(
    { name: 'gardener', permissions: ['garden:water:@owner'] },
    asOperator(operator),
  );
  const subject = { kind: 'account', id: person.id } as const;
  await access.assign({ roleId: role.id, subject, organizationId: null }, asOperator(operator));
  await resources.put(
    { organizationId: null, type: 'garden', id: '1' },
    { properties: { owner: person.id } },
    operator,
  );
  made.pep = await machine(gatehouse, ['access:execute', 'access:search']);
  made.other = await machine(gatehouse, ['resources:read']);
  made.email = person.id;
});

const ask = (path: string, body: object, token: string | undefined, id = 'made-by-the-caller') =>
  fetch(`${gatehouse.issuer}/access/v1/${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', 'X-Request-ID': id },
    body: JSON.stringify(body),
  });

describe('a service with a token of the server', () => {
  const action = { name: 'water' };
  const resource = { type: 'garden', id: '1' };

  it('is answered, with the request id that it sent', async () => {
    const subject = { type: 'user', id: made.email };
    const answer = await ask('evaluation', { subject, action, resource }, made.pep?.token);
    expect([answer.status, answer.headers.get('x-request-id')]).toEqual([200, 'made-by-the-caller']);
    expect(await answer.json()).toMatchObject({ decision: true });
    const found = await ask(
      'search/subject',
      { subject: { type: 'account' }, action, resource },
      made.pep?.token,
    );
    expect(await found.json()).toEqual({
      page: { next_token: '', count: 1 },
      results: [{ type: 'account', id: made.email }],
    });
  });

  it('is refused without the permission to ask, and with a sentence', async () => {
    const subject = { type: 'user', id: made.email };
    const refused = await ask('evaluation', { subject, action, resource }, made.other?.token);
    expect([refused.status, await refused.text()]).toEqual([
      403,
      'The access token or API key does not hold the permission this needs.',
    ]);
    const unknown = await ask('evaluation', { subject, action, resource }, 'stolen');
    expect([unknown.status, await unknown.text()]).toEqual([
      401,
      'A valid access token or API key is required.',
    ]);
    const nowhere = await ask('nothing', {}, made.pep?.token);
    expect([nowhere.status, nowhere.headers.get('content-type')]).toEqual([404, 'text/plain; charset=utf-8']);
  });

  it('finds the metadata where the issuer is', async () => {
    const answer = await fetch(`${gatehouse.issuer}/.well-known/authzen-configuration`);
    expect(await answer.json()).toMatchObject({
      policy_decision_point: gatehouse.issuer,
      access_evaluation_endpoint: `${gatehouse.issuer}/access/v1/evaluation`,
    });
  });
});

describe('a service with a key of an organization', () => {
  it('asks within that organization, about people and keys of it, and about nothing else', async () => {
    const { access, organizations, apiKeys, resources } = gatehouse.services;
    const acting = asOperator(operator);
    const gardens = await organizations.create({ slug: 'gardens', name: 'Gardens' }, operator);
    const member = await createPerson(gatehouse.services);
    const subject = { kind: 'account', id: member.id } as const;
    await organizations.addMember(gardens.id, member.id, operator);
    const inThere = { organizationId: gardens.id };
    const role = await access.createRole(
      { ...inThere, name: 'digger', permissions: ['garden:dig', 'access:execute', 'access:search'] },
      acting,
    );
    await access.assign({ roleId: role.id, subject, ...inThere }, acting);
    await resources.put({ ...inThere, type: 'garden', id: 'g' }, {}, operator);
    const { key, secret } = await apiKeys.create(
      {
        name: 'PEP',
        owner: { kind: 'account', id: member.id },
        ...inThere,
        permissions: ['access:execute', 'access:search'],
      },
      asKeyOperator(operator),
    );
    const asked = async (path: string, body: object) => {
      const answer = await fetch(`${gatehouse.issuer}/access/v1/${path}`, {
        method: 'POST',
        headers: { 'X-API-Key': secret, 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      });
      return [answer.status, await answer.json()];
    };
    const action = { name: 'dig' };
    const resource = { type: 'garden', id: 'g' };
    const decides = async (one: object) => {
      const [status, answer] = await asked('evaluation', { subject: one, action, resource });
      return [status, (answer as { decision: boolean }).decision];
    };
    expect(await decides({ type: 'user', id: member.id })).toEqual([200, true]);
    expect(await decides({ type: 'user', id: made.email })).toEqual([200, false]);
    // The key itself may ask, and not dig.
    const itself = { type: 'api-key', id: key.id };
    expect(await decides(itself)).toEqual([200, false]);
    expect(await asked('search/action', { subject: itself, resource: { type: 'access', id: '1' } })).toEqual([
      200,
      { page: { next_token: '', count: 2 }, results: [{ name: 'execute' }, { name: 'search' }] },
    ]);
    expect(await asked('search/subject', { subject: { type: 'account' }, action, resource })).toMatchObject([
      200,
      { results: [{ type: 'account', id: member.id }] },
    ]);
    await access.unassign({ roleId: role.id, subject, ...inThere }, acting);
    const gone = await fetch(`${gatehouse.issuer}/access/v1/evaluation`, {
      method: 'POST',
      headers: { 'X-API-Key': secret, 'Content-Type': 'application/json' },
      body: JSON.stringify({ subject: itself, action, resource }),
    });
    expect(gone.status).toBe(403);
  });
});
