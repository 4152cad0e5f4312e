// Every example in a process of its own against a running server, with a browser where it wants one.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { staleDiffs } from '../../scripts/example-diffs.ts';
import type { NewClient } from '../../src/clients/clients.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { childEnvironment } from '../support/child.ts';
import { operator } from '../support/people.ts';
import { useDemo } from './demo-world.ts';

const demo = useDemo();

it('has a fresh diff beside each example', () => {
  expect(staleDiffs()).toEqual([]);
});

describe('examples that sign in', () => {
  it.each([
    ['base', ['The API answered 200']],
    ['par', ['The API answered 200']],
    ['dpop', ['of the type dpop', 'userinfo answers Dana Example', 'Without it, it answers 401']],
    ['refresh', ['The refresh token was replaced: true', 'The API answered 200']],
  ])('%s runs to its end', async (name, sentences) => {
    const example = run(`code-flow/${name}.ts`, {});
    await through(createBrowser(demo.gatehouse.issuer), await example.address(1));
    for (const sentence of ['Signed in as acc_', ...sentences])
      expect(await example.end()).toContain(sentence);
  });

  it('par shows the browser a reference and none of what is asked', async () => {
    const example = run('code-flow/par.ts', {});
    const address = new URL(await example.address(1));
    expect([...address.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
    example.child.kill();
  });

  it('logout signs the browser out', async () => {
    const example = run('code-flow/logout.ts', {});
    const browser = createBrowser(demo.gatehouse.issuer);
    await through(browser, await example.address(1));
    const question = await browser.open(await example.address(2));
    await fetch((await browser.submit(question, { logout: 'yes' })).url);
    expect(await example.end()).toContain('Signed out');
  });

  it('device waits until the code was allowed', async () => {
    const example = run('code-flow/device.ts', {});
    await through(createBrowser(demo.gatehouse.issuer), await example.address(1));
    expect(await example.end()).toMatch(/Signed in as acc_[\s\S]*The API answered 200/);
  });
});

describe('examples of machines', () => {
  const secret = () => ({ CLIENT_SECRET: demo.data.service.clientSecret ?? '' });

  it('base gets a token with its secret', async () => {
    expect(await run('machine/base.ts', secret()).end()).toContain('The API answered 200');
  });

  it('introspection sees a token end when it is revoked', async () => {
    const text = await run('machine/introspection.ts', secret()).end();
    expect(text).toContain('The token is active: true and permits reports:read');
    expect(text).toContain('After it was revoked: false');
  });

  it('private-key-jwt gets a token with the key that new-key made', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatehouse-example-'));
    const KEY_FILE = join(folder, 'key.json');
    const jwks = JSON.parse(await run('machine/new-key.ts', { KEY_FILE }).end());
    expect((await stat(KEY_FILE)).mode & 0o777).toBe(0o600);
    const registration: NewClient = {
      id: 'demo-key',
      name: 'Demo with a key',
      kind: 'machine',
      authMethod: 'private_key_jwt',
      jwks,
      apis: [{ audience: demo.api, permissions: ['notes:read'] }],
    };
    await demo.gatehouse.services.clients.register(registration, operator);
    const text = await run('machine/private-key-jwt.ts', { CLIENT_ID: 'demo-key', KEY_FILE }).end();
    expect(text).toContain('The API answered 200');
    const before = await readFile(KEY_FILE, 'utf8');
    await expect(run('machine/new-key.ts', { KEY_FILE }).end()).rejects.toThrow('EEXIST');
    expect(await readFile(KEY_FILE, 'utf8')).toBe(before);
    await rm(folder, { recursive: true });
  });

  it('says what is missing when it is not told enough', async () => {
    await expect(run('machine/base.ts', {}).end()).rejects.toThrow('Set CLIENT_SECRET');
  });
});

interface Example {
  readonly child: ChildProcess;
  /** The nth address that it shows. */
  address(nth: number): Promise<string>;
  /** All it said, when it has ended; throws that when it failed. */
  end(): Promise<string>;
}

function run(path: string, environment: Record<string, string>): Example {
  const own = { ISSUER: demo.gatehouse.issuer, AUDIENCE: demo.api };
  const child = spawn(process.execPath, [`examples/${path}`], {
    env: { ...childEnvironment, ...own, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: string[] = [];
  child.stdout.on('data', (chunk) => chunks.push(String(chunk)));
  child.stderr.on('data', (chunk) => chunks.push(String(chunk)));
  const ended = once(child, 'close');
  const text = () => chunks.join('');
  return {
    child,
    async address(nth) {
      for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt += 1) {
        const found = [...text().matchAll(/^ {2}(http\S+)$/gm)][nth - 1]?.[1];
        if (found !== undefined) return found;
        await delay(50);
      }
      throw new Error(`no address ${nth}:\n${text()}`);
    },
    async end() {
      await ended;
      if (child.exitCode !== 0) throw new Error(text());
      return text();
    },
  };
}

/** Signs in, allows what is asked, confirms the device; then goes where the browser is sent. */
async function through(browser: Browser, address: string): Promise<void> {
  let page: Shown = await browser.open(address);
  for (let step = 0; step < 8 && page.forms.length > 0; step += 1) {
    const has = (end: string) => page.forms.some((form) => form.action.endsWith(end));
    const credentials = { identifier: 'demo@example.com', password: demo.password };
    if (has('/login')) page = await browser.submit(page, credentials, '/login');
    else if (has('/consent')) page = await browser.submit(page, {}, '/consent');
    else page = await browser.submit(page, { confirm: 'yes' });
  }
  if (!page.url.startsWith(demo.gatehouse.issuer)) await fetch(page.url);
}
