// The story of a machine: its key calls the example API through a real nginx, by itself and by tokens made from it.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startApi } from '../../examples/api/api.ts';
import type { Running } from '../../examples/support/serve.ts';
import { useFolders } from '../support/folder.ts';
import { freePort, useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson } from '../support/people.ts';
import { find, needs } from '../support/tools.ts';
import { byOperator, createKey, tokenForKey } from './machines.ts';

const SHIPPED = join(import.meta.dirname, '..', '..', 'examples', 'gateways', 'nginx', 'gateway.conf');
const newFolder = useFolders();
const gatehouse = useGatehouse({ settings: { FORWARD_AUTH_PROXIES: '127.0.0.1,::1' } });

describe.skipIf(needs('nginx'))('a machine with a key, behind nginx', () => {
  const world: { nginx?: ChildProcess; api?: Running; url: string; ownerId: string } = {
    url: '',
    ownerId: '',
  };
  const audience = 'https://notes.example.com';
  const apiKeys = () => gatehouse.services.apiKeys;

  beforeAll(async () => {
    await createApi(gatehouse.services, { audience });
    world.ownerId = (await createPerson(gatehouse.services)).id;
    world.api = await startApi({ issuer: gatehouse.issuer, audience, port: 0, isBehindGateway: true });
    const port = await freePort();
    world.nginx = startNginx(newFolder(), port, world.api.port);
    world.url = `http://127.0.0.1:${port}/notes`;
    await vi.waitFor(async () => expect(await fetch(world.url).then(statusOf)).toBe(401), {
      timeout: 10_000,
    });
  });
  afterAll(async () => {
    await world.api?.stop();
    if (world.nginx?.exitCode !== null) return;
    world.nginx.kill('SIGTERM');
    await new Promise((resolve) => world.nginx?.once('exit', resolve));
  });

  it('calls with the key and with a token from it, loses nothing when it is rotated, and ends when it is revoked', async () => {
    const { id, secret } = await newKey();
    const begun = { secret, token: await tokenOf(secret) };
    expect(await notesBy({ 'X-API-Key': secret })).toEqual(['Welcome to your notes.']);
    expect(await write({ 'X-API-Key': secret }, 'written with the key')).toBe(201);
    expect(await notesBy(bearer(begun.token))).toContain('written with the key');

    const now = { ...begun };
    const traffic = inTraffic(now);
    await delay(500);
    const rotated = await apiKeys().rotate(id, { overlapSeconds: 60 }, byOperator);
    // The old one works on while the new one is handed out, and so does its token.
    await delay(500);
    now.secret = rotated.secret;
    now.token = await tokenOf(now.secret);
    await delay(500);
    const { statuses } = await traffic.end();
    expect(statuses.length).toBeGreaterThan(30);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect([await callBy({ 'X-API-Key': secret }), await callBy(bearer(begun.token))]).toEqual([200, 200]);

    await apiKeys().revoke(id, 'the story is over', byOperator);
    const keys = [secret, now.secret].map((key) => ({ 'X-API-Key': key }));
    const tokens = [begun.token, now.token].map(bearer);
    expect(await Promise.all([...keys, ...tokens].map(callBy))).toEqual([401, 401, 401, 401]);
    expect((await tokenForKey(gatehouse.issuer, now.secret)).status).toBe(401);
  });

  it('ends at once for the old secret that is rotated with no overlap, and for its tokens alone', async () => {
    const { id, secret } = await newKey();
    const token = await tokenOf(secret);
    const other = await newKey();
    const rotated = await apiKeys().rotate(id, { overlapSeconds: 0 }, byOperator);
    expect(await Promise.all([{ 'X-API-Key': secret }, bearer(token)].map(callBy))).toEqual([401, 401]);
    const good = [rotated.secret, other.secret].map((key) => ({ 'X-API-Key': key }));
    expect(await Promise.all(good.map(callBy))).toEqual([200, 200]);
  });

  it('may do no more by its token than by itself', async () => {
    const { secret } = await newKey(['notes:read']);
    const token = await tokenOf(secret);
    expect(await write({ 'X-API-Key': secret }, 'x')).toBe(403);
    expect(await write(bearer(token), 'x')).toBe(403);
  });

  async function newKey(
    permissions = ['notes:read', 'notes:write'],
  ): Promise<{ id: string; secret: string }> {
    const owner = { kind: 'account' as const, id: world.ownerId };
    const { key, secret } = await createKey(gatehouse, { owner, permissions, apis: [audience] });
    return { id: key.id, secret };
  }

  async function tokenOf(secret: string): Promise<string> {
    const { body } = await tokenForKey(gatehouse.issuer, secret);
    return String(body.access_token);
  }

  const callBy = (headers: Record<string, string>) => fetch(world.url, { headers }).then(statusOf);

  async function notesBy(headers: Record<string, string>): Promise<string[]> {
    const response = await fetch(world.url, { headers });
    expect(response.status).toBe(200);
    return ((await response.json()) as { notes: string[] }).notes;
  }

  const write = (headers: Record<string, string>, body: string) =>
    fetch(world.url, { method: 'POST', headers, body }).then(statusOf);

  /** Calls without a pause, by turns with the key and with the token that are there at the moment. */
  function inTraffic(now: { secret: string; token: string }) {
    const statuses: number[] = [];
    let isOver = false;
    const caller = async () => {
      for (let turn = 0; !isOver; turn += 1) {
        statuses.push(await callBy(turn % 2 === 0 ? { 'X-API-Key': now.secret } : bearer(now.token)));
      }
    };
    const callers = Promise.all([caller(), caller(), caller()]);
    return {
      async end() {
        isOver = true;
        await callers;
        return { statuses };
      },
    };
  }

  /** The shipped file with the addresses of this test. */
  function startNginx(folder: string, port: number, apiPort: number): ChildProcess {
    const changes = [
      ['127.0.0.1:3000', new URL(gatehouse.issuer).host.replace('localhost', '127.0.0.1')],
      ['127.0.0.1:4000', `127.0.0.1:${apiPort}`],
      ['listen 8080;', `listen 127.0.0.1:${port};`],
      ['/var/log/nginx', folder],
    ] as const;
    const text = changes.reduce(
      (shipped, [from, to]) => {
        expect(shipped).toContain(from);
        return shipped.replaceAll(from, to);
      },
      readFileSync(SHIPPED, 'utf8'),
    );
    writeFileSync(join(folder, 'gateway.conf'), text);
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
});

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

async function statusOf(response: Response): Promise<number> {
  await response.arrayBuffer();
  return response.status;
}
