// The demo without a real browser: the whole story over HTTP, what the API and the app refuse, and `npm run demo` itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { childEnvironment } from '../support/child.ts';
import { freePort } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';
import { useDemo } from './demo-world.ts';

describe('the demo app', () => {
  const demo = useDemo();

  it('tells the whole story: sign-in, consent, an API call, a refused one, more permission, refresh, sign-out', async () => {
    const { app, inApp, home } = await signedIn();
    expect(home.html).toContain('Hello, Dana Example');
    expect(home.html).toContain('<dt>iss</dt>');

    const read = await app.submit(home, {}, '/notes/read');
    expect(read.html).toMatch(/200 OK[\s\S]*Welcome to your notes/);
    const refused = await app.submit(read, {}, '/notes/write');
    expect(refused.html).toContain('403 Forbidden');
    expect(refused.html).toContain('error=&#34;insufficient_scope&#34;');

    const more = await inApp('/sign-in?permission=notes:write');
    const written = await app.submit(more, {}, '/notes/write');
    expect(written.html).toContain('201 Created');
    const readAgain = await app.submit(written, {}, '/notes/read');
    expect(readAgain.html).toContain('Written by the demo app');
    expect((await app.submit(readAgain, {}, '/refresh')).html).toContain('<dd>2 times</dd>');

    const leaving = await app.submit(readAgain, {}, '/sign-out');
    expect(leaving.url).toContain(`${demo.gatehouse.issuer}/end-session?`);
    expect((await app.open('/')).html).toContain('Sign in with Gatehouse');
  });

  it('signs nobody in with an answer that was begun in another browser', async () => {
    const { answer } = await signedIn();
    const victim = createBrowser(demo.app);
    const page = await victim.open(answer);
    expect(page.status).toBe(400);
    expect((await victim.open('/')).html).toContain('Sign in with Gatehouse');
  });

  it('says so when the person says no', async () => {
    const app = createBrowser(demo.app);
    const gatehouse = createBrowser(demo.gatehouse.issuer);
    const login = await gatehouse.open((await app.open('/sign-in')).url);
    const credentials = { identifier: 'demo@example.com', password: demo.password };
    const consent = await gatehouse.submit(login, credentials, '/login');
    const back = await gatehouse.submit(consent, {}, '/cancel');
    expect((await app.open(back.url)).html).toContain('You said no');
  });

  it('asks to sign in again when the sign-in was ended at Gatehouse', async () => {
    const { app, home } = await signedIn();
    const { accounts } = demo.gatehouse.services;
    const account = await accounts.findByIdentifier('demo@example.com');
    if (!account) throw new Error('there is no demo person');
    await accounts.suspend(account.id, null, operator);
    const page = await app.submit(home, {}, '/refresh');
    await accounts.reinstate(account.id, operator);
    expect(page.html).toContain('Your sign-in has ended');
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another port of this host', { 'sec-fetch-site': 'same-site' }],
    ['nowhere', {}],
  ])('takes no form from %s', async (_where, headers) => {
    const answer = await fetch(`${demo.app}/sign-out`, { method: 'POST', headers });
    expect(answer.status).toBe(403);
  });

  /** Two cookie jars, one for each origin, as a browser keeps them apart here. */
  async function signedIn() {
    const app = createBrowser(demo.app);
    const gatehouse = createBrowser(demo.gatehouse.issuer);
    const seen = { answer: '' };
    const inApp = async (path: string): Promise<Shown> => {
      let page = await gatehouse.open((await app.open(path)).url);
      for (let step = 0; step < 3 && page.forms.length > 0; step += 1) {
        const isLogin = page.forms.some((form) => form.action.endsWith('/login'));
        const credentials = { identifier: 'demo@example.com', password: demo.password };
        page = await gatehouse.submit(page, isLogin ? credentials : {}, isLogin ? '/login' : '/consent');
      }
      seen.answer = page.url;
      return app.open(page.url);
    };
    return { app, inApp, home: await inApp('/sign-in'), answer: seen.answer };
  }
});

