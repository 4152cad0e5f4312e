// Many keys are made, and given new secrets, at once, with nothing known of their owners yet: nobody waits in a circle.
import { expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';

const gatehouse = useGatehouse();
const by = asOperator(operator);
const many = Array.from({ length: 40 }, (_, at) => at);

it('lets a crowd make keys and rotate them, and everybody else use the database meanwhile', async () => {
  const { accounts, apiKeys } = gatehouse.services;
  const ids: string[] = [];
  for (const at of many) {
    const { id } = await accounts.create({ email: `crowd${at}@example.com`, name: 'Crowd' }, operator);
    ids.push(id);
  }
  const make = (id: string) =>
    apiKeys.create({ name: 'k', permissions: ['own-api-keys:read'], owner: { kind: 'account', id } }, by);
  const [made, other] = await Promise.all([Promise.all(ids.map(make)), accounts.find(ids[0] ?? '')]);
  expect(other?.id).toBe(ids[0]);
  // Each change of a key has it read again.
  const rotated = await Promise.all(made.map(({ key }) => apiKeys.rotate(key.id, {}, by)));
  expect(new Set(rotated.map(({ secret }) => secret)).size).toBe(many.length);
});
