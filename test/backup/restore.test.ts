// gatehouse restore: all of a backup or nothing of it, into an empty database, and never a silent wrong one.
import { createReadStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBackup, writeBackup } from '../../src/backup/file.ts';
import type { Header } from '../../src/backup/schema.ts';
import { fillDatabase } from '../../src/backup/staging.ts';
import { PASSING, SIGNED_IN } from '../../src/backup/tables.ts';
import { createPostgres } from '../../src/platform/database/postgres.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createClient, createPerson } from '../support/people.ts';
import { backupOn, byName, masterKey, quiet, relationsOf, sumsOf } from './world.ts';

const gatehouse = useGatehouse({ settings: { MASTER_KEY: masterKey } });
const target = useDatabase('empty');
const folder = useFolders();
const source = () => backupOn({ DATABASE_URL: gatehouse.database.databaseUrl() });
const into = (environment: Record<string, string> = {}) =>
  backupOn({ DATABASE_URL: target.databaseUrl(), ...environment });
let path = '';

beforeAll(async () => {
  await createPerson(gatehouse.services, { email: 'ann@example.com' });
  await createClient(gatehouse.services);
  // Text in which every character that the format writes in another way occurs, and a month long gone.
  const { db } = gatehouse.database;
  await db.raw(`update accounts set name = ?`, ['tab\t line\n back\\slash \\N \u{1f3db} end']);
  await db.raw(`create table audit_events_2019_03 partition of audit_events
    for values from ('2019-03-01T00:00:00Z') to ('2019-04-01T00:00:00Z')`);
  await db.raw(`insert into audit_events (id, occurred_at, type, outcome, actor_kind)
    values ('evt_old', '2019-03-05T00:00:00Z', 'account.created', 'success', 'system')`);
  // Listeners of the ledger write down how far they are; here nothing may change after the copy.
  await gatehouse.services.audit.stop();
  path = join(folder(), 'a.backup');
  await source().write(path);
});

describe('what does not fit is refused before anything is written', () => {
  const nothing = async () => expect(await relationsOf(target.databaseUrl())).toEqual([]);

  it('another master key', async () => {
    const other = into({ MASTER_KEY: Buffer.alloc(32, 8).toString('base64') });
    await expect(other.bringBack(path)).rejects.toMatchObject({ code: 'master_key_missing' });
    await nothing();
  });

  it('no master key at all, and none is made', async () => {
    const keys = join(folder(), 'keys');
    const other = into({ MASTER_KEY: '', KEYS_DIRECTORY: keys });
    await expect(other.bringBack(path)).rejects.toThrow(/keys\/ of the server/);
    await expect(readFile(join(keys, 'master.key'))).rejects.toThrow('ENOENT');
    await nothing();
  });

  it('a backup of a newer release, by the migration that is not known here', async () => {
    const newer = await rewritten((header) => ({
      ...header,
      release: '10.0.0',
      migrations: [...header.migrations, '20991231000000_create_wonders'],
    }));
    await expect(into().bringBack(newer)).rejects.toThrow(/made by a newer release/);
    await nothing();
  });

  it('a file that was cut off, and one with a flipped byte in it', async () => {
    const whole = await readFile(path);
    const cut = join(folder(), 'cut.backup');
    await writeFile(cut, whole.subarray(0, whole.length - 200));
    await expect(into().bringBack(cut)).rejects.toMatchObject({ code: 'backup_broken' });
    const changed = Buffer.from(whole);
    const middle = Math.floor(whole.length / 2);
    changed[middle] = (changed[middle] ?? 0) ^ 64;
    await writeFile(cut, changed);
    await expect(into().bringBack(cut)).rejects.toMatchObject({ code: 'backup_broken' });
    await nothing();
  });

  it('rows that were exchanged by somebody who packed the file anew', async () => {
    const forged = await rewritten(
      (header) => header,
      (rows) => Buffer.from(rows.toString('latin1').replace('ann@', 'eve@'), 'latin1'),
    );
    await expect(into().bringBack(forged)).rejects.toMatchObject({ code: 'backup_broken' });
    await nothing();
  });

  it('a table that reads differently once it is written', async () => {
    const read = await readBackup(createReadStream(path), { passphrase: async () => '' });
    async function* tables() {
      for await (const table of read.tables()) {
        const sum = () => ({ ...table.sum(), sha256: '0'.repeat(64) });
        yield { ...table, sum };
      }
    }
    const filling = {
      url: target.databaseUrl(),
      source: { ...read, tables },
      replace: false,
      onTable: quiet,
      finish: async () => {},
    };
    await expect(fillDatabase(filling)).rejects.toMatchObject({ code: 'copy_differs' });
    await nothing();
  });

  it('a header whose names are statements', async () => {
    const forged = await rewritten((header) => ({
      ...header,
      tables: header.tables.map((table) => ({
        ...table,
        partitions: [{ name: 'x', bound: 'default; drop table accounts' }],
      })),
    }));
    await expect(into().bringBack(forged)).rejects.toMatchObject({ code: 'backup_broken' });
    await nothing();
  });

  it('a server that runs on the database', async () => {
    const running = createPostgres({
      url: target.databaseUrl(),
      poolMax: 1,
      statementTimeoutSeconds: 5,
      applicationName: 'gatehouse-serve',
    });
    await running.db.raw('select 1');
    await expect(into().bringBack(path)).rejects.toMatchObject({ code: 'database_in_use' });
    await running.close();
    await nothing();
  });
});

