// The master key is rotated under a running server: nobody is signed out, nothing is lost when it dies in the middle.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as oauth from 'openid-client';
import { afterEach, describe, expect, it } from 'vitest';
import { openVault } from '../../src/platform/secrets/open-vault.ts';
import { createVault, sealedUnder } from '../../src/platform/secrets/vault.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices } from '../../src/services.ts';
import { childEnvironment } from '../support/child.ts';
import { useDatabase } from '../support/database.ts';
import { useFolders } from '../support/folder.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from '../support/gatehouse.ts';
import { createClient, createPerson, signInAt } from '../support/people.ts';

const execute = promisify(execFile);
const folder = useFolders();
const servers: ServerProcess[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.end('SIGKILL')));
});

async function world(databaseUrl: string) {
  const port = String(await freePort());
  const keysDirectory = join(folder(), 'keys');
  const environment = {
    PORT: port,
    ISSUER: `http://localhost:${port}`,
    DATABASE_URL: databaseUrl,
    KEYS_DIRECTORY: keysDirectory,
  };
  return {
    environment,
    keysDirectory,
    async serve() {
      const server = await spawnServer(environment);
      servers.push(server);
      return server;
    },
    async command(...words: string[]) {
      const env = { ...childEnvironment, ...environment };
      const { stdout } = await execute(process.execPath, ['src/cli.ts', ...words, '--json'], { env });
      return JSON.parse(stdout);
    },
  };
}

describe('a rotation of the master key', () => {
  const database = useDatabase();

  it('signs nobody out, shows its progress, ends with the old key set aside, and never logs a key', async () => {
    const here = await world(database.databaseUrl());
    const server = await here.serve();
    const config = testConfig(here.environment);
    const services = await createServices(config, { postgres: database.postgres, log: silentLog });
    const person = await createPerson(services);
    const { client, secret } = await createClient(services, { scopes: ['openid'] });
    const app = await oauth.discovery(new URL(server.issuer), client.id, secret, undefined, {
      execute: [oauth.allowInsecureRequests],
    });
    const verifier = oauth.randomPKCECodeVerifier();
    const begin = async (more: Record<string, string> = {}) =>
      oauth.buildAuthorizationUrl(app, {
        redirect_uri: 'https://app.example.com/callback',
        scope: 'openid',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...more,
      }).href;
    const { browser } = await signInAt(await begin(), person);

    const old = services.vault.keyId;
    const made = await here.command('master-key', 'rotate');
    await expect
      .poll(async () => (await services.masterKey.status()).nodes.map(({ held }) => held), { timeout: 5_000 })
      .toEqual([expect.arrayContaining([made.id])]);
    await here.command('master-key', 'activate');
    await expect.poll(async () => (await services.masterKey.status()).waiting, { timeout: 30_000 }).toBe(0);
    await here.command('master-key', 'retire', old, '--yes');
    await server.end();
    const restarted = await here.serve();

    const { url } = await browser.open(await begin({ prompt: 'none' }));
    const tokens = await oauth.authorizationCodeGrant(app, new URL(url), { pkceCodeVerifier: verifier });
    expect(tokens.claims()?.sub).toBe(person.id);
    const { keys } = await here.command('master-key', 'status');
    expect(keys.map(({ id, state }: { id: string; state: string }) => [id, state])).toEqual([
      [made.id, 'current'],
      [old, 'retired'],
    ]);
    const output = server.output() + restarted.output();
    for (const file of [made.file, join(here.keysDirectory, 'master.key.retired')]) {
      expect(output).not.toContain(readFileSync(file, 'utf8').trim());
    }
  }, 120_000);
});

describe('a server that is killed while it brings values under a new master key', () => {
  const database = useDatabase();
  const ROWS = 6_000;

  it('loses none, and the next one goes on where it was', async () => {
    const { db } = database;
    const here = await world(database.databaseUrl());
    const vault = await openVault(db, { masterKey: undefined, keysDirectory: here.keysDirectory });
    const plain = new Map(Array.from({ length: ROWS }, (_, n) => [`test-${n}`, randomBytes(32)]));
    const rows = [...plain].map(([name, value]) => ({
      name,
      sealed: vault.seal(value, `server_secrets.sealed:${name}`),
    }));
    await db.batchInsert('server_secrets', rows, 1000);
    const { file } = await here.command('master-key', 'rotate');
    const { id } = await here.command('master-key', 'activate');
    const left = async () =>
      Number(
        (
          await db('server_secrets')
            .whereRaw(UNDER_ANOTHER, [Buffer.from(id, 'hex')])
            .count('name as n')
        )[0]?.n,
      );

    const first = await here.serve();
    await expect.poll(left, { timeout: 20_000, interval: 5 }).toBeLessThan(ROWS);
    first.child.kill('SIGKILL');
    await first.end('SIGKILL');
    const halfway = await left();
    expect(halfway).toBeGreaterThan(0);
    expect(await opened()).toEqual(plain);

    // The claim of the dead server runs out after a minute; here at once.
    await db('jobs').update({ running_until: null, next_run_at: new Date(0) });
    await here.serve();
    await expect.poll(left, { timeout: 30_000 }).toBe(0);
    const onlyNew = createVault(Buffer.from(readFileSync(file, 'utf8'), 'base64'));
    expect(await opened(onlyNew)).toEqual(plain);

    async function opened(by = vault): Promise<Map<string, Buffer>> {
      const stored: { name: string; sealed: Buffer }[] = await db('server_secrets')
        .where('name', 'like', 'test-%')
        .select('name', 'sealed');
      expect(stored.every(({ sealed }) => sealedUnder(sealed) !== undefined)).toBe(true);
      const byName = new Map(
        stored.map(({ name, sealed }) => [name, by.open(sealed, `server_secrets.sealed:${name}`)]),
      );
      return new Map([...plain.keys()].map((name) => [name, byName.get(name) ?? Buffer.alloc(0)]));
    }
  }, 120_000);
});

const UNDER_ANOTHER = `name like 'test-%' and substring(sealed from 2 for 8) <> ?`;
