// A server for one person: an owner and a key from the first start on, and the way to a server for many.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { childEnvironment } from '../support/child.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { type ServerProcess, spawnServer } from '../support/gatehouse.ts';

const database = useDatabase();
const keys = join(useFolders()(), 'keys');

const KEY = /gth_\w{26}_\w{38}/g;

type Mode = 'single_user' | 'multi_user';

const settings = (mode: Mode) => ({
  AUTH_MODE: mode,
  DATABASE_URL: database.databaseUrl(),
  KEYS_DIRECTORY: keys,
});

const start = (mode: Mode): Promise<ServerProcess> => spawnServer({ ...settings(mode), LOG_LEVEL: 'debug' });

const ask = (server: ServerProcess, path: string, headers: Record<string, string>) =>
  fetch(`${server.issuer}/api/v1${path}`, { headers });

async function printed(server: ServerProcess, pattern: RegExp): Promise<string[]> {
  await expect.poll(() => server.output()).toMatch(/Gatehouse is ready/);
  await delay(500);
  return server.output().match(pattern) ?? [];
}

describe('C1: AUTH_MODE=single_user', () => {
  it('C1: prints an owner key once that works at once, and keeps owner and key in multi_user', async () => {
    const first = await start('single_user');
    const [key, ...more] = await printed(first, KEY);
    expect(key).toBeDefined();
    expect(more).toEqual([]);
    expect(first.output()).not.toContain('/setup?token=');
    expect(first.output()).toMatch(/has the key: `gatehouse owner-key renew` makes a new one/);
    const headers = { 'X-API-Key': key ?? '' };
    const me = await (await ask(first, '/me', headers)).json();
    expect(me).toMatchObject({ id: expect.stringMatching(/^acc_/) });
    expect((await ask(first, '/accounts', headers)).status).toBe(200);
    await first.end();

    const again = await start('single_user');
    expect(await printed(again, KEY)).toEqual([]);
    expect((await ask(again, '/me', headers)).status).toBe(200);
    await again.end();

    const many = await start('multi_user');
    expect(await printed(many, KEY)).toEqual([]);
    expect(many.output()).not.toContain('/setup?token=');
    expect(await (await ask(many, '/me', headers)).json()).toEqual(me);
    await many.end();
  });

  it('refuses a key that is wrong in its secret, unknown, misspelt, or sent beside a token', async () => {
    const { rows } = await database.postgres.db.raw('select id from api_keys');
    const id = String(rows[0].id).slice('key_'.length);
    const { newApiKey } = await import('../../src/lib/api-key-format.ts');
    const { newId } = await import('../../src/lib/ids.ts');
    const server = await start('single_user');
    try {
      for (const headers of [
        { 'X-API-Key': newApiKey(`key_${id}` as ReturnType<typeof newId<'key'>>) },
        { 'X-API-Key': newApiKey(newId('key')) },
        { 'X-API-Key': 'gth_nonsense' },
        { 'X-API-Key': '' },
        { 'X-API-Key': newApiKey(newId('key')), Authorization: 'Bearer x' },
      ]) {
        expect((await ask(server, '/me', headers)).status).toBe(401);
      }
    } finally {
      await server.end();
    }
  });

  it('lets the doctor know whether the printed key is still in use', async () => {
    const { storedFacts } = await import('../../src/doctor/store.ts');
    const hasPrintedKey = async () => (await storedFacts(database.db)).hasPrintedKey;
    expect(await hasPrintedKey()).toBe(true);
    const env = { ...childEnvironment, ...settings('single_user') };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['src/cli.ts', 'owner-key', 'renew', '--yes'],
      { env },
    );
    expect(stdout).toMatch(KEY);
    expect(await hasPrintedKey()).toBe(false);
  });

  it('stores no key in clear', async () => {
    const { rows } = await database.postgres.db.raw('select k::text as row from api_keys k');
    expect(rows).toHaveLength(2);
    expect(rows[0].row).not.toMatch(/gth_/);
  });
});
