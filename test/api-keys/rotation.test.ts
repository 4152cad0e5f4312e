// New secrets for keys, old ones that work on until their deadline, and the pepper that all of them are hashed under.
import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { IssuedKey } from '../../src/api-keys/api-keys.ts';
import type { Services } from '../../src/services.ts';
import { operator } from '../support/people.ts';
import { atTheMachine, refusal, useNodes } from './world.ts';

const nodes = useNodes({ API_KEY_OVERLAP_SECONDS: '3600', API_KEY_MAXIMUM_OVERLAP_SECONDS: '86400' });
const ask = async ({ secret }: Pick<IssuedKey, 'secret'>, services: Services = nodes.services) => {
  const found = await services.apiKeys.authenticate(secret, { address: null });
  return 'refused' in found ? found.refused : 'good';
};
const rotate = (id: string, overlapSeconds?: number, services: Services = nodes.services) =>
  services.apiKeys.rotate(id, overlapSeconds === undefined ? {} : { overlapSeconds }, atTheMachine);

describe('a rotation', () => {
  it('D4: lets the old secret work on until its deadline, with the tokens made from it', async () => {
    const { apiKeys } = nodes.services;
    const old = await nodes.key();
    const next = await rotate(old.key.id);
    expect([await ask(old), await ask(next)]).toEqual(['good', 'good']);
    expect(await apiKeys.alive(old.key.id, old.secretId)).toBeDefined();
    nodes.pass(3_590);
    expect([await ask(old), await ask(next)]).toEqual(['good', 'good']);
    nodes.pass(20);
    expect([await ask(old), await ask(next)]).toEqual(['retired', 'good']);
    expect(await apiKeys.alive(old.key.id, old.secretId)).toBeUndefined();
    expect(await apiKeys.alive(old.key.id, next.secretId)).toBeDefined();
    const shown = await apiKeys.find(old.key.id, atTheMachine);
    expect(shown?.secrets.map(({ id, retiresAt }) => [id, retiresAt !== null])).toEqual([
      [next.secretId, false],
      [old.secretId, true],
    ]);
  });

  it('D4: ends the old secret at once when it is told to', async () => {
    const old = await nodes.key();
    const next = await rotate(old.key.id, 0);
    expect([await ask(old), await ask(next)]).toEqual(['retired', 'good']);
  });

  it('never gives a secret that ends soon a longer life', async () => {
    const first = await nodes.key();
    await rotate(first.key.id, 60);
    await rotate(first.key.id, 3_600);
    nodes.pass(61);
    expect(await ask(first)).toBe('retired');
  });

  it('keeps few secrets working, and no overlap beyond the policy', async () => {
    const { key } = await nodes.key();
    await rotate(key.id);
    await rotate(key.id);
    expect(await refusal(rotate(key.id))).toEqual({ code: 'api_key_secret_limit' });
    expect(await rotate(key.id, 0)).toHaveProperty('secret');
    expect(await refusal(rotate(key.id, 86_401))).toMatchObject({ code: 'api_key_invalid' });
    expect(await refusal(rotate(key.id, -1))).toMatchObject({ code: 'api_key_invalid' });
    expect(await refusal(rotate(key.id, 1.5))).toMatchObject({ code: 'api_key_invalid' });
  });

  it('at once on two nodes leaves secrets that all are known, and never one too many', async () => {
    const other = await nodes.node();
    const first = await nodes.key();
    const done = await Promise.allSettled(
      Array.from({ length: 10 }, (_, turn) => rotate(first.key.id, 600, turn % 2 ? other : nodes.services)),
    );
    const made = done.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(made).toHaveLength(2);
    for (const one of [first, ...made]) expect(await ask(one)).toBe('good');
    const rows = await nodes.database
      .db('api_key_secrets')
      .where({ key_id: first.key.id })
      .whereNull('retires_at');
    expect(rows).toHaveLength(1);
  });

  it('beside a revocation leaves nothing that works, whichever comes first', async () => {
    for (let turn = 0; turn < 5; turn += 1) {
      const first = await nodes.key();
      const [rotated] = await Promise.allSettled([
        rotate(first.key.id),
        nodes.services.apiKeys.revoke(first.key.id, null, atTheMachine),
      ]);
      expect(await ask(first)).toBe('revoked');
      if (rotated.status === 'fulfilled') expect(await ask(rotated.value)).toBe('revoked');
    }
  });

  it('D6: tells the ledger which secrets end when, and never a secret', async () => {
    const old = await nodes.key();
    const next = await rotate(old.key.id);
    const filter = { targetId: old.key.id, type: 'api-key.rotated' };
    const { items } = await nodes.services.audit.list(filter, { limit: 5, cursor: null });
    expect(items).toMatchObject([{ details: { secretId: next.secretId, retired: [old.secretId] } }]);
    expect(JSON.stringify(items)).not.toContain(next.secret.slice(31));
  });
});

