// Who runs the embedded PostgreSQL under root, and whether that user gets to where it must.
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { chooseDatabaseUser, firstUnreachable } from '../../src/platform/embedded/owner.ts';

const stranger = { name: 'stranger', uid: 54_321, gid: 54_321 };

test('changes no user unless it runs as root', () => {
  expect(chooseDatabaseUser(1000)).toBe(undefined);
});

test('prefers the user postgres and falls back to nobody', () => {
  const root = 'root:x:0:0::/root:/bin/sh\n';
  const nobody = 'nobody:x:65534:65533::/:/bin/false\n';
  const postgres = 'postgres:x:101:104::/:/bin/sh\n';
  expect(chooseDatabaseUser(0, () => root + nobody + postgres)).toEqual({
    name: 'postgres',
    uid: 101,
    gid: 104,
  });
  expect(chooseDatabaseUser(0, () => root + nobody)).toEqual({ name: 'nobody', uid: 65534, gid: 65533 });
});

test('never takes a user that is root under another name, nor makes one', () => {
  const passwd = 'root:x:0:0::/root:/bin/sh\npostgres:x:0:0::/:/bin/sh\n';
  expect(() => chooseDatabaseUser(0, () => passwd)).toThrow(/refuses to run as root.*DATABASE_URL/);
});

test('names the directory that a user cannot enter', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'gatehouse-owner-'));
  onTestFinished(() => rm(parent, { recursive: true }));
  await mkdir(join(parent, 'closed', 'inner'), { recursive: true });
  await chmod(parent, 0o755);
  await chmod(join(parent, 'closed'), 0o700);
  expect(await firstUnreachable(join(parent, 'closed', 'inner'), stranger)).toBe(join(parent, 'closed'));
  await chmod(join(parent, 'closed'), 0o711);
  expect(await firstUnreachable(join(parent, 'closed', 'inner'), stranger)).toBe(undefined);
});
