// Rotation of the master key: made, given to every node, put to use, old values brought along, the old one set aside.
import { randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/audit.ts';
import { createMasterKey } from '../../src/master-key/master-key.ts';
import { places, readUnder, replaceValues } from '../../src/master-key/store.ts';
import { createChanges } from '../../src/platform/changes.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { MasterKeySettings } from '../../src/platform/secrets/master-key.ts';
import { openVault } from '../../src/platform/secrets/open-vault.ts';
import { loadServerSecrets } from '../../src/platform/secrets/server-secrets.ts';
import { masterKeyId, sealedUnder } from '../../src/platform/secrets/vault.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';

const { postgres, db } = useDatabase();
const folder = useFolders();
const operator = { kind: 'operator', id: 'root' } as const;

beforeEach(async () => {
  for (const table of ['server_secrets', 'signing_keys', 'master_keys', 'master_key_nodes']) {
    await db(table).delete();
  }
});

async function node(settings: MasterKeySettings) {
  const changes = createChanges({ db, log: silentLog });
  const audit = createAudit({ postgres, log: silentLog, clock: systemClock });
  const vault = await openVault(db, settings);
  const secrets = await loadServerSecrets(db, vault);
  const deps = { postgres, vault, audit, changes, clock: systemClock, log: silentLog, settings };
  const masterKey = createMasterKey(deps);
  const rewrap = async () =>
    masterKey
      .jobs()
      .find(({ name }) => name === 'master-key-rewrap')
      ?.run();
  return { vault, secrets, masterKey, changes, audit, rewrap };
}

const inFolder = (): MasterKeySettings => ({ masterKey: undefined, keysDirectory: folder() });

describe('a rotation', () => {
  it('asked for twice at once makes one key', async () => {
    const settings = inFolder();
    const [one, two] = [await node(settings), await node(settings)];
    const tries = await Promise.allSettled([one, two].map(({ masterKey }) => masterKey.rotate(operator)));
    expect(tries.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(readdirSync(settings.keysDirectory)).toHaveLength(2);
  });

  it('brings every value under the new key, keeps every secret, and needs the old key no more', async () => {
    const settings = inFolder();
    const one = await node(settings);
    const before = one.secrets.get('cookie');
    const old = one.vault.keyId;
    const { id, file } = await one.masterKey.rotate(operator);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(one.vault.keyId).toBe(old);
    await one.masterKey.activate({}, operator);
    const half = await one.masterKey.status();
    expect(half.waiting).toBeGreaterThan(5);
    await expect(one.masterKey.retire(old, operator)).rejects.toMatchObject({
      details: { values: half.waiting },
    });
    await one.rewrap();

    const { keys, waiting } = await one.masterKey.status();
    expect(waiting).toBe(0);
    expect(keys.find((key) => key.id === id)).toMatchObject({ state: 'current', values: half.waiting });
    expect(keys.find((key) => key.id === old)).toMatchObject({ state: 'previous', values: 0 });
    const { aside } = await one.masterKey.retire(old, operator);
    expect(readdirSync(settings.keysDirectory).sort()).toEqual([`master-${id}.key`, 'master.key.retired']);
    expect(aside).toContain('master.key.retired');

    const later = await node(settings);
    expect(later.secrets.get('cookie')).toEqual(before);
    expect(later.vault.keyIds()).toEqual([id]);
  });

  it('is in the ledger, with who did it', async () => {
    const { masterKey, vault, rewrap, audit } = await node(inFolder());
    const old = vault.keyId;
    const { id } = await masterKey.rotate(operator);
    await masterKey.activate({ id }, operator);
    await rewrap();
    await rewrap();
    await masterKey.retire(old, operator);

    const { items } = await audit.list(
      { targetKind: 'master_key', targetId: id },
      { limit: 9, cursor: null },
    );
    expect(items.map(({ type, actor }) => `${type} ${actor.kind}`).reverse()).toEqual([
      'master-key.created operator',
      'master-key.activated operator',
      'master-key.rewrapped system',
    ]);
    const retired = await audit.list({ type: 'master-key.retired' }, { limit: 1, cursor: null });
    expect(retired.items).toMatchObject([{ actor: operator, target: { id: old } }]);
  });

  it('can be repeated', async () => {
    const settings = inFolder();
    const { masterKey, vault, rewrap, secrets } = await node(settings);
    for (let round = 0; round < 3; round += 1) {
      const old = vault.keyId;
      await masterKey.rotate(operator);
      await masterKey.activate({}, operator);
      await rewrap();
      await masterKey.retire(old, operator);
    }

    expect((await node(settings)).secrets.get('state')).toEqual(secrets.get('state'));
  });

  it('makes no second key while one is waiting to be put to use', async () => {
    const { masterKey } = await node(inFolder());
    await masterKey.rotate(operator);
    await expect(masterKey.rotate(operator)).rejects.toMatchObject({ code: 'master_key_waiting' });
  });

  it('does not bring back a value that was changed between reading and writing', async () => {
    const { vault } = await node(inFolder());
    const place = places().find(({ name }) => name === 'server_secrets.sealed');
    if (place === undefined) throw new Error('the registry lost a column');
    const read = await readUnder(db, place, { otherThan: '00'.repeat(8), after: undefined, limit: 50 });
    const newer = vault.seal(randomBytes(32), 'server_secrets.sealed:csrf');
    await db('server_secrets').where({ name: 'csrf' }).update({ sealed: newer });
    const replacements = read.map(({ key, sealed }) => ({ key, old: sealed, sealed: Buffer.from('new') }));

    expect(await replaceValues(db, place, replacements)).toBe(read.length - 1);
    expect((await db('server_secrets').where({ name: 'csrf' }).first('sealed'))?.sealed).toEqual(newer);
  });

  it('leaves a value that does not open as it is, brings the others along, and says so', async () => {
    const { masterKey, rewrap } = await node(inFolder());
    const damaged = randomBytes(200);
    damaged[0] = 1;
    await db('server_secrets').where({ name: 'csrf' }).update({ sealed: damaged });
    await masterKey.rotate(operator);
    const id = await masterKey.activate({}, operator);
    await expect(rewrap()).rejects.toThrow('1 sealed values do not open');

    const rows: { name: string; sealed: Buffer }[] = await db('server_secrets').select('name', 'sealed');
    for (const { name, sealed } of rows) {
      if (name === 'csrf') expect(sealed).toEqual(damaged);
      else expect(sealedUnder(sealed)).toBe(id);
    }
  });
});

describe('with several nodes', () => {
  it('refuses to put a key to use that a running node does not hold, until it does', async () => {
    const here = inFolder();
    const one = await node(here);
    const there = inFolder();
    copyFileSync(join(here.keysDirectory, 'master.key'), join(there.keysDirectory, 'master.key'));
    const two = await node(there);
    await one.masterKey.start();
    await two.masterKey.start();
    const { file, id } = await one.masterKey.rotate(operator);
    await expect(one.masterKey.activate({}, operator)).rejects.toMatchObject({
      code: 'master_key_not_everywhere',
    });
    expect(one.vault.keyId).not.toBe(id);
    copyFileSync(file, join(there.keysDirectory, `master-${id}.key`));
    await one.changes.poll();
    await two.changes.poll();
    await one.masterKey.activate({}, operator);
    await two.changes.poll();

    expect(two.vault.keyId).toBe(id);
    await one.masterKey.stop();
    await two.masterKey.stop();
    expect((await one.masterKey.status()).nodes).toEqual([]);
  });

  it('counts a node that cannot read the new key as running without it', async () => {
    const here = inFolder();
    const one = await node(here);
    const there = inFolder();
    copyFileSync(join(here.keysDirectory, 'master.key'), join(there.keysDirectory, 'master.key'));
    const two = await node(there);
    const { file, id } = await one.masterKey.rotate(operator);
    const copy = join(there.keysDirectory, `master-${id}.key`);
    copyFileSync(file, copy);
    chmodSync(copy, 0o644);
    await two.masterKey.start();
    await expect(one.masterKey.activate({}, operator)).rejects.toMatchObject({
      code: 'master_key_not_everywhere',
    });
    chmodSync(copy, 0o600);
    await two.changes.poll();
    await one.masterKey.activate({}, operator);
    await two.masterKey.stop();
  });

  it('keeps a node that shares the directory reading, also before it has heard of the new key', async () => {
    const shared = inFolder();
    const [one, two] = [await node(shared), await node(shared)];
    await one.masterKey.rotate(operator);
    await one.masterKey.activate({}, operator);
    await one.rewrap();

    const secrets = await loadServerSecrets(db, two.vault);
    expect(secrets.get('cookie')).toEqual(one.secrets.get('cookie'));
  });

  it('does not retire a key that a slow node still seals under, nor one that wraps a value, nor the one in use', async () => {
    const shared = inFolder();
    const [one, two] = [await node(shared), await node(shared)];
    const old = one.vault.keyId;
    await one.masterKey.start();
    await two.masterKey.start();
    await one.masterKey.rotate(operator);
    await one.changes.poll();
    await two.changes.poll();
    const id = await one.masterKey.activate({}, operator);
    const refused = { code: 'master_key_in_use' };
    await expect(one.masterKey.retire(id, operator)).rejects.toMatchObject(refused);
    await expect(one.masterKey.retire(old, operator)).rejects.toMatchObject(refused);
    await one.rewrap();
    await one.changes.poll();
    await expect(one.masterKey.retire(old, operator)).rejects.toMatchObject(refused);
    await two.changes.poll();
    await one.masterKey.retire(old, operator);
    await one.masterKey.stop();
    await two.masterKey.stop();
  });

  it('brings along what a slow node sealed under the old key after the others were done', async () => {
    const shared = inFolder();
    const [one, slow] = [await node(shared), await node(shared)];
    await one.masterKey.rotate(operator);
    await one.masterKey.activate({}, operator);
    await one.rewrap();
    const sealed = slow.vault.seal(randomBytes(32), 'server_secrets.sealed:late');
    await db('server_secrets').insert({ name: 'late', sealed });
    expect((await one.masterKey.status()).waiting).toBe(1);
    await one.rewrap();
    expect((await one.masterKey.status()).waiting).toBe(0);
  });
});

describe('with keys by setting', () => {
  const text = (key: Buffer) => key.toString('base64');

  it('takes the new key from MASTER_KEY once every server has both', async () => {
    const [old, next] = [randomBytes(32), randomBytes(32)];
    const keysDirectory = folder();
    const first = await node({ masterKey: text(old), keysDirectory });
    await expect(first.masterKey.rotate(operator)).rejects.toMatchObject({ code: 'master_key_by_setting' });
    const settings = { masterKey: text(next), previousMasterKeys: [text(old)], keysDirectory };
    const second = await node(settings);
    // A restart alone changes nothing: servers that are not restarted yet must read what this one seals.
    expect(second.vault.keyId).toBe(masterKeyId(old));
    await second.masterKey.activate({}, operator);
    await second.rewrap();
    await second.masterKey.retire(masterKeyId(old), operator);

    const third = await node({ masterKey: text(next), keysDirectory });
    expect(third.secrets.get('cookie')).toEqual(first.secrets.get('cookie'));
    expect(readdirSync(keysDirectory)).toEqual([]);
  });

  it('does not start without the key in use, and names it', async () => {
    const first = await node({ masterKey: text(randomBytes(32)), keysDirectory: folder() });
    const other = { masterKey: text(randomBytes(32)), keysDirectory: folder() };
    await expect(node(other)).rejects.toThrow(`The master key of this database is ${first.vault.keyId}`);
  });

  it('asks which one when there are several new keys', async () => {
    const [old, one, two] = [randomBytes(32), randomBytes(32), randomBytes(32)];
    const keysDirectory = folder();
    await node({ masterKey: text(old), keysDirectory });
    const previousMasterKeys = [text(old), text(two)];
    const { masterKey } = await node({ masterKey: text(one), previousMasterKeys, keysDirectory });
    await expect(masterKey.activate({}, operator)).rejects.toMatchObject({ code: 'master_key_ambiguous' });
    await expect(masterKey.activate({ id: 'beef' }, operator)).rejects.toMatchObject({
      code: 'master_key_not_found',
    });
    expect(await masterKey.activate({ id: masterKeyId(two) }, operator)).toBe(masterKeyId(two));
  });
});
