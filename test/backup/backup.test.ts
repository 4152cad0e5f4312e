// gatehouse backup: one instant of everything, in a file that tells when anything about it is wrong.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { useFolders } from '../support/folder.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator } from '../support/people.ts';
import { backupOn, masterKey } from './world.ts';

const gatehouse = useGatehouse({ settings: { MASTER_KEY: masterKey } });
const folder = useFolders();
const here = () => backupOn({ DATABASE_URL: gatehouse.database.databaseUrl() });
const file = () => join(folder(), 'a.backup');

it('holds every table but the passing ones, and says which those are', async () => {
  await createPerson(gatehouse.services);
  const path = file();
  const made = await here().write(path);
  const names = made.tables.map(({ name }) => name);

  expect(names).toEqual(expect.arrayContaining(['accounts', 'passwords', 'audit_events', 'signing_keys']));
  expect(made.header.leftOut).toContain('oidc_transients');
  expect(names.filter((name) => made.header.leftOut.includes(name))).toEqual([]);
  expect(await here().check(path)).toEqual(made);
});

it('is one instant: while people are made, there are as many people as events that made them', async () => {
  const { db } = gatehouse.database;
  let on = true;
  let made = 0;
  const writer = (async () => {
    while (on) {
      made += 1;
      await gatehouse.services.accounts.create({ email: `load${made}@example.com` }, operator);
    }
  })();
  const paths = [file(), file(), file()];
  for (const path of paths) {
    const before = made;
    const { tables } = await here().write(path);
    const counts = new Map(tables.map(({ name, rows }) => [name, rows]));
    const people = counts.get('accounts') ?? 0;
    expect(people).toBeGreaterThan(before - 2);
    expect(counts.get('account_identifiers')).toBe(people);
    expect(await createdIn(path)).toBe(people);
  }
  on = false;
  await writer;
  const [row] = await db('accounts').count();
  expect(Number(row?.count)).toBeGreaterThan(3);
});

it('is written down in the ledger', async () => {
  await here().write(file());
  const { items } = await gatehouse.services.audit.list(
    { type: 'backup.created' },
    { limit: 5, cursor: null },
  );
  expect(items[0]).toMatchObject({ actor: operator, outcome: 'success' });
});

/**
 * At the very end stand the end of the last zstd block and its checksum, which Node's stream does not always wait for. They hold
 * nothing; so far before it stands the file's own hash, which is as long.
 */
const BEFORE_THE_END = 32;

it('refuses a file that was cut off, wherever', async () => {
  const path = file();
  await here().write(path);
  const whole = await readFile(path);
  for (const length of [0, 10, 40, 100, Math.floor(whole.length / 2), whole.length - BEFORE_THE_END]) {
    await writeFile(path, whole.subarray(0, length));
    await expect(here().check(path), `${length} bytes`).rejects.toMatchObject({ code: 'backup_broken' });
  }
});

it('refuses a file in which one bit is another, wherever', async () => {
  const path = file();
  await here().write(path);
  const whole = await readFile(path);
  const places = Array.from({ length: 40 }, (_, step) => Math.floor((whole.length * step) / 40));
  for (const place of [...places, whole.length - BEFORE_THE_END]) {
    const changed = Buffer.from(whole);
    changed[place] = (changed[place] ?? 0) ^ 1;
    await writeFile(path, changed);
    await expect(here().check(path), `byte ${place}`).rejects.toThrow();
  }
});

it('under a passphrase nothing of it can be read, and only that passphrase opens it', async () => {
  await createPerson(gatehouse.services, { email: 'secret-reader@example.com' });
  const path = file();
  const made = await here().write(path, 'seven lanterns in a row');
  const bytes = await readFile(path);

  expect(made.encrypted).toBe(true);
  expect(await here().check(path, 'seven lanterns in a row')).toEqual(made);
  await expect(here().check(path, 'eight lanterns in a row')).rejects.toMatchObject({
    code: 'backup_passphrase_wrong',
  });
  expect(bytes.subarray(0, 300).toString('latin1')).not.toContain('migrations');
});

it('an encrypted file that was cut off between two chunks, or changed, is refused', async () => {
  const { db } = gatehouse.database;
  await db.raw(`insert into audit_refusals select now() - i * interval '1 minute', 'token', md5(i::text), md5((i * 7)::text), i
    from generate_series(1, 20000) i`);
  const path = file();
  await here().write(path, 'seven lanterns in a row');
  const whole = await readFile(path);
  const head = whole.indexOf(10, whole.indexOf(10) + 1) + 1;
  expect(whole.length).toBeGreaterThan(head + 3 * 65_552);
  const twoChunks = whole.subarray(0, head + 2 * 65_552);
  const swapped = Buffer.concat([
    whole.subarray(0, head),
    whole.subarray(head + 65_552, head + 2 * 65_552),
    whole.subarray(head, head + 65_552),
    whole.subarray(head + 2 * 65_552),
  ]);
  const changed = Buffer.from(whole);
  changed[head + 70_000] = (changed[head + 70_000] ?? 0) ^ 1;
  for (const bytes of [twoChunks, changed]) {
    await writeFile(path, bytes);
    await expect(here().check(path, 'seven lanterns in a row')).rejects.toMatchObject({
      code: 'backup_broken',
    });
  }
  await writeFile(path, swapped);
  await expect(here().check(path, 'seven lanterns in a row')).rejects.toMatchObject({
    code: 'backup_passphrase_wrong',
  });
});

it('refuses a file of a later format with a clear sentence', async () => {
  const path = file();
  await writeFile(path, 'GATEHOUSE-BACKUP 2\n{}\n');
  await expect(here().check(path)).rejects.toThrow(/newer release/);
});

/** Events that made an account, in the backup itself: what its ledger says, read by restoring nothing. */
async function createdIn(path: string): Promise<number> {
  const { createReadStream } = await import('node:fs');
  const { readBackup } = await import('../../src/backup/file.ts');
  const source = await readBackup(createReadStream(path), { passphrase: async () => '' });
  let count = 0;
  for await (const table of source.tables()) {
    const chunks: Buffer[] = [];
    for await (const rows of table.rows) chunks.push(rows);
    if (table.name === 'audit_events') {
      count = Buffer.concat(chunks)
        .toString()
        .split('\n')
        .filter((line) => line.includes('\taccount.created\t')).length;
    }
  }
  return count;
}
