// kill -9 in the middle of logins: nothing that was acknowledged is lost, and nothing that was used up comes back.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { openServices } from '../../src/open-services.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { useCluster } from '../support/cluster.ts';
import { useFolders } from '../support/folder.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from '../support/gatehouse.ts';
import { createApi, createPerson } from '../support/people.ts';
import { type Acknowledged, exchange, refresh, startBusyLogins } from './busy-logins.ts';
import { type RelyingParty, relyingParty } from './relying-party.ts';

const LOOPS = 8;
const KILLS = 2;

const offline = { scope: 'openid offline_access', prompt: 'consent' };
const started: ServerProcess[] = [];
afterAll(() => Promise.all(started.map((server) => server.end('SIGKILL'))));

describe('kill -9 of the server in the middle of logins', () => {
  const cluster = useCluster({ size: 1 });

  it('loses nothing acknowledged and brings nothing used up back', { timeout: 90_000 }, async () => {
    const { services, issuer } = cluster;
    const people = await Promise.all(Array.from({ length: 8 }, () => createPerson(services)));
    const app = await relyingParty(cluster, {});
    const { audience } = await createApi(services);
    await delay(1_200);
    const machine = await relyingParty(cluster, {
      kind: 'machine',
      apis: [{ audience, permissions: ['*'] }],
    });

    const logins = startBusyLogins(issuer, { people, loops: LOOPS, app, machine });
    let server = cluster.processes[0];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const { length } = logins.seen.issued;
      // In full swing again, however slow this machine is.
      await expect.poll(() => logins.seen.issued.length, { timeout: 20_000 }).toBeGreaterThan(length + 8);
      await delay(Math.random() * 1_000);
      await server?.end('SIGKILL');
      server = await restart(cluster.environment());
    }
    await delay(500);
    await logins.stop();
    const { seen } = logins;

    expect(seen.wrong).toEqual([]);
    expect(seen.cutOff).toBeGreaterThan(0);
    expect(seen.issued.length).toBeGreaterThan(KILLS * 8);
    await everyTokenIsInTheLedger(seen);
    await everySessionIsSignedIn(seen, app);
    await everyCurrentTokenWorks(seen, app);
    await noCodeGaveTokensTwice();
    await nothingUsedUpComesBack(seen, app);
  });

  async function everyTokenIsInTheLedger(seen: Acknowledged): Promise<void> {
    const rows: { target_id: string | null; token_id: string | null }[] = await cluster.database
      .db('audit_events')
      .whereIn('type', ['token.issued', 'token.refreshed'])
      .select('target_id', cluster.database.db.raw(`details->>'tokenId' as token_id`));
    const known = new Set(rows.map((row) => row.target_id ?? row.token_id));
    const tokens = seen.issued.flatMap(({ refreshToken, accessToken }) => [refreshToken, accessToken]);
    const missing = [...tokens.map(shortHash), ...seen.jwts].filter((target) => !known.has(target));
    expect(missing).toEqual([]);
  }

  async function everySessionIsSignedIn(seen: Acknowledged, app: RelyingParty): Promise<void> {
    for (const cookies of seen.sessions) {
      const { url } = await app.begin({ prompt: 'none', scope: 'openid' });
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const answer = await fetch(url, { headers: { cookie }, redirect: 'manual' });
      expect(answer.headers.get('location')).toMatch(/[?&]code=/);
    }
  }

  async function everyCurrentTokenWorks(seen: Acknowledged, app: RelyingParty): Promise<void> {
    for (const token of seen.current) expect((await refresh(cluster.issuer, app, token)).status).toBe(200);
  }

  async function noCodeGaveTokensTwice(): Promise<void> {
    // A grant belongs to one browser here, and each browser signed in once.
    const twice = await cluster.database
      .db('audit_events')
      .where({ type: 'token.issued', target_kind: 'refresh_token' })
      .groupByRaw(`details->>'grantId'`)
      .havingRaw('count(*) > 1')
      .select(cluster.database.db.raw('count(*)'));
    expect(twice).toEqual([]);
  }

  async function nothingUsedUpComesBack(seen: Acknowledged, app: RelyingParty): Promise<void> {
    for (const token of seen.rotated) {
      expect((await refresh(cluster.issuer, app, token)).body.error).toBe('invalid_grant');
    }
    for (const { code, begun } of seen.usedCodes) {
      expect((await exchange(cluster.issuer, app, code, begun)).body.error).toBe('invalid_grant');
    }
  }
});

describe('kill -9 of a server with its own database', () => {
  const newFolder = useFolders();

  it('leaves the database to the next start, with everything in it', { timeout: 60_000 }, async () => {
    const folder = newFolder();
    const environment = {
      PORT: String(await freePort()),
      DATA_DIRECTORY: join(folder, 'data'),
      KEYS_DIRECTORY: join(folder, 'keys'),
    };
    const killed = await restart(environment);
    // As a command does it: joins the database of the running server.
    const joined = await openServices(testConfig(environment), { role: 'command', log: silentLog });
    const server = { issuer: killed.issuer, services: joined.services };
    const app = await relyingParty(server);
    const person = await createPerson(server.services);
    const { tokens, begun, landed } = await app.signIn(person, offline);
    await joined.close();
    const database = await postmaster(environment.DATA_DIRECTORY);
    const { issuer } = killed;

    await killed.end('SIGKILL');
    expect(isAlive(database)).toBe(true);
    const next = await restart(environment);
    expect(await postmaster(environment.DATA_DIRECTORY)).toBe(database);
    const again = await refresh(issuer, app, tokens.refresh_token ?? '');
    expect(again.status).toBe(200);
    const code = new URL(landed.url).searchParams.get('code') ?? '';
    expect((await exchange(issuer, app, code, begun)).body.error).toBe('invalid_grant');

    await next.end('SIGTERM');
    // A database that stopped as it should leaves no pid file.
    await expect(postmaster(environment.DATA_DIRECTORY)).rejects.toThrow('ENOENT');
  });
});

async function restart(environment: Record<string, string>): Promise<ServerProcess> {
  const port = environment.PORT ?? new URL(environment.ISSUER ?? '').port;
  const server = await spawnServer({ ...environment, PORT: port });
  started.push(server);
  return server;
}

/** As the ledger names an opaque token. */
function shortHash(token: string): string {
  return createHash('sha256').update(token).digest().subarray(0, 12).toString('base64url');
}

async function postmaster(dataDirectory: string): Promise<number> {
  const lines = (await readFile(join(dataDirectory, 'postgres', 'postmaster.pid'), 'utf8')).split('\n');
  return Number(lines[0]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
