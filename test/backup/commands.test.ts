// gatehouse backup and restore as they are typed: files, passphrases, questions, and what is said aloud.
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { commands } from '../../src/backup/commands.ts';
import { bind, runCommandLine } from '../../src/platform/command-line/run.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson } from '../support/people.ts';
import { testTerminal } from '../support/terminal.ts';
import { backupOn, masterKey } from './world.ts';

const gatehouse = useGatehouse({ settings: { MASTER_KEY: masterKey } });
const target = useDatabase('empty');
const folder = useFolders();
let place = '';

beforeAll(async () => {
  await createPerson(gatehouse.services);
  place = folder();
});

async function run(url: string, words: string[], typed?: string) {
  const terminal = testTerminal(typed === undefined ? '' : undefined);
  if (typed !== undefined) terminal.type(typed);
  const open = async () => ({ services: { backup: backupOn({ DATABASE_URL: url }) }, close: async () => {} });
  const program = {
    name: 'gatehouse',
    summary: '',
    version: '0',
    groups: {},
    commands: bind(commands, open),
  };
  const code = await runCommandLine(program, words, terminal);
  return { code, out: terminal.out(), err: terminal.err() };
}
const here = (words: string[], typed?: string) => run(gatehouse.database.databaseUrl(), words, typed);
const there = (words: string[], typed?: string) => run(target.databaseUrl(), words, typed);

it('writes a file that only its owner can read, and says what is not in it and who can read it', async () => {
  const path = join(place, 'plain.backup');
  const { code, out, err } = await here(['backup', path]);

  expect(code, err).toBe(0);
  expect(out).toMatch(/The master key is not in it.*keys\//);
  expect(out).toContain('It is not encrypted');
  expect(err).toContain('accounts: 1 rows');
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(place)).toEqual(['plain.backup']);
});

it('never replaces a file, unless it is told to', async () => {
  const path = join(place, 'plain.backup');
  const before = await readFile(path);
  expect(await here(['backup', path])).toMatchObject({
    code: 2,
    err: expect.stringContaining('exists already'),
  });
  expect(await readFile(path)).toEqual(before);
  expect((await here(['backup', path, '--force'])).code).toBe(0);
  expect(await readFile(path)).not.toEqual(before);
  expect(await readdir(place)).toEqual(['plain.backup']);
});

it('leaves nothing behind when it fails', async () => {
  const empty = join(place, 'empty');
  await mkdir(empty);
  expect(await there(['backup', join(empty, 'none.backup')])).toMatchObject({
    code: 3,
    err: expect.stringContaining('There is no data of Gatehouse'),
  });
  expect(await readdir(empty)).toEqual([]);
});

it('verifies a backup and shows every table with its hash', async () => {
  const { code, out } = await here(['backup', 'verify', join(place, 'plain.backup'), '--json']);
  expect(code).toBe(0);
  const said = JSON.parse(out);
  expect(said).toMatchObject({ whole: true, encrypted: false });
  expect(said.tables).toContainEqual({
    name: 'accounts',
    rows: 1,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

it('asks for the passphrase twice when it writes, and once when it reads', async () => {
  const path = join(place, 'typed.backup');
  const passphrase = 'seven lanterns in a row';
  const differ = await here(['backup', path, '--encrypt'], `${passphrase}\nseven lantern in a row\n`);
  expect(differ).toMatchObject({ code: 2, err: expect.stringContaining('differ') });
  const made = await here(['backup', path, '--encrypt'], `${passphrase}\n${passphrase}\n`);
  expect(made.code, made.err).toBe(0);
  expect(made.out).not.toContain('It is not encrypted');
  expect(made.out + made.err).not.toContain(passphrase);
  expect((await here(['backup', 'verify', path], `${passphrase}\n`)).code).toBe(0);
  expect(await here(['backup', 'verify', path], 'eight lanterns in a row\n')).toMatchObject({
    code: 2,
    err: expect.stringContaining('backup_passphrase_wrong'),
  });
}, 60_000);

it('takes the passphrase from a file, and no short one', async () => {
  const secret = join(place, 'passphrase');
  const path = join(place, 'filed.backup');
  await writeFile(secret, 'too short\n');
  expect(await here(['backup', path, '--passphrase-file', secret])).toMatchObject({
    code: 2,
    err: expect.stringContaining('at least 12 characters'),
  });
  await writeFile(secret, 'seven lanterns in a row\n');
  await chmod(secret, 0o600);
  expect((await here(['backup', path, '--passphrase-file', secret])).code).toBe(0);
  expect((await here(['backup', 'verify', path, '--passphrase-file', secret])).code).toBe(0);
  // A file that was put in the place of an encrypted one: not even one that is whole.
  const plain = join(place, 'plain.backup');
  for (const words of [
    ['backup', 'verify'],
    ['restore', '--yes'],
  ]) {
    expect(await there([...words, plain, '--passphrase-file', secret])).toMatchObject({
      code: 2,
      err: expect.stringContaining('not encrypted'),
    });
  }
}, 60_000);

it('restores, says what has ended, and replaces only after the word was typed', async () => {
  const path = join(place, 'plain.backup');
  const first = await there(['restore', path]);
  expect(first.code, first.err).toBe(0);
  expect(first.out).toContain('All sessions, grants and tokens have ended');
  expect(await there(['restore', path])).toMatchObject({
    code: 4,
    err: expect.stringContaining('--replace'),
  });
  expect(await there(['restore', path, '--replace'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('--yes'),
  });

  await target.db.raw(`update accounts set name = 'later'`);
  const names = async () => (await target.db('accounts').select('name')).map(({ name }) => name);
  expect((await there(['restore', path, '--replace'], 'yes\n')).out).toBe('');
  expect(await names()).toEqual(['later']);
  expect((await there(['restore', path, '--replace'], 'replace\n')).code).toBe(0);
  expect(await names()).not.toEqual(['later']);
  expect((await there(['restore', path, '--replace', '--yes', '--keep-sessions'])).out).toContain(
    'People stay signed in',
  );
});
