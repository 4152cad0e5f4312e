// What a key does to keys: never does it get out of its own bounds by one that it makes, changes or rotates.
import { describe, expect, it } from 'vitest';
import { managing, type NewApiKey } from '../../src/api-keys/api-keys.ts';
import type { KnownKey } from '../../src/api-keys/schema.ts';
import { createApi } from '../support/people.ts';
import { callerOf, refusal, useNodes } from './world.ts';

const nodes = useNodes();
const day = 86_400_000;
const permissions = ['*:*'];
/** With the key, or with a token made from it. */
const by = ({ id }: KnownKey) => managing(callerOf(nodes.admin(), { apiKeyId: id, clientId: id }));
const make = (as: KnownKey, input: Partial<NewApiKey> = {}) =>
  nodes.services.apiKeys.create({ name: 'Made', permissions, ...input }, by(as));

const bounds: [string, () => Promise<Partial<NewApiKey>>][] = [
  ['addresses', async () => ({ allowedAddresses: ['192.0.2.1'] })],
  ['APIs', async () => ({ apis: [(await createApi(nodes.services)).audience] })],
  ['constraints', async () => ({ constraints: { model: ['small'] } })],
  ['limits', async () => ({ rateLimits: [{ permits: 1, per: 'hour' }] })],
  ['a parent', async () => ({ parentId: (await nodes.key({ permissions })).key.id })],
];

describe('a key that is bound by', () => {
  it.each(bounds)('%s makes, changes, enables and rotates only keys below itself', async (_name, bound) => {
    const { apiKeys } = nodes.services;
    const { key } = await nodes.key({ permissions, ...(await bound()) });
    const { key: beside } = await nodes.key({ permissions });
    const as = by(key);
    const refused = { code: 'api_key_bound', parentId: key.id };
    expect(await refusal(make(key))).toEqual(refused);
    expect(await refusal(make(key, { parentId: beside.id }))).toEqual(refused);
    expect(await refusal(apiKeys.change(beside.id, { name: 'Mine' }, as))).toEqual(refused);
    expect(await refusal(apiKeys.enable(beside.id, as))).toEqual(refused);
    expect(await refusal(apiKeys.rotate(beside.id, {}, as))).toEqual(refused);
    const { key: child } = await make(key, { parentId: key.id });
    const { key: grandchild } = await make(key, { parentId: child.id });
    expect(grandchild).toMatchObject({ parentId: child.id });
    expect(await apiKeys.change(grandchild.id, { name: 'Deeper' }, as)).toMatchObject({ name: 'Deeper' });
    expect(await apiKeys.rotate(child.id, {}, as)).toHaveProperty('secret');
  });

  it('its end makes none that outlasts it, and lets none do so', async () => {
    const { apiKeys } = nodes.services;
    const ends = new Date(Date.now() + 10 * day);
    const later = new Date(ends.getTime() + 1000);
    const { key } = await nodes.key({ permissions, expiresAt: ends });
    const { key: made } = await make(key);
    expect(made).toMatchObject({ parentId: null, expiresAt: ends });
    const refused = { code: 'api_key_wider_than_parent', fields: { expiresAt: expect.any(String) } };
    expect(await refusal(make(key, { expiresAt: later }))).toEqual(refused);
    expect(await refusal(apiKeys.change(made.id, { expiresAt: later }, by(key)))).toEqual(refused);
  });
});

describe('a key', () => {
  it('changes and enables neither itself nor one above it; rotating and revoking itself are left to it', async () => {
    const { apiKeys } = nodes.services;
    const { key: above } = await nodes.key({ permissions, allowedAddresses: ['192.0.2.1'] });
    const { key } = await nodes.key({ permissions, parentId: above.id });
    const refused = { code: 'api_key_not_by_itself' };
    for (const [target, as] of [
      [above, above],
      [key, key],
      [above, key],
    ] as const) {
      const lifted = apiKeys.change(target.id, { allowedAddresses: null }, by(as));
      expect(await refusal(lifted)).toEqual(refused);
      expect(await refusal(apiKeys.enable(target.id, by(as)))).toEqual(refused);
    }
    expect(await apiKeys.rotate(key.id, {}, by(key))).toHaveProperty('secret');
    expect(await apiKeys.revoke(key.id, null, by(key))).toMatchObject({ id: key.id });
  });

  it('without bounds makes keys beside itself, and changes them', async () => {
    const { key } = await nodes.key({ permissions });
    const { key: made } = await make(key);
    expect(made.parentId).toBeNull();
    const { apiKeys } = nodes.services;
    expect(await apiKeys.change(made.id, { name: 'Other' }, by(key))).toMatchObject({ name: 'Other' });
  });
});
