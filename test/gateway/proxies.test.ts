// The shipped files of examples/gateways with real proxies: what arrives at the API behind them, and what a client gets.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { useFolders } from '../support/folder.ts';
import { freePort, useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';
import { find, needs } from '../support/tools.ts';
import { createWorld, type World } from './world.ts';

const examples = join(import.meta.dirname, '..', '..', 'examples', 'gateways');
const newFolder = useFolders();
const gatehouse = useGatehouse({ settings: { FORWARD_AUTH_PROXIES: '127.0.0.1,::1' } });
const by = asOperator(operator);

const identity = [
  ...['x-auth-subject', 'x-auth-kind', 'x-auth-client', 'x-auth-key', 'x-auth-account'],
  ...['x-auth-organization', 'x-auth-owner', 'x-auth-scope', 'x-auth-roles', 'x-auth-reservation'],
];

interface Behind {
  readonly world: World;
  readonly call: (
    headers: Record<string, string>,
    more?: { method?: string; path?: string },
  ) => Promise<Response>;
  /** What the API behind the proxy was sent last; undefined when nothing arrived. */
  readonly arrived: () => IncomingHttpHeaders | undefined;
}

/** The shipped text with the addresses of this test; what is not there any more is a mistake. */
function adapted(file: string, changes: readonly (readonly [string | RegExp, string])[]): string {
  return changes.reduce(
    (text, [shipped, own]) => {
      const changed = text.replaceAll(shipped, own);
      if (changed === text) throw new Error(`${file} no longer has ${shipped}`);
      return changed;
    },
    readFileSync(join(examples, file), 'utf8'),
  );
}

interface Ports {
  readonly gateway: number;
  readonly api: number;
  readonly gatehouse: string;
  readonly audience: string;
}

function startNginx(folder: string, { gateway, api, gatehouse: server, audience }: Ports): ChildProcess {
  writeFileSync(
    join(folder, 'gateway.conf'),
    adapted('nginx/gateway.conf', [
      ['127.0.0.1:3000', server],
      ['127.0.0.1:4000', `127.0.0.1:${api}`],
      ['listen 8080;', `listen 127.0.0.1:${gateway};`],
      ['https%3A%2F%2Fnotes.example.com', encodeURIComponent(audience)],
      ['/var/log/nginx', folder],
    ]),
  );
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; ${user} worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 256; } http { ${temporary} include ${folder}/gateway.conf; }`,
  );
  return spawn(find('nginx') ?? 'nginx', ['-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
}

function startCaddy(folder: string, { gateway, api, gatehouse: server, audience }: Ports): ChildProcess {
  const shipped = adapted('caddy/Caddyfile', [
    ['127.0.0.1:3000', server],
    ['127.0.0.1:4000', `127.0.0.1:${api}`],
    ['http://:8080', `http://127.0.0.1:${gateway}`],
    ['https%3A%2F%2Fnotes.example.com', encodeURIComponent(audience)],
  ]);
  mkdirSync(join(folder, 'home'));
  const own = `{\n\tadmin off\n\tauto_https off\n}\n${shipped}`;
  writeFileSync(join(folder, 'Caddyfile'), own);
  const environment = { PATH: process.env.PATH, HOME: join(folder, 'home') };
  const words = ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
  return spawn(find('caddy') ?? 'caddy', words, { stdio: 'ignore', env: environment });
}

