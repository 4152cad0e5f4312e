// The master key: made once, read by every process, refused when others could read it or it has another length.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadMasterKey } from '../../../src/platform/secrets/master-key.ts';

let root: string;
let keysDirectory: string;
const load = (masterKey?: string) => loadMasterKey({ masterKey, keysDirectory });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gatehouse-keys-'));
  keysDirectory = join(root, 'keys');
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('loadMasterKey', () => {
  it('makes a key at first start that only its owner can read, and reads it from then on', async () => {
    const made = await load();
    expect(made).toHaveLength(32);
    expect((await stat(join(keysDirectory, 'master.key'))).mode & 0o777).toBe(0o600);
    expect((await stat(keysDirectory)).mode & 0o777).toBe(0o700);
    expect((await load()).equals(made)).toBe(true);
  });

  it('leaves a directory that was there before as it is', async () => {
    await mkdir(keysDirectory, { mode: 0o755 });
    await load();

    expect((await stat(keysDirectory)).mode & 0o777).toBe(0o755);
  });

  it('gives every one of many processes that start together the same key, and leaves no draft behind', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => load()));
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
    expect(await readdir(keysDirectory)).toEqual(['master.key']);
  });

  it('refuses a file that the group or others can read, and says the remedy', async () => {
    await load();
    const file = join(keysDirectory, 'master.key');
    for (const mode of [0o640, 0o604, 0o660]) {
      await chmod(file, mode);
      await expect(load()).rejects.toThrow(`chmod 600 ${file}`);
    }
  });

  it('refuses a file of another length and never replaces it', async () => {
    await load();
    const file = join(keysDirectory, 'master.key');
    for (const content of [
      '',
      'short',
      randomBytes(31).toString('base64'),
      randomBytes(33).toString('hex'),
    ]) {
      await writeFile(file, content);
      await expect(load()).rejects.toThrow('not 32 bytes');
    }
  });

  it('takes the key from the setting in base64, base64url or hex without touching the directory', async () => {
    const key = randomBytes(32);
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      expect((await load(`${key.toString(encoding)}\n`)).equals(key)).toBe(true);
    }
    await expect(stat(keysDirectory)).rejects.toThrow('ENOENT');
  });

  it.each([
    '',
    'password',
    randomBytes(16).toString('hex'),
    randomBytes(64).toString('base64'),
    '!'.repeat(43),
  ])('refuses the setting %j without repeating it', async (value) => {
    const refused = await load(value).catch((error: unknown) => String(error));
    expect(refused).toContain('not 32 bytes');
    if (value !== '') expect(refused).not.toContain(value);
  });

  it('says what to do when the directory cannot be made', async () => {
    await writeFile(join(root, 'file'), '');
    const refused = loadMasterKey({ masterKey: undefined, keysDirectory: join(root, 'file', 'keys') });
    await expect(refused).rejects.toThrow(/master key/);
  });
});
