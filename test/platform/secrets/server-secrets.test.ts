// The secrets that all nodes share: made once, sealed, and never replaced when the master key does not open them.
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { SecretsProblem } from '../../../src/platform/secrets/master-key.ts';
import { loadServerSecrets, serverSecretNames } from '../../../src/platform/secrets/server-secrets.ts';
import { createVault } from '../../../src/platform/secrets/vault.ts';
import { useDatabase } from '../../support/database.ts';

const { db } = useDatabase();
const vault = createVault(randomBytes(32));

beforeEach(() => db('server_secrets').delete());

describe('loadServerSecrets', () => {
  it('gives all nodes that start together the same secrets of 32 bytes, each different', async () => {
    const nodes = await Promise.all(Array.from({ length: 8 }, () => loadServerSecrets(db, vault)));
    const names = serverSecretNames;
    for (const name of names) {
      expect(new Set(nodes.map((node) => node.get(name).toString('hex'))).size).toBe(1);
      expect(nodes[0]?.get(name)).toHaveLength(32);
    }
    expect(new Set(names.map((name) => nodes[0]?.get(name).toString('hex'))).size).toBe(names.length);
  });

  it('keeps nothing readable in the table', async () => {
    const secrets = await loadServerSecrets(db, vault);
    const rows = await db('server_secrets').select('sealed');
    for (const row of rows) expect(row.sealed.includes(secrets.get('cookie'))).toBe(false);
  });

  it('names the cause when the master key is another one, and changes nothing', async () => {
    await loadServerSecrets(db, vault);
    const before = await db('server_secrets').select('name', 'sealed').orderBy('name');
    const other = createVault(randomBytes(32));
    await expect(loadServerSecrets(db, other)).rejects.toThrow(
      new RegExp(`${other.keyId}.*not the one that sealed.*${vault.keyId}`),
    );
    await expect(loadServerSecrets(db, other)).rejects.toBeInstanceOf(SecretsProblem);
    expect(await db('server_secrets').select('name', 'sealed').orderBy('name')).toEqual(before);
  });

  it('refuses two secrets whose rows were swapped', async () => {
    await loadServerSecrets(db, vault);
    const cookie = await db('server_secrets').select('sealed').where({ name: 'cookie' }).first();
    await db('server_secrets').where({ name: 'csrf' }).update({ sealed: cookie?.sealed });
    await expect(loadServerSecrets(db, vault)).rejects.toThrow('damaged or changed');
  });
});
