// The database goes away in mid-request: fast 503 with Retry-After, nothing half written, and recovery by itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { createBrowser } from '../support/browser.ts';
import { useDatabase } from '../support/database.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from '../support/gatehouse.ts';
import { createApi, createClient, createPerson, password, signInAt } from '../support/people.ts';
import { wrongWith } from './bad-input.ts';

/** A wire to the database that can be cut (nobody listens) or blocked (nothing comes back). */
interface Wire {
  readonly url: string;
  cut(): void;
  block(): void;
  mend(): Promise<void>;
  close(): void;
}

async function layWire(databaseUrl: string): Promise<Wire> {
  const url = new URL(databaseUrl);
  const socketFolder = url.searchParams.get('host') ?? (url.hostname === '' ? '/tmp' : undefined);
  const targetPort = Number(url.port || 5432);
  const port = await freePort();
  const ends = new Set<Socket>();
  let blocked = false;
  const begin = (near: Socket) => {
    const far = socketFolder
      ? connect(join(socketFolder, `.s.PGSQL.${targetPort}`))
      : connect(targetPort, url.hostname);
    for (const end of [near, far]) {
      ends.add(end);
      end.on('error', () => end.destroy());
      end.on('close', () => ends.delete(end));
    }
    near.on('data', (data) => blocked || far.write(data));
    far.on('data', (data) => blocked || near.write(data));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  };
  const running: { server?: Server } = {};
  const mend = async () => {
    blocked = false;
    if (running.server) return;
    const server = createServer(begin);
    running.server = server;
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  };
  const cut = () => {
    running.server?.close();
    delete running.server;
    for (const end of ends) end.destroy();
  };
  await mend();
  const near = new URL(url);
  near.searchParams.delete('host');
  near.hostname = '127.0.0.1';
  near.port = String(port);
  return {
    url: near.href,
    cut,
    mend,
    block: () => {
      blocked = true;
    },
    close: cut,
  };
}

describe('a database that goes away', () => {
  const database = useDatabase();
  const world: { wire?: Wire; server?: ServerProcess; services?: Services; keys?: string } = {};
  const party = { id: '', secret: '', audience: '' };
  const issuer = () => world.server?.issuer ?? '';

  beforeAll(async () => {
    world.keys = await mkdtemp(join(tmpdir(), 'gatehouse-keys-'));
    world.wire = await layWire(database.databaseUrl());
    const environment = {
      PORT: String(await freePort()),
      KEYS_DIRECTORY: join(world.keys, 'keys'),
      DATABASE_STATEMENT_TIMEOUT_SECONDS: '3',
    };
    world.server = await spawnServer({ ...environment, DATABASE_URL: world.wire.url });
    const config = testConfig({ ...environment, DATABASE_URL: database.databaseUrl() });
    world.services = await createServices(config, { postgres: database.postgres, log: silentLog });
    const api = await createApi(world.services);
    const { client, secret } = await createClient(world.services, {
      grantTypes: ['authorization_code', 'client_credentials'],
      authMethod: 'client_secret_post',
      scopes: ['openid'],
      apis: [{ audience: api.audience, permissions: ['*'] }],
    });
    Object.assign(party, { id: client.id, secret, audience: api.audience });
    await delay(1200);
  }, 60_000);
  afterAll(async () => {
    await world.wire?.mend();
    await world.server?.end();
    world.wire?.close();
    await world.services?.audit.stop();
    await world.services?.changes.stop();
    if (world.keys) await rm(world.keys, { recursive: true, force: true });
  }, 60_000);

  const tokenRequest = () =>
    fetch(`${issuer()}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: party.id,
        client_secret: party.secret,
        resource: party.audience,
      }),
    });
  const authorizeUrl = () =>
    `${issuer()}/authorize?${new URLSearchParams({
      client_id: party.id,
      redirect_uri: 'https://app.example.com/callback',
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    })}`;
  const authorize = () => fetch(authorizeUrl(), { headers: { accept: 'text/html' }, redirect: 'manual' });
  const timed = async (request: Promise<Response>) => {
    const from = performance.now();
    const response = await request;
    return { response, milliseconds: performance.now() - from };
  };
  const untilWell = async () => {
    for (let attempt = 0; attempt < 100; attempt += 1) {
      if ((await tokenRequest()).status === 200) return;
      await delay(100);
    }
    throw new Error('the server did not recover');
  };

  it('is said at once and in the shape of each caller, and is over by itself', async () => {
    expect((await tokenRequest()).status).toBe(200);
    world.wire?.cut();
    const requests = [
      tokenRequest(),
      authorize(),
      fetch(`${issuer()}/device`, { headers: { accept: 'text/html' } }),
    ];
    for (const { response, milliseconds } of await Promise.all(requests.map(timed))) {
      expect(response.status, response.url).toBe(503);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(milliseconds).toBeLessThan(2000);
      const text = await response.clone().text();
      expect(text).not.toMatch(/ECONN|\bat \S+ \(|node_modules|postgres/i);
      expect(await wrongWith(response, response.url)).toMatch(/: 503, a failure of ours: /);
    }
    expect((await fetch(`${issuer()}/healthz`)).status).toBe(200);
    expect((await fetch(`${issuer()}/readyz`)).status).toBe(503);
    await world.wire?.mend();
    await untilWell();
    // What readiness last saw is answered for a second more.
    await expect.poll(async () => (await fetch(`${issuer()}/readyz`)).status, { timeout: 3000 }).toBe(200);
    expect(world.server?.child.exitCode).toBeNull();
  });

  it('leaves nothing half written when it is cut in the middle of sign-ins', async () => {
    const { services } = world;
    if (!services) throw new Error('there are no services');
    const person = await createPerson(services);
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const browser = createBrowser(issuer());
        await delay(index * 15);
        try {
          return (await signInAt(authorizeUrl(), person, browser)).landed.url;
        } catch (error) {
          return String(error);
        } finally {
          if (index === 5) world.wire?.cut();
        }
      }),
    );
    expect(outcomes.length).toBe(12);
    await world.wire?.mend();
    await untilWell();

    const granted = await database.db('audit_events').where({ type: 'consent.granted' });
    const consents = await database.db('consents').where({ account_id: person.id });
    expect(consents.length).toBe(Math.min(1, granted.length));
    const after = await signInAt(authorizeUrl(), person);
    expect(after.landed.url).toContain('code=');
  });

  it('is said in time when it is there but does not answer', async () => {
    world.wire?.block();
    const { response, milliseconds } = await timed(authorize());
    expect(response.status).toBe(503);
    expect(milliseconds).toBeLessThan(9000);
    world.wire?.cut();
    await world.wire?.mend();
    await untilWell();
  });

  it('does not lose the password of whoever signs in next', async () => {
    const { services } = world;
    if (!services) throw new Error('there are no services');
    const person = await createPerson(services);
    const browser = createBrowser(issuer());
    const page = await browser.open(authorizeUrl());
    world.wire?.cut();
    const failed = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
    expect(failed.status).toBe(503);
    expect(failed.html).toContain('database_unavailable');
    await world.wire?.mend();
    await untilWell();
    const again = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
    expect(again.forms.some((form) => form.action.endsWith('/consent'))).toBe(true);
  });
});
