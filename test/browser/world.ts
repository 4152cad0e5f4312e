// A real server process with a relying-party page on another origin, for the tests in a browser.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import type { Client } from '../../src/clients/clients.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';
import { createServices, type Services } from '../../src/services.ts';
import { useDatabase } from '../support/database.ts';
import { freePort, type ServerProcess, spawnServer, testConfig } from '../support/gatehouse.ts';
import { createApi, createClient, createPerson } from '../support/people.ts';

export const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

export interface World {
  readonly issuer: string;
  /** Origin of the relying party. */
  readonly party: string;
  readonly app: Client;
  readonly person: Account;
  readonly other: Account;
  readonly services: Services;
  readonly server: ServerProcess;
  /** The address that an app sends the browser to. */
  authorizeUrl(params?: Record<string, string>): string;
  /** What a device shows. */
  deviceCode(): Promise<{ userCode: string; verificationUri: string; complete: string }>;
}

/** Call it at the top of a `describe`; everything is there when tests run. */
export function useWorld(settings: Record<string, string> = {}): () => World {
  const database = useDatabase();
  const running: { world?: World; end?: () => Promise<void> } = {};

  beforeAll(async () => {
    const keys = await mkdtemp(join(tmpdir(), 'gatehouse-keys-'));
    const port = String(await freePort());
    const environment = {
      PORT: port,
      DATABASE_URL: database.databaseUrl(),
      KEYS_DIRECTORY: join(keys, 'keys'),
      ...settings,
    };
    const server = await spawnServer(environment);
    const services = await createServices(testConfig(environment), {
      postgres: database.postgres,
      log: silentLog,
    });
    const party = await startParty();
    running.world = await populate(server, services, party.origin);
    running.end = async () => {
      await server.end();
      await party.stop();
      await services.audit.stop();
      await services.changes.stop();
      await rm(keys, { recursive: true, force: true });
    };
  }, 60_000);
  afterAll(async () => running.end?.());

  return () => {
    if (!running.world) throw new Error('the world exists only while tests run');
    return running.world;
  };
}

async function populate(server: ServerProcess, services: Services, party: string): Promise<World> {
  const { issuer } = server;
  const person = await createPerson(services, { email: 'ada.lovelace@example.com' });
  const other = await createPerson(services, { email: 'grace@example.com' });
  const api = await createApi(services, { audience: 'https://notes.example.com/api' });
  const { client: app } = await createClient(services, {
    name: 'Harbour Notes',
    kind: 'native',
    redirectUris: [`${party}/callback`],
    postLogoutRedirectUris: [`${party}/bye`],
    clientUri: 'https://harbour.example.com/',
    policyUri: 'https://harbour.example.com/privacy',
    tosUri: 'https://harbour.example.com/terms',
    grantTypes: ['authorization_code', 'refresh_token', DEVICE_CODE],
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    apis: [{ audience: api.audience, permissions: ['*'] }],
  });
  const base = {
    client_id: app.id,
    redirect_uri: `${party}/callback`,
    response_type: 'code',
    scope: 'openid profile email offline_access notes:read notes:write',
    resource: api.audience,
    state: 's1',
    prompt: 'consent',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  };
  const world: World = {
    issuer,
    party,
    app,
    person,
    other,
    services,
    server,
    authorizeUrl: (params = {}) => `${issuer}/authorize?${new URLSearchParams({ ...base, ...params })}`,
    async deviceCode() {
      const response = await fetch(`${issuer}/device/authorize`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: app.id, scope: 'openid email' }),
      });
      const answer = (await response.json()) as Record<
        'user_code' | 'verification_uri' | 'verification_uri_complete',
        string
      >;
      return {
        userCode: answer.user_code,
        verificationUri: answer.verification_uri,
        complete: answer.verification_uri_complete,
      };
    },
  };
  await untilKnown(world.authorizeUrl());
  return world;
}

/** The server process learns of a new API at its next look for changes. */
async function untilKnown(authorizeUrl: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const { headers } = await fetch(authorizeUrl, { redirect: 'manual' });
    if (headers.get('location')?.includes('/interaction/')) return;
    await delay(100);
  }
  throw new Error('the server does not know what was registered');
}

/** 127.0.0.1 and not localhost: the browser must see another origin than the issuer's. */
async function startParty(): Promise<{ origin: string; stop(): Promise<void> }> {
  const server: Server = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>App</title><h1>app</h1><p>${request.method}</p>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
