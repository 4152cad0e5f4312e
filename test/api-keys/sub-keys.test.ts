// Keys below keys: they only shrink, whatever is done above them, and end with what is above.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ApiKeyChange, type NewApiKey, owning } from '../../src/api-keys/api-keys.ts';
import type { ApiKeyId } from '../../src/lib/ids.ts';
import { createApi } from '../support/people.ts';
import { atTheMachine, callerOf, refusal, useNodes } from './world.ts';

const nodes = useNodes({ API_KEY_SUB_KEY_DEPTH: '2', API_KEY_SUB_KEY_COUNT: '3' });
const day = 86_400_000;
const effectiveOf = async (id: string) => {
  const key = await nodes.services.apiKeys.known(id);
  const effective = key && (await nodes.services.apiKeys.effective(key));
  return effective && { ...effective, permissions: effective.permissions.texts };
};
const below = (parentId: ApiKeyId, more: Partial<NewApiKey> = {}) => nodes.key({ parentId, ...more });
const ask = async (secret: string, address: string | null = null) => {
  const found = await nodes.services.apiKeys.authenticate(secret, { address });
  return 'refused' in found ? found.refused : 'good';
};

describe('a sub-key', () => {
  it('C9: is made by the key itself, has its owner, and is nothing that the key did not have', async () => {
    const parent = await nodes.key({ permissions: ['notes:*', 'own-api-keys:create'] });
    const as = owning(callerOf(nodes.admin(), { apiKeyId: parent.key.id, clientId: parent.key.id }));
    const make = (input: Partial<NewApiKey>) =>
      nodes.services.apiKeys.create(
        { name: 'Agent', permissions: ['notes:read'], parentId: parent.key.id, ...input },
        as,
      );
    const child = await make({});
    expect(child.key).toMatchObject({
      accountId: nodes.admin().id,
      parentId: parent.key.id,
      rootId: parent.key.id,
      depth: 1,
    });
    expect(await ask(child.secret)).toBe('good');
    expect(await refusal(make({ permissions: ['files:read'] }))).toMatchObject({
      permissions: ['files:read'],
    });
    // Not itself, not what lies beside it.
    const beside = await nodes.key();
    const { apiKeys } = nodes.services;
    expect(await refusal(apiKeys.revoke(parent.key.id, null, as))).toEqual({ code: 'api_key_not_found' });
    expect(await refusal(apiKeys.revoke(beside.key.id, null, as))).toEqual({ code: 'api_key_not_found' });
    expect(await refusal(make({ parentId: beside.key.id }))).toEqual({ code: 'api_key_not_found' });
    expect(await refusal(make({ parentId: null }))).toEqual({ code: 'api_key_not_found' });
    expect((await apiKeys.list({}, { limit: 10, cursor: null }, as)).items.map(({ id }) => id)).toEqual([
      child.key.id,
    ]);
    expect(await apiKeys.revoke(child.key.id, null, as)).toMatchObject({ id: child.key.id });
  });

  it('C9: is refused where it is wider, with the field that is', async () => {
    const { audience } = await createApi(nodes.services);
    const other = await createApi(nodes.services);
    const ends = new Date(Date.now() + 10 * day);
    const { key } = await nodes.key({
      apis: [audience],
      allowedAddresses: ['192.0.2.0/24'],
      constraints: { model: ['small'] },
      rateLimits: [{ permits: 10, per: 'minute' }],
      expiresAt: ends,
    });
    const said = async (more: Partial<NewApiKey>) => {
      const { code, fields } = await refusal(below(key.id, more));
      return [code, ...Object.keys(fields ?? {})];
    };
    const wider = 'api_key_wider_than_parent';
    expect(await said({ apis: [audience, other.audience] })).toEqual([wider, 'apis']);
    expect(await said({ allowedAddresses: ['192.0.2.7', '192.0.0.0/16'] })).toEqual([
      wider,
      'allowedAddresses',
    ]);
    expect(await said({ allowedAddresses: ['2001:db8::/32'] })).toEqual([wider, 'allowedAddresses']);
    expect(await said({ constraints: { model: ['large'] } })).toEqual([wider, 'constraints.model']);
    expect(await said({ rateLimits: [{ permits: 11, per: 'minute' }] })).toEqual([wider, 'rateLimits']);
    expect(await said({ expiresAt: new Date(ends.getTime() + 1000) })).toEqual([wider, 'expiresAt']);
    expect(await said({ claims: { tier: 'gold' } })).toEqual([wider, 'claims']);
    expect(await said({ owner: { kind: 'account', id: nodes.admin().id } })).toEqual([
      'api_key_invalid',
      'owner',
    ]);
    const child = await below(key.id, {
      allowedAddresses: ['192.0.2.8/29'],
      constraints: { model: ['small'], endpoint: ['/v1/chat'] },
      rateLimits: [{ permits: 10, per: 'minute' }],
    });
    expect(child.key.expiresAt).toEqual(ends);
    expect(await ask(child.secret, '192.0.2.9')).toBe('good');
    expect(await ask(child.secret, '192.0.2.1')).toBe('address_not_allowed');
  });

  it('C9: is never left wider by a change above it', async () => {
    const { audience } = await createApi(nodes.services);
    const parent = await nodes.key({
      permissions: ['notes:read', 'notes:write'],
      constraints: { model: ['small', 'large'] },
    });
    const child = await below(parent.key.id, {
      permissions: ['notes:read', 'notes:write'],
      constraints: { model: ['small', 'large'] },
    });
    const soon = new Date(Date.now() + day);
    await nodes.services.apiKeys.change(
      parent.key.id,
      {
        permissions: ['notes:read'],
        constraints: { model: ['small'] },
        apis: [audience],
        expiresAt: soon,
        allowedAddresses: ['192.0.2.1'],
      },
      atTheMachine,
    );
    expect(await effectiveOf(child.key.id)).toMatchObject({
      permissions: ['notes:read'],
      constraints: { model: ['small'] },
      apis: [audience],
      expiresAt: soon,
    });
    expect(await ask(child.secret, '192.0.2.1')).toBe('good');
    expect(await ask(child.secret, '192.0.2.2')).toBe('address_not_allowed');
    const shown = await nodes.services.apiKeys.find(child.key.id, atTheMachine);
    expect(shown).toMatchObject({
      permissions: ['notes:read', 'notes:write'],
      effective: { permissions: ['notes:read'] },
    });
    const change = (to: ApiKeyChange) => nodes.services.apiKeys.change(child.key.id, to, atTheMachine);
    expect(await refusal(change({ constraints: { model: ['large'] } }))).toMatchObject({
      code: 'api_key_wider_than_parent',
    });
    expect(await refusal(change({ permissions: ['notes:read', 'files:read'] }))).toMatchObject({
      permissions: ['files:read'],
    });
    expect(await refusal(change({ expiresAt: new Date(soon.getTime() + 1) }))).toMatchObject({
      code: 'api_key_wider_than_parent',
    });
  });

  it('C9: ends with every key above it, says so in lists, and comes back with an enabled one', async () => {
    const root = await nodes.key();
    const middle = await below(root.key.id);
    const leaf = await below(middle.key.id);
    const { apiKeys } = nodes.services;
    await apiKeys.disable(root.key.id, atTheMachine);
    expect([await ask(middle.secret), await ask(leaf.secret)]).toEqual([
      'ancestor_inactive',
      'ancestor_inactive',
    ]);
    expect(await apiKeys.alive(leaf.key.id, leaf.secretId)).toBeUndefined();
    await apiKeys.enable(root.key.id, atTheMachine);
    expect(await ask(leaf.secret)).toBe('good');
    await apiKeys.revoke(root.key.id, 'gone', atTheMachine);
    const family = await apiKeys.familyOf(root.key.id, atTheMachine);
    expect(family.map(({ id, active, inactiveReason }) => [id, active, inactiveReason])).toEqual([
      [root.key.id, false, 'revoked'],
      [middle.key.id, false, 'ancestor_inactive'],
      [leaf.key.id, false, 'ancestor_inactive'],
    ]);
    expect(await refusal(below(middle.key.id))).toEqual({ code: 'api_key_ended' });
  });

  it('C9: ends when the one above expires, also on a node that holds both in memory', async () => {
    const parent = await nodes.key({ expiresAt: new Date(Date.now() + 20 * day) });
    const child = await below(parent.key.id);
    expect(await ask(child.secret)).toBe('good');
    await nodes.services.apiKeys.change(
      parent.key.id,
      { expiresAt: new Date(Date.now() + 1_000_000) },
      atTheMachine,
    );
    expect(await ask(child.secret)).toBe('good');
    await nodes.database
      .db('api_keys')
      .where({ id: parent.key.id })
      .update({ expires_at: new Date(Date.now() - 1), version: 9 });
    await nodes.database.postgres.transaction((trx) =>
      nodes.services.changes.bump(trx, 'api-keys', parent.key.id),
    );
    await nodes.services.changes.poll();
    expect(await ask(child.secret)).toBe('ancestor_inactive');
  });

  it('C9: goes only so deep, and only so many are made at once', async () => {
    const root = await nodes.key();
    const made = await Promise.allSettled(Array.from({ length: 8 }, () => below(root.key.id)));
    const good = made.filter(({ status }) => status === 'fulfilled');
    expect(good).toHaveLength(3);
    expect(await refusal(below(root.key.id))).toEqual({ code: 'api_key_sub_key_limit', count: 3 });
    const [one] = good;
    const child = one?.status === 'fulfilled' ? one.value : root;
    const leaf = await below(child.key.id);
    expect(await refusal(below(leaf.key.id))).toEqual({ code: 'api_key_sub_key_limit', depth: 2 });
    await nodes.services.apiKeys.revoke(child.key.id, null, atTheMachine);
    expect(await below(root.key.id)).toHaveProperty('secret');
  });

  it('C9: takes from the limits of every key above it', async () => {
    const root = await nodes.key({ rateLimits: [{ permits: 3, per: 'hour' }] });
    const child = await below(root.key.id, { rateLimits: [{ permits: 2, per: 'hour' }] });
    const take = async (id: string) => {
      const key = await nodes.services.apiKeys.known(id);
      const verdicts = key === undefined ? [] : await nodes.services.apiKeys.takePermits(key);
      return verdicts.map(({ allowed, remaining }) => [allowed, remaining]);
    };
    expect(await take(child.key.id)).toEqual([
      [true, 1],
      [true, 2],
    ]);
    expect(await take(child.key.id)).toEqual([
      [true, 0],
      [true, 1],
    ]);
    expect(await take(child.key.id)).toEqual([[false, 0]]);
    expect(await take(root.key.id)).toEqual([[true, 0]]);
    expect(await take(root.key.id)).toEqual([[false, 0]]);
  });

  it('never allows what any key above it does not, however they are made and changed', async () => {
    const word = fc.constantFrom('notes:read', 'notes:write', 'notes:*', 'files:read', 'files:read:a', '*:*');
    const texts = fc.uniqueArray(word, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(texts, texts, texts, async (first, second, third) => {
        const root = await nodes.key({ permissions: ['*:*'] });
        const child = await below(root.key.id, { permissions: second });
        const leaf = await below(child.key.id, { permissions: second });
        await nodes.services.apiKeys.change(root.key.id, { permissions: first }, atTheMachine);
        await nodes.services.apiKeys
          .change(child.key.id, { permissions: third }, atTheMachine)
          .catch(() => undefined);
        const [top, middle, bottom] = await Promise.all(
          [root, child, leaf].map(({ key }) => effectiveOf(key.id)),
        );
        const known = await nodes.services.apiKeys.known(child.key.id);
        const above = known && (await nodes.services.apiKeys.effective(known));
        expect(bottom?.permissions.every((text) => above?.permissions.covers(text))).toBe(true);
        expect(top?.permissions).toBeDefined();
        expect(middle?.permissions).toBeDefined();
      }),
      { numRuns: 15 },
    );
  });
});