describe('the pepper', () => {
  it('C8: takes over key by key, as each is used, and what it replaced goes when nothing is under it', async () => {
    const { apiKeys } = nodes.services;
    const deaf = await nodes.node({ deaf: true });
    const used = await nodes.key();
    const resting = await nodes.key();
    expect(await ask(used, deaf)).toBe('good');
    const [first, second] = await apiKeys.rotatePepper(operator);
    expect(first).toMatchObject({ version: 1, newest: false });
    expect(second).toEqual({ version: 2, newest: true, secrets: 0 });
    expect(await ask(used)).toBe('good');
    await rewritten(used);
    expect(await versionOf(used)).toBe(2);
    // Made under the new one, and asked for on a node that has not heard of it.
    const made = await nodes.key();
    expect(await versionOf(made)).toBe(2);
    expect([await ask(made, deaf), await ask(used, deaf), await ask(resting, deaf)]).toEqual([
      'good',
      'good',
      'good',
    ]);
    await rewritten(resting);
    const versions = async () => (await apiKeys.listPeppers()).map(({ version }) => version);
    await nodes.database.db('api_key_secrets').where({ pepper_version: 1 }).delete();
    await apiKeys.rotatePepper(operator);
    expect(await ask(used)).toBe('good');
    await rewritten(used, 3);
    await nodes.database.db('api_key_secrets').where({ pepper_version: 2 }).delete();
    await apiKeys.rotatePepper(operator);
    expect(await versions()).toEqual([1, 3, 4]);
    expect(await ask(used)).toBe('good');
  });

  it('lies sealed in the database, and no hash is one of the bare key', async () => {
    const rows: { name: string; sealed: Buffer }[] = await nodes.database
      .db('server_secrets')
      .whereLike('name', 'api-key%')
      .select('name', 'sealed');
    expect(rows.length).toBeGreaterThan(1);
    for (const { sealed } of rows) expect(sealed.length).toBeGreaterThan(100);
    const { key, secret } = await nodes.key();
    const { hash } = await nodes.database.db('api_key_secrets').where({ key_id: key.id }).first('hash');
    expect(hash).toHaveLength(32);
    expect(hash.equals(createHmac('sha256', '').update(secret).digest())).toBe(false);
  });

  it('rewrites a hash once, however many uses there are at that moment', async () => {
    const one = await nodes.key();
    await nodes.services.apiKeys.rotatePepper(operator);
    const updates: string[] = [];
    const note = ({ sql }: { sql: string }) => {
      if (sql.startsWith('update "api_key_secrets" set "hash"')) updates.push(sql);
    };
    nodes.database.db.on('query', note);
    await Promise.all(Array.from({ length: 20 }, () => ask(one)));
    await delay(200);
    nodes.database.db.removeListener('query', note);
    expect(updates).toHaveLength(1);
  });
});

async function versionOf({ secretId }: IssuedKey): Promise<number> {
  const row = await nodes.database.db('api_key_secrets').where({ id: secretId }).first('pepper_version');
  return row.pepper_version;
}

/** The rewrite runs beside the request that it does not hold up. */
async function rewritten(key: IssuedKey, version = 2): Promise<void> {
  for (let turn = 0; turn < 100 && (await versionOf(key)) !== version; turn += 1) await delay(20);
}