describe('the demo API', () => {
  const demo = useDemo();
  const call = (authorization?: string) =>
    fetch(`${demo.api}/notes`, authorization === undefined ? {} : { headers: { authorization } });
  const challengeOf = (answer: Response) => answer.headers.get('www-authenticate');

  it('names no error to whoever sends no token (RFC 6750 section 3.1)', async () => {
    const answer = await call();
    expect(answer.status).toBe(401);
    expect(challengeOf(answer)).toBe('Bearer, DPoP algs="ES256 EdDSA Ed25519"');
  });

  it('takes the token of a service and holds it to its permissions', async () => {
    const authorization = `Bearer ${await serviceToken()}`;
    expect((await call(authorization)).status).toBe(200);
    const write = await fetch(`${demo.api}/notes`, { method: 'POST', body: 'x', headers: { authorization } });
    expect(write.status).toBe(403);
    expect(challengeOf(write)).toMatch(/error="insufficient_scope".*scope="notes:write"/);
  });

  it('tells an expired token from one that never was good', async () => {
    const { signingKeys } = demo.gatehouse.services;
    const key = signingKeys.snapshot().find(({ algorithm }) => algorithm === 'ES256');
    if (!key) throw new Error('there is no signing key');
    const sign = (claims: object, header: object = {}) =>
      new SignJWT({ client_id: 'x', sub: 'x', jti: 'x', scope: 'notes:read', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt', ...header })
        .setIssuedAt()
        .setIssuer(demo.gatehouse.issuer)
        .setAudience(demo.api);
    const good = await sign({}).setExpirationTime('1m').sign(key.privateKey);
    expect((await call(`Bearer ${good}`)).status).toBe(200);
    const expired = await call(`Bearer ${await sign({}).setExpirationTime(1).sign(key.privateKey)}`);
    expect(challengeOf(expired)).toMatch(/invalid_token.*has expired/);
    const forged = await generateKeyPair('ES256');
    const bad = {
      'forged by another key': await sign({}).setExpirationTime('1m').sign(forged.privateKey),
      'for another audience': await sign({})
        .setAudience('https://other.example')
        .setExpirationTime('1m')
        .sign(key.privateKey),
      'of another issuer': await sign({})
        .setIssuer('https://other.example')
        .setExpirationTime('1m')
        .sign(key.privateKey),
      'an ID token': await sign({}, { typ: 'JWT' }).setExpirationTime('1m').sign(key.privateKey),
      'without an end': await sign({}).sign(key.privateKey),
      'bound to a key': await sign({ cnf: { jkt: 'x' } })
        .setExpirationTime('1m')
        .sign(key.privateKey),
      'no JWT at all': 'x',
    };
    for (const [why, token] of Object.entries(bad)) {
      const answer = await call(`Bearer ${token}`);
      expect(answer.status, why).toBe(401);
      expect(challengeOf(answer), why).toContain('error="invalid_token"');
    }
  });

  async function serviceToken(): Promise<string> {
    const { clientId, clientSecret } = demo.data.service;
    const answer = await fetch(`${demo.gatehouse.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        scope: 'notes:read',
        resource: demo.api,
      }),
    });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    return token;
  }
});

describe('npm run demo', () => {
  it('starts everything on data of its own, and Ctrl-C stops it all', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gatehouse-demo-'));
    await chmod(directory, 0o755);
    const [port, app, api] = [await freePort(), await freePort(), await freePort()];
    const started = spawnDemo({
      PORT: `${port}`,
      APP_PORT: `${app}`,
      API_PORT: `${api}`,
      DEMO_DIRECTORY: directory,
    });
    await said(started, /Ctrl-C stops everything/);
    expect(started.text()).toMatch(/Password +[a-z2-9]{5}(-[a-z2-9]{5}){3}/);
    expect(started.text()).not.toContain('/setup?token=');
    for (const [at, path] of [
      [port, '/readyz'],
      [app, '/'],
      [api, '/'],
    ]) {
      expect((await fetch(`http://localhost:${at}${path}`)).status).toBe(200);
    }

    const taken = spawnDemo({ PORT: `${await freePort()}`, APP_PORT: `${app}`, API_PORT: `${api}` });
    await once(taken.child, 'exit');
    expect(taken.child.exitCode).toBe(1);
    expect(taken.text()).toContain(`Port ${app} is taken by another program. Choose another one: APP_PORT=`);

    started.child.kill('SIGINT');
    await once(started.child, 'exit');
    expect(started.child.exitCode).toBe(0);
    await expect(fetch(`http://localhost:${app}/`)).rejects.toThrow();
    await rm(directory, { recursive: true, force: true });
  }, 60_000);
});

function spawnDemo(environment: Record<string, string>) {
  const child = spawn(process.execPath, ['examples/demo.ts'], {
    env: { ...childEnvironment, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: string[] = [];
  child.stdout.on('data', (chunk) => chunks.push(String(chunk)));
  child.stderr.on('data', (chunk) => chunks.push(String(chunk)));
  return { child, text: () => chunks.join('') };
}

async function said({ child, text }: ReturnType<typeof spawnDemo>, pattern: RegExp): Promise<void> {
  for (let attempt = 0; attempt < 500 && !pattern.test(text()); attempt += 1) {
    if (child.exitCode !== null) throw new Error(`the demo ended:\n${text()}`);
    await delay(100);
  }
}