/** The API behind the proxy, and the proxy in front of it. */
function behind(startProxy: (folder: string, ports: Ports) => ChildProcess): Behind {
  const running: {
    world?: World;
    proxy?: ChildProcess;
    api?: Server;
    url?: string;
    last?: IncomingHttpHeaders;
  } = {};

  beforeAll(async () => {
    const world = await createWorld(gatehouse);
    running.world = world;
    const api = createServer((req, res) => {
      running.last = req.headers;
      // A refusal of the API itself is not a refusal of the gateway.
      res.writeHead(req.url?.startsWith('/own-refusal') ? 403 : 200).end('the API');
    });
    running.api = api;
    await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
    const address = api.address();
    const gateway = await freePort();
    running.proxy = startProxy(newFolder(), {
      gateway,
      api: typeof address === 'object' && address !== null ? address.port : 0,
      gatehouse: new URL(gatehouse.issuer).host.replace('localhost', '127.0.0.1'),
      audience: world.audience,
    });
    running.url = `http://127.0.0.1:${gateway}`;
    await answers(running.url, running.proxy);
  });
  afterAll(async () => {
    const { proxy, api } = running;
    api?.closeAllConnections();
    api?.close();
    if (proxy?.exitCode !== null) return;
    proxy.kill('SIGTERM');
    await new Promise((resolve) => proxy.once('exit', resolve));
  });

  return {
    get world() {
      if (running.world === undefined) throw new Error('the world is made before the tests');
      return running.world;
    },
    call(headers, { method = 'GET', path = '/notes' } = {}) {
      delete running.last;
      return fetch(`${running.url}${path}`, { headers, method });
    },
    arrived: () => running.last,
  };
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt += 1) {
    const status = await fetch(url).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 401) return;
    await delay(50);
  }
  throw new Error('the proxy does not answer');
}

const forged = Object.fromEntries(identity.map((name) => [name, 'forged']));

function guards(proxy: Behind): void {
  it('lets a key through: the API learns who it is, and nothing that a stranger says', async () => {
    const { id, secret } = await proxy.world.key();
    const response = await proxy.call({ ...forged, 'X-API-Key': secret });
    expect([response.status, await response.text()]).toEqual([200, 'the API']);
    const told = Object.fromEntries(identity.map((name) => [name, proxy.arrived()?.[name] || undefined]));
    expect(told).toEqual({
      'x-auth-subject': id,
      'x-auth-kind': 'key',
      'x-auth-client': id,
      'x-auth-key': id,
      'x-auth-account': proxy.world.ownerId,
      'x-auth-owner': `account:${proxy.world.ownerId}`,
      'x-auth-scope': 'notes:read',
    });
    expect(JSON.stringify(proxy.arrived())).not.toContain(secret);
  });

  it('lets a token through', async () => {
    const apis = [{ audience: proxy.world.audience, permissions: ['notes:read'] }];
    const app = await relyingParty(gatehouse, { kind: 'machine', apis });
    const parameters = { scope: 'notes:read', resource: proxy.world.audience };
    const { access_token } = await oauth.clientCredentialsGrant(app.config, parameters);
    const response = await proxy.call({ ...forged, Authorization: `Bearer ${access_token}` });
    expect(response.status).toBe(200);
    expect(proxy.arrived()).toMatchObject({ 'x-auth-subject': app.client.id, 'x-auth-kind': 'token' });
    expect(proxy.arrived()?.authorization).toBeUndefined();
  });

  it('refuses with 401 what is no credential, and none', async () => {
    for (const headers of [{}, { 'X-API-Key': 'gth_nothing' }, { Authorization: 'Bearer nothing' }]) {
      const response = await proxy.call({ ...forged, ...headers });
      expect([response.status, (await problemOf(response)).code]).toEqual([401, 'authentication_required']);
      expect(response.headers.get('www-authenticate')).toMatch(
        /^Bearer realm="[^"]+"(, error="invalid_token")?$/,
      );
      expect(proxy.arrived()).toBeUndefined();
    }
  });

  it('refuses with 403 what the method needs and the key does not hold', async () => {
    const { secret } = await proxy.world.key();
    const headers = { 'X-API-Key': secret, 'X-HTTP-Method-Override': 'GET' };
    const response = await proxy.call(headers, { method: 'POST' });
    expect([response.status, (await problemOf(response)).permission]).toEqual([403, 'notes:write']);
    expect(proxy.arrived()).toBeUndefined();
  });

  it('refuses with 429 and the time to wait', async () => {
    const { secret } = await proxy.world.key({ rateLimits: [{ permits: 1, per: 'hour' }] });
    const first = await proxy.call({ 'X-API-Key': secret });
    await first.text();
    const response = await proxy.call({ 'X-API-Key': secret });
    expect([response.status, (await problemOf(response)).code]).toEqual([429, 'rate_limited']);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(3500);
    expect(response.headers.get('ratelimit')).toMatch(/^"1-hour";r=0;t=\d+$/);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(proxy.arrived()).toBeUndefined();
  });

  it('refuses with 402 what is over a budget', async () => {
    const { id, secret } = await proxy.world.key();
    const budget = {
      scope: { kind: 'api-key' as const, id },
      meter: 'requests',
      window: 'day' as const,
      limit: 1,
    };
    await gatehouse.services.budgets.set(budget, operator);
    expect(await fetchStatus(proxy, secret)).toBe(200);
    const response = await proxy.call({ 'X-API-Key': secret });
    const { code, meter } = await problemOf(response);
    expect([response.status, code, meter]).toEqual([402, 'budget_exceeded', 'requests']);
    expect(proxy.arrived()).toBeUndefined();
  });

  it('refuses with 400 a key in the address, whatever else comes with it', async () => {
    const { secret } = await proxy.world.key();
    const response = await proxy.call({ 'X-API-Key': secret }, { path: `/notes?key=${secret}` });
    expect([response.status, (await problemOf(response)).code]).toEqual([400, 'credential_in_url']);
  });

  it('knows the address: a list of addresses holds, and nobody writes himself into it', async () => {
    const inside = await proxy.world.key({ allowedAddresses: ['127.0.0.1'] });
    const outside = await proxy.world.key({ allowedAddresses: ['192.0.2.0/24'] });
    expect((await proxy.call({ 'X-API-Key': inside.secret })).status).toBe(200);
    const forwarded = { 'X-API-Key': outside.secret, 'X-Forwarded-For': '192.0.2.7' };
    expect((await proxy.call(forwarded)).status).toBe(403);
  });

  it('passes on what the API itself refuses', async () => {
    const { secret } = await proxy.world.key();
    const response = await proxy.call({ 'X-API-Key': secret }, { path: '/own-refusal' });
    expect([response.status, await response.text()]).toEqual([403, 'the API']);
  });

  it('loses no call while a key is rotated with an overlap, and refuses the next after it was revoked', async () => {
    const { apiKeys } = gatehouse.services;
    const { id, secret } = await proxy.world.key();
    const statuses: number[] = [];
    let current = secret;
    const end = performance.now() + 1500;
    const traffic = Array.from({ length: 4 }, async () => {
      while (performance.now() < end) {
        const response = await fetchStatus(proxy, current);
        statuses.push(response);
      }
    });
    await delay(400);
    const rotated = await apiKeys.rotate(id, { overlapSeconds: 60 }, by);
    await delay(400);
    current = rotated.secret;
    await Promise.all(traffic);
    expect(statuses.length).toBeGreaterThan(20);
    expect(new Set(statuses)).toEqual(new Set([200]));
    await apiKeys.revoke(id, 'over', by);
    expect([await fetchStatus(proxy, current), await fetchStatus(proxy, secret)]).toEqual([401, 401]);
  });
}

