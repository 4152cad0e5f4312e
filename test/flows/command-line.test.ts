// The command line beside a running server, as operators use it: processes of their own, one database.
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { childEnvironment } from '../support/child.ts';
import { useDatabase } from '../support/database.ts';
import { setUpOnTheWay } from '../support/factors.ts';
import { useFolders } from '../support/folder.ts';
import { type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { password } from '../support/people.ts';

const database = useDatabase();
const newFolder = useFolders();
const running: { server?: ServerProcess; home: string; environment: Record<string, string> } = {
  home: '',
  environment: {},
};

beforeAll(async () => {
  running.home = newFolder();
  const shared = { DATABASE_URL: database.databaseUrl(), KEYS_DIRECTORY: join(running.home, 'keys') };
  running.server = await spawnServer(shared);
  running.environment = { ...shared, ISSUER: running.server.issuer };
}, 60_000);
afterAll(async () => running.server?.end());

interface Outcome {
  code: number | null;
  out: string;
  err: string;
}

function start(args: readonly string[], stdin = '') {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/cli.ts'), ...args], {
    cwd: running.home,
    env: {
      ...childEnvironment,
      HOME: running.home,
      XDG_CONFIG_HOME: running.home,
      ...running.environment,
    },
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    said.out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    said.err += String(chunk);
  });
  child.stdin.end(stdin);
  const ended = new Promise<Outcome>((resolve) => child.on('close', (code) => resolve({ code, ...said })));
  return { said, ended };
}

const gatehouse = (args: readonly string[], stdin?: string) => start(args, stdin).ended;

async function shown(said: { err: string }, pattern: RegExp): Promise<string> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const found = pattern.exec(said.err)?.[1];
    if (found !== undefined) return found;
    await delay(50);
  }
  throw new Error(`nothing like ${pattern} in:\n${said.err}`);
}

describe('the command line', () => {
  it('A1 creates a person, signs in, says who that is, hands out a token and signs out', async () => {
    const created = await gatehouse(
      [
        '--json',
        'user',
        'create',
        '--email',
        'ada@example.com',
        '--name',
        'Ada',
        '--admin',
        '--password-stdin',
      ],
      password,
    );
    expect(created.code, created.err).toBe(0);

    const login = start(['login']);
    const code = await shown(login.said, /enter the code ([A-Z-]+)/);
    await approve(code);
    expect((await login.ended).out).toContain('Signed in as Ada');
    expect(statSync(join(running.home, 'gatehouse', 'tokens.json')).mode & 0o777).toBe(0o600);

    const who = JSON.parse((await gatehouse(['--json', 'whoami'])).out);
    expect(who).toMatchObject({ email: 'ada@example.com', name: 'Ada' });
    const token = (await gatehouse(['token'])).out.trim();
    const me = await fetch(`${running.environment.ISSUER}/api/v1/me`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(await me.json()).toMatchObject({ kind: 'account', account: { email: 'ada@example.com' } });

    expect((await gatehouse(['logout'])).code).toBe(0);
    const after = await gatehouse(['whoami']);
    expect(after.code).not.toBe(0);
  }, 60_000);

  it('C16 migrates, lists sessions, refuses a second first administrator, and reads the ledger', async () => {
    expect(JSON.parse((await gatehouse(['--json', 'migrate'])).out)).toEqual({ applied: [] });
    const second = await gatehouse(['init', '--email', 'eve@example.com', '--password-stdin'], password);
    expect(second.code).toBe(4);
    expect(second.err).toContain('already_set_up');

    const { items } = JSON.parse((await gatehouse(['--json', 'session', 'list'])).out);
    expect(items).toHaveLength(1);
    expect((await gatehouse(['session', 'end', items[0].id])).code).toBe(0);
    expect(JSON.parse((await gatehouse(['--json', 'session', 'list'])).out).items).toHaveLength(0);
    const ledger = JSON.parse((await gatehouse(['--json', 'audit', 'list', '--type', 'session.ended'])).out);
    expect(ledger.items[0]).toMatchObject({ actor: { kind: 'operator' }, outcome: 'success' });
  }, 60_000);
});

/** What the person does in a browser while the terminal waits. */
async function approve(code: string): Promise<void> {
  const browser = createBrowser(running.environment.ISSUER ?? '');
  let page = await browser.open('/device');
  page = await browser.submit(page, { user_code: code }, '/device');
  page = await browser.submit(page, { confirm: 'yes' }, '/device');
  page = await browser.submit(page, { identifier: 'ada@example.com', password }, '/login');
  // An administrator who has no second factor yet sets one up on the way.
  page = await setUpOnTheWay(browser, page);
  if (page.forms.some((form) => form.action.endsWith('/consent'))) {
    page = await browser.submit(page, {}, '/consent');
  }
  expect(page.status).toBe(200);
}
