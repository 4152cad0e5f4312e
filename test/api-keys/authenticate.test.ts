// Who presents a key: good or not and why, at the same price for keys that do not exist; and how fast an end is felt where.
import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { newApiKey } from '../../src/lib/api-key-format.ts';
import { newId } from '../../src/lib/ids.ts';
import type { Services } from '../../src/services.ts';
import { createApi, createPerson, operator } from '../support/people.ts';
import { atTheMachine, connect, useNodes } from './world.ts';

const nodes = useNodes();
const nowhere = { address: null };
const ask = (secret: string, services: Services = nodes.services) =>
  services.apiKeys.authenticate(secret, nowhere);

describe('a key that is presented', () => {
  it('C8: is found by its string, which rests as a keyed hash alone', async () => {
    const { key, secret, secretId } = await nodes.key();
    expect(await ask(secret)).toMatchObject({ key: { id: key.id, name: 'A key' }, secretId });
    const row = await nodes.database
      .db('api_key_secrets')
      .where({ key_id: key.id })
      .first('hash', 'pepper_version');
    const pepper = nodes.services.serverSecrets.get('api-key');
    expect(row).toEqual({ hash: createHmac('sha256', pepper).update(secret).digest(), pepper_version: 1 });
    const dump = JSON.stringify(await nodes.database.db('api_keys').where({ id: key.id }).select('*'));
    expect(dump).not.toContain(secret.slice(31));
  });

  it('D1: is refused offline when it is truncated, misspelt, of other case or of another product', async () => {
    const { secret } = await nodes.key();
    const last = secret.endsWith('A') ? 'B' : 'A';
    const queries = vi.fn();
    nodes.database.db.on('query', queries);
    const bad = [
      secret.slice(0, -1),
      `${secret}x`,
      `${secret.slice(0, -1)}${last}`,
      secret.toUpperCase(),
      secret.replace('gth_', 'ghp_'),
      ` ${secret}`,
      '',
    ];
    for (const text of bad) expect(await ask(text)).toEqual({ refused: 'malformed' });
    nodes.database.db.removeListener('query', queries);
    expect(queries.mock.calls.filter(([{ sql }]) => sql.includes('api_key'))).toEqual([]);
  });

  it('is unknown with a wrong secret, and nothing tells that the id exists', async () => {
    const { key } = await nodes.key();
    expect(await ask(newApiKey(key.id))).toEqual({ refused: 'unknown' });
    expect(await ask(newApiKey(newId('key')))).toEqual({ refused: 'unknown' });
  });

  it('D1: costs as many statements, hashes and comparisons when it does not exist', async () => {
    const { peppers, statements } = await counted();
    const { key, secret } = await nodes.key();
    const cold = await nodes.node();
    const cost = async (text: string) => {
      statements.length = 0;
      peppers.mockClear();
      await cold.apiKeys.authenticate(text, nowhere);
      return [statements.length, peppers.mock.calls.length];
    };
    const unknown = newId('key');
    const [wrong, none] = [newApiKey(key.id), newApiKey(unknown)];
    const both = async () => [await cost(wrong), await cost(none)];
    // The first time, at once again, and after a while: a key that is hot, and one that is known not to be there.
    expect(await both()).toEqual([
      [1, 1],
      [1, 1],
    ]);
    expect(await both()).toEqual([
      [0, 1],
      [0, 1],
    ]);
    await cold.apiKeys.authenticate(secret, nowhere);
    await delay(1_050);
    expect(await both()).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('says why it is not good to whoever holds it', async () => {
    const { apiKeys } = nodes.services;
    const reasons: Record<string, string> = {};
    const note = async (name: string, secret: string) => {
      const found = await ask(secret);
      reasons[name] =
        'refused' in found ? `${found.refused} ${found.keyId === undefined ? 'no id' : 'id'}` : 'good';
    };
    const revoked = await nodes.key();
    await apiKeys.revoke(revoked.key.id, 'lost', atTheMachine);
    await note('revoked', revoked.secret);
    const disabled = await nodes.key();
    await apiKeys.disable(disabled.key.id, atTheMachine);
    await note('disabled', disabled.secret);
    await apiKeys.enable(disabled.key.id, atTheMachine);
    await note('enabled', disabled.secret);
    const rotated = await nodes.key();
    await apiKeys.rotate(rotated.key.id, { overlapSeconds: 0 }, atTheMachine);
    await note('retired', rotated.secret);
    const bound = await nodes.key({ allowedAddresses: ['192.0.2.0/24'] });
    await note('from nowhere', bound.secret);
    const short = await nodes.key({ expiresAt: new Date(Date.now() + 900) });
    await note('before its end', short.secret);
    await delay(950);
    await note('after its end', short.secret);
    expect(reasons).toEqual({
      revoked: 'revoked id',
      disabled: 'disabled id',
      enabled: 'good',
      retired: 'retired id',
      'from nowhere': 'address_not_allowed id',
      'before its end': 'good',
      'after its end': 'expired id',
    });
  });

  it('C8: works from its addresses only, IPv4 and IPv6', async () => {
    const { secret } = await nodes.key({
      allowedAddresses: ['192.0.2.0/24', '2001:db8:1::/48', '198.51.100.7'],
    });
    const from = async (address: string) => {
      const found = await nodes.services.apiKeys.authenticate(secret, { address });
      return 'refused' in found ? found.refused : 'good';
    };
    expect(await from('192.0.2.200')).toBe('good');
    expect(await from('198.51.100.7')).toBe('good');
    expect(await from('2001:db8:1:ffff::1')).toBe('good');
    expect(await from('192.0.3.1')).toBe('address_not_allowed');
    expect(await from('198.51.100.8')).toBe('address_not_allowed');
    expect(await from('2001:db8:2::1')).toBe('address_not_allowed');
  });

  it('ends with its owner: a suspended account, a disabled client', async () => {
    const { services } = nodes;
    const person = await createPerson(services);
    const own = await nodes.key({ owner: { kind: 'account', id: person.id }, permissions: [] });
    expect(await ask(own.secret)).toHaveProperty('key');
    await services.accounts.suspend(person.id, null, operator);
    expect(await ask(own.secret)).toEqual({ refused: 'owner_inactive', keyId: own.key.id });
    const { audience } = await createApi(services);
    const { client } = await services.clients.register(
      { name: 'Robot', kind: 'machine', apis: [{ audience, permissions: ['notes:read'] }] },
      operator,
    );
    const its = await nodes.key({ owner: { kind: 'client', id: client.id } });
    expect(await ask(its.secret)).toHaveProperty('key');
    await services.clients.change(client.id, { status: 'disabled' }, operator);
    expect(await ask(its.secret)).toEqual({ refused: 'owner_inactive', keyId: its.key.id });
  });
});

describe('an end', () => {
  it('is not undone when the id of a deleted client is registered again', async () => {
    const { services } = nodes;
    const other = await nodes.node();
    const register = () =>
      services.clients.register({ id: 'robot-one', name: 'Robot', kind: 'machine' }, operator);
    await register();
    const { secret } = await nodes.key({ owner: { kind: 'client', id: 'robot-one' }, permissions: [] });
    expect([await ask(secret), await ask(secret, other)].every((found) => 'key' in found)).toBe(true);
    await services.clients.remove('robot-one', operator);
    await register();
    await other.changes.poll();
    expect([await ask(secret), await ask(secret, other)]).toEqual([
      { refused: 'unknown' },
      { refused: 'unknown' },
    ]);
  });

  it('D3: is felt at once on the node where it was made, by that key alone', async () => {
    const { apiKeys } = nodes.services;
    const [one, other] = [await nodes.key(), await nodes.key()];
    expect(await apiKeys.alive(one.key.id, one.secretId)).toMatchObject({ id: one.key.id });
    await apiKeys.revoke(one.key.id, 'lost', atTheMachine);
    expect(await apiKeys.alive(one.key.id, one.secretId)).toBeUndefined();
    expect(await apiKeys.alive(other.key.id, other.secretId)).toMatchObject({ id: other.key.id });
    expect(await apiKeys.alive(one.key.id, newId('kse'))).toBeUndefined();
  });

  it('D3: is felt within five seconds on a node that no message reaches', async () => {
    const deaf = await nodes.node({ deaf: true });
    const { key, secret, secretId } = await nodes.key();
    const other = await nodes.key();
    expect(await ask(secret, deaf)).toHaveProperty('key');
    expect(await ask(other.secret, deaf)).toHaveProperty('key');
    await nodes.services.apiKeys.revoke(key.id, null, atTheMachine);
    const begun = performance.now();
    while (await deaf.apiKeys.alive(key.id, secretId)) await delay(50);
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(await ask(secret, deaf)).toEqual({ refused: 'revoked', keyId: key.id });
    expect(await ask(other.secret, deaf)).toHaveProperty('key');
  });

  it('D3: is felt within five seconds on a node that hears of no changes at all: it asks the database', async () => {
    const cut = await nodes.node({ deaf: true });
    const { key, secretId } = await nodes.key();
    expect(await cut.apiKeys.alive(key.id, secretId)).toBeDefined();
    await cut.changes.stop();
    await nodes.services.apiKeys.revoke(key.id, null, atTheMachine);
    const begun = performance.now();
    while (await cut.apiKeys.alive(key.id, secretId)) await delay(100);
    expect(performance.now() - begun).toBeLessThan(6_000);
  });

  it('fails closed when the database is away for longer than what is in memory may be used', async () => {
    const postgres = connect(nodes.database);
    const alone = await nodes.node({ deaf: true, postgres });
    const { key, secret, secretId } = await nodes.key();
    expect(await ask(secret, alone)).toHaveProperty('key');
    await alone.changes.stop();
    await postgres.close();
    await delay(5_100);
    await expect(ask(secret, alone)).rejects.toThrow();
    await expect(alone.apiKeys.alive(key.id, secretId)).rejects.toThrow();
  });

  it('D4: a secret from a rotation elsewhere is good on a node that has not heard of it', async () => {
    const deaf = await nodes.node({ deaf: true });
    const { key, secret } = await nodes.key();
    expect(await ask(secret, deaf)).toHaveProperty('key');
    await deaf.changes.stop();
    const { secret: next } = await nodes.services.apiKeys.rotate(key.id, {}, atTheMachine);
    expect(await ask(next, deaf)).toHaveProperty('key');
    expect(await ask(secret, deaf)).toHaveProperty('key');
  });
});

/** What one request costs: statements about keys, and hashes. */
async function counted() {
  const crypto = await import('node:crypto');
  const peppers = vi.spyOn(crypto.Hmac.prototype, 'digest');
  const statements: string[] = [];
  nodes.database.db.on('query', ({ sql }: { sql: string }) => {
    if (sql.includes('api_key')) statements.push(sql);
  });
  return { peppers, statements };
}