describe('what comes back', () => {
  const left = [...PASSING, ...SIGNED_IN, 'oidc_session_clients', 'cutoffs', 'audit_events', 'data_moves'];
  const kept = (sums: object) =>
    Object.entries(sums)
      .filter(([name]) => !left.includes(name))
      .sort();

  it('is the same to the byte, in every table, with the months of the ledger and its sequence', async () => {
    const before = await sumsOf(gatehouse.database.databaseUrl());
    const restored = await into().bringBack(path);
    const after = await sumsOf(target.databaseUrl());

    expect(kept(after)).toEqual(kept(before));
    expect(kept(byName(restored?.tables ?? []))).toEqual(kept(before));
    const [month] = await target.db('audit_events_2019_03').select('id');
    expect(month).toEqual({ id: 'evt_old' });
    const { rows } = await target.db.raw(`select last_value > 1 as moved from audit_events_sequence`);
    expect(rows).toEqual([{ moved: true }]);
  });

  it('is written down in the ledger that came back', async () => {
    const [event] = await target
      .db('audit_events')
      .where({ type: 'backup.restored' })
      .select('actor_kind', 'details');
    expect(event).toMatchObject({
      actor_kind: 'operator',
      details: { release: '9.9.9', sessionsKept: false },
    });
  });

  it('ends what is verified by its signature, too: tokens of before count no more', async () => {
    const [cutoff] = await target.db('cutoffs').where({ kind: 'everyone' }).select('not_before');
    expect(Math.abs(cutoff.not_before - Date.now())).toBeLessThan(60_000);
  });

  it('leaves no trace of the work in the database', async () => {
    const relations = await relationsOf(target.databaseUrl());
    expect(relations.filter((name) => name.startsWith('gatehouse_restore'))).toEqual([]);
  });

  it('is refused where there is data, and nothing of that is lost', async () => {
    const before = await sumsOf(target.databaseUrl());
    await expect(into().bringBack(path)).rejects.toMatchObject({ code: 'database_not_empty' });
    const no = await into().bringBack(path, { replace: true, confirm: async () => false });
    expect(no).toBeUndefined();
    expect(await sumsOf(target.databaseUrl())).toEqual(before);
  });

  it('replaces what is there when that is wanted', async () => {
    await target.db.raw(`update accounts set name = 'changed since'`);
    await into().bringBack(path, { replace: true });
    expect(await target.db('accounts').whereLike('name', 'changed%').select('id')).toEqual([]);
    const { rows } = await target.db.raw(
      `insert into audit_refusals values (now(), 'token', 'x', 'y', 1) returning kind`,
    );
    expect(rows).toHaveLength(1);
  });

  it('a replacement that fails leaves what is there as it is', async () => {
    const before = await sumsOf(target.databaseUrl());
    const whole = await readFile(path);
    const cut = join(folder(), 'cut.backup');
    await writeFile(cut, whole.subarray(0, whole.length - 50));
    await expect(into().bringBack(cut, { replace: true })).rejects.toMatchObject({ code: 'backup_broken' });
    expect(await sumsOf(target.databaseUrl())).toEqual(before);
  });

  it('is not put over the data of a newer release, whose tables this one does not know', async () => {
    await target.db.raw(
      `insert into knex_migrations (name, batch) values ('20991231000000_create_wonders', 99)`,
    );
    await expect(into().bringBack(path, { replace: true })).rejects.toMatchObject({ code: 'database_newer' });
  });
});

describe('a backup of an older release', () => {
  const older = useDatabase('empty');

  it('comes back at its own schema and is then brought to that of this release', async () => {
    const last = '20261122070100_create_data_moves';
    const old = await rewritten((header) => ({
      ...header,
      release: '0.0.9',
      migrations: header.migrations.filter((name) => name !== last),
    }));
    await backupOn({ DATABASE_URL: older.databaseUrl() }).bringBack(old);
    const names = await older.db('knex_migrations').orderBy('id', 'desc').limit(1).select('name');
    expect(names).toEqual([{ name: last }]);
    expect(await older.db('data_moves').select('moved_to')).toEqual([]);
  });
});

it('names only tables that there are', async () => {
  const sums = await sumsOf(gatehouse.database.databaseUrl());
  expect([...PASSING, ...SIGNED_IN].filter((name) => !(name in sums))).toEqual([]);
});

/** The same backup with another header, or other rows under the sums of the old ones, packed as ours are. */
async function rewritten(
  change: (header: Header) => Header,
  exchange: (rows: Buffer) => Buffer = (rows) => rows,
): Promise<string> {
  const read = await readBackup(createReadStream(path), { passphrase: async () => '' });
  const out = new PassThrough();
  const chunks: Buffer[] = [];
  out.on('data', (chunk: Buffer) => chunks.push(chunk));
  async function* exchanged(rows: AsyncIterable<Buffer>) {
    for await (const chunk of rows) yield exchange(chunk);
  }
  async function* tables() {
    for await (const table of read.tables()) yield { ...table, rows: exchanged(table.rows) };
  }
  const source = { header: change(read.header), tables, ending: () => read.ending() };
  await writeBackup(source, out, { passphrase: undefined, onTable: quiet });
  const file = join(folder(), 'rewritten.backup');
  await writeFile(file, Buffer.concat(chunks));
  return file;
}
