// /api/auth for a key that is bound to an organization: its own keys, and none of another one.
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';

const gatehouse = useGatehouse();
const made: { secret?: string; id?: string; otherId?: string } = {};

async function organizationWithKey(slug: string) {
  const { organizations, apiKeys } = gatehouse.services;
  const { id } = await organizations.create({ slug, name: slug, permissions: ['*:*'] }, operator);
  const input = { name: slug, permissions: ['*:*'], owner: { kind: 'organization', id } as const };
  return apiKeys.create(input, asOperator(operator));
}

beforeAll(async () => {
  const own = await organizationWithKey('own');
  const other = await organizationWithKey('other');
  Object.assign(made, { secret: own.secret, id: own.key.id, otherId: other.key.id });
});

async function ask(method: string, path: string, body?: object) {
  const headers = { 'X-API-Key': made.secret ?? '', ...(body && { 'Content-Type': 'application/json' }) };
  const answer = await fetch(`${gatehouse.issuer}/api/auth${path}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  return { status: answer.status, body: (await answer.json()) as any };
}

describe('/api/auth within an organization', () => {
  it('lists and makes keys of its own organization only', async () => {
    const { body: created } = await ask('POST', '/keys', { name: 'Mine', permissions: 'notes:read' });
    const { body } = await ask('GET', '/keys');
    expect(body.keys.map((key: { key_id: string }) => key.key_id)).toEqual([created.key_id, made.id]);
  });

  it('answers for keys of another one as for keys that do not exist', async () => {
    for (const act of ['revoke', 'rotate']) {
      const there = await ask('POST', `/keys/${made.otherId}/${act}`);
      const nowhere = await ask('POST', `/keys/key_${'0'.repeat(26)}/${act}`);
      expect([there.status, there.body.code]).toEqual([404, 'api_key_not_found']);
      expect([nowhere.status, nowhere.body.code]).toEqual([404, 'api_key_not_found']);
    }
    const other = await gatehouse.services.apiKeys.find(made.otherId ?? '', asOperator(operator));
    expect(other).toMatchObject({ active: true, version: 1 });
  });
});