async function fetchStatus(proxy: Behind, secret: string): Promise<number> {
  const response = await proxy.call({ 'X-API-Key': secret });
  await response.text();
  return response.status;
}

describe.skipIf(needs('nginx'))('nginx', () => {
  guards(behind(startNginx));
});

// No tool of CI: its file is checked wherever Caddy is at hand.
describe.skipIf(needs('caddy'))('Caddy', () => {
  guards(behind(startCaddy));
});

describe('the files for gateways', () => {
  const files = readdirSync(examples, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.\w+$|file$/.test(name),
  );

  it.each(files)('%s names every identity header where it takes them away from strangers', (name) => {
    const text = readFileSync(join(examples, name), 'utf8').toLowerCase();
    if (text.includes('request_header -x-auth-*')) return;
    const taken = { nginx: 'proxy_set_header ', traefik: '', envoy: 'remove: ' }[name.split('/')[0] ?? ''];
    const missing = identity.filter((header) => !text.includes(`${taken}${header}`));
    expect(missing).toEqual([]);
  });

  it.each(files.filter((name) => name.endsWith('.yaml')))('%s is YAML', (name) => {
    const program = 'import sys, yaml; yaml.safe_load(open(sys.argv[1]))';
    try {
      execFileSync('python3', ['-c', 'import yaml'], { stdio: 'ignore' });
    } catch {
      return;
    }
    execFileSync('python3', ['-c', program, join(examples, name)]);
  });
});

async function problemOf(response: Response): Promise<{ code: string; permission?: string; meter?: string }> {
  return response.json() as Promise<{ code: string }>;
}
