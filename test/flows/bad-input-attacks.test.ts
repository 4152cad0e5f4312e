// Breaking in: forged forms, borrowed tokens, false hosts and redirects, guessed accounts; and the headers of every page.
import { generateKeyPairSync } from 'node:crypto';
import { request } from 'node:http';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, password, signInAt } from '../support/people.ts';
import { type RelyingParty, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse({ settings: { TRUSTED_PROXIES: '' } });
const issuer = () => gatehouse.issuer;

/** A sign-in page in a browser of its own. */
async function openLogin(app: RelyingParty): Promise<{ browser: Browser; page: Shown }> {
  const browser = createBrowser(issuer());
  return { browser, page: await browser.open((await app.begin()).url) };
}

const cookiesOf = (browser: Browser) =>
  [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');

function send(page: Shown, fields: Record<string, string>, headers: Record<string, string>) {
  const action = page.forms.find((form) => form.action.endsWith('/login'))?.action ?? '';
  const body = new URLSearchParams(fields);
  return fetch(action, {
    method: 'POST',
    body,
    headers: { accept: 'text/html', ...headers },
    redirect: 'manual',
  });
}

const csrfOf = (page: Shown) => page.forms[0]?.fields._csrf ?? '';

describe('a forged sign-in form', () => {
  const proof = async () => {
    const person = await createPerson(gatehouse.services);
    return { identifier: person.email ?? '', password };
  };

  it('is refused without a token, with the token of another sign-in, and of another browser', async () => {
    const app = await relyingParty(gatehouse);
    const mine = await openLogin(app);
    const theirs = await openLogin(app);
    const fields = await proof();
    const cookie = cookiesOf(mine.browser);
    const second = await mine.browser.open((await app.begin()).url);
    for (const token of [undefined, '', csrfOf(theirs.page), csrfOf(second), 'x'.repeat(43)]) {
      const given = token === undefined ? fields : { ...fields, _csrf: token };
      const response = await send(mine.page, given, { cookie });
      expect(response.status, token).toBe(403);
      expect(response.headers.getSetCookie().some((line) => line.startsWith('session='))).toBe(false);
    }
  });

  it.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { referer: 'https://evil.example/form' },
  ])('is refused from another site: %j', async (headers) => {
    const { browser, page } = await openLogin(await relyingParty(gatehouse));
    const fields = { ...(await proof()), _csrf: csrfOf(page) };
    const response = await send(page, fields, { cookie: cookiesOf(browser), ...headers });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('cross_site_request');
  });

  it('cannot sign somebody else’s browser in: the sign-in belongs to the browser that began it', async () => {
    const app = await relyingParty(gatehouse);
    const attacker = await openLogin(app);
    const victim = await openLogin(app);
    const fields = { ...(await proof()), _csrf: csrfOf(attacker.page) };
    const response = await send(attacker.page, fields, { cookie: cookiesOf(victim.browser) });
    expect(response.status).toBe(403);
    const stolen = await victim.browser.open(attacker.page.url);
    expect(stolen.status).toBe(400);
  });

  it('takes no more fields than it has', async () => {
    const { browser, page } = await openLogin(await relyingParty(gatehouse));
    const fields = await proof();
    const more = { admin: 'true', 'account[admin]': 'true', accountId: 'acc_1', amr: 'mfa', __proto__: 'x' };
    await browser.submit(page, { ...fields, ...more }, '/login');
    const account = await gatehouse.services.accounts.findByIdentifier(fields.identifier);
    expect(account?.admin).toBe(false);
  });
});

describe('a session', () => {
  it('gets a new id when somebody signs in, and the old one is nothing', async () => {
    const app = await relyingParty(gatehouse);
    const person = await createPerson(gatehouse.services);
    const { browser } = await app.signIn(person);
    const before = browser.cookies.get('session') ?? '';
    const signature = browser.cookies.get('session.sig') ?? '';
    await app.signIn(person, { prompt: 'login' }, browser);
    expect(browser.cookies.get('session')).not.toBe(before);
    const response = await fetch((await app.begin({ prompt: 'none' })).url, {
      headers: { cookie: `session=${before}; session.sig=${signature}` },
      redirect: 'manual',
    });
    expect(response.headers.get('location')).toContain('error=login_required');
  });

  it('cannot be planted before the sign-in', async () => {
    const app = await relyingParty(gatehouse);
    const attacker = createBrowser(issuer());
    await attacker.open(`${issuer()}/device`);
    const planted = attacker.cookies.get('session') ?? '';
    expect(planted).not.toBe('');
    const person = await createPerson(gatehouse.services);
    await signInAt((await app.begin()).url, person, attacker);
    expect(attacker.cookies.get('session')).not.toBe(planted);
  });

  it.each([
    ['another id', (value: string) => `${value.slice(0, -2)}AA`, (sig: string) => sig],
    ['another signature', (value: string) => value, (sig: string) => `${sig.slice(0, -2)}AA`],
    ['no signature', (value: string) => value, () => ''],
  ])('is nothing with %s', async (_name, changeId, changeSignature) => {
    const app = await relyingParty(gatehouse);
    const { browser } = await app.signIn(await createPerson(gatehouse.services));
    const id = changeId(browser.cookies.get('session') ?? '');
    const signature = changeSignature(browser.cookies.get('session.sig') ?? '');
    const response = await fetch((await app.begin({ prompt: 'none' })).url, {
      headers: { cookie: `session=${id}; session.sig=${signature}` },
      redirect: 'manual',
    });
    expect(response.headers.get('location')).toContain('error=login_required');
  });
});

describe('a redirect', () => {
  it.each([
    'https://app.example.com@evil.example/callback',
    'https://app.example.com:8443/callback',
    'https://app.example.com./callback',
    'https://APP.example.com/callback',
    'https://app.example.com\\@evil.example/callback',
    'https://app.example.com/callback/../evil',
    'https://app.example.com/callback%2f..%2fevil',
    'https://app.example.com/callback?next=https://evil.example',
    'https://app.example.com/callback#x',
    'https://app.example.com/callback/',
    'http://app.example.com/callback',
    '//evil.example/callback',
    'javascript:alert(1)',
    'https://evil.example/?https://app.example.com/callback',
    ' https://app.example.com/callback',
  ])('to %s is refused, at sign-in and at sign-out', async (target) => {
    const app = await relyingParty(gatehouse, {
      postLogoutRedirectUris: ['https://app.example.com/callback'],
    });
    const begun = new URL((await app.begin()).url);
    begun.searchParams.set('redirect_uri', target);
    const leave = new URLSearchParams({ client_id: app.client.id, post_logout_redirect_uri: target });
    for (const url of [begun.href, `${issuer()}/end-session?${leave}`]) {
      const response = await fetch(url, { headers: { accept: 'text/html' }, redirect: 'manual' });
      expect(response.status, url).toBe(400);
      expect(response.headers.get('location')).toBeNull();
    }
  });

  it('after sign-out goes nowhere without a client that registered it', async () => {
    const person = await createPerson(gatehouse.services);
    const { browser } = await (await relyingParty(gatehouse)).signIn(person);
    const confirm = await browser.open(
      `${issuer()}/end-session?post_logout_redirect_uri=https://evil.example/`,
    );
    const done = await browser.submit(confirm, { logout: 'yes' });
    expect(done.url).toBe(`${issuer()}/end-session/success`);
  });
});

describe('a false host', () => {
  const { hostname } = new URL('http://localhost');
  const getAs = (path: string, headers: Record<string, string>) =>
    new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
      const { port } = new URL(issuer());
      request({ hostname, port, path, headers }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      })
        .on('error', reject)
        .end();
    });

  it.each([
    { host: 'evil.example' },
    { host: 'evil.example:443', 'x-forwarded-host': 'evil.example' },
    { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    { forwarded: 'host=evil.example;proto=https' },
  ])('%j changes no address that is told', async (headers) => {
    const app = await relyingParty(gatehouse);
    const { pathname, search } = new URL((await app.begin()).url);
    const paths = [
      '/.well-known/openid-configuration',
      `${pathname}${search}`,
      '/device',
      '/end-session',
      '/',
    ];
    for (const path of paths) {
      const answer = await getAs(path, headers);
      expect(answer.status, path).toBeLessThan(400);
      expect(`${JSON.stringify(answer.headers)}${answer.text}`, path).not.toContain('evil.example');
    }
  });

  it('a forged X-Forwarded-For is not believed without a trusted proxy', async () => {
    const person = await createPerson(gatehouse.services);
    const { browser, page } = await openLogin(await relyingParty(gatehouse));
    browser.headers['x-forwarded-for'] = '203.0.113.9';
    await browser.submit(page, { identifier: person.email ?? '', password: 'wrong' }, '/login');
    const { items } = await gatehouse.services.audit.list(
      { accountId: person.id, outcome: 'failure' },
      { limit: 1, cursor: null },
    );
    expect(items[0]?.address).toMatch(/^(127\.0\.0\.1|::1)$/);
  });
});

describe('guessing who has an account', () => {
  /** What differs in every page by nature. */
  const plain = (page: Shown) =>
    page.html
      .replaceAll(/nonce="[^"]*"/g, '')
      .replaceAll(/name="_csrf" value="[^"]*"/g, '')
      .replaceAll(/data-options="[^"]*"/g, '')
      .replaceAll(/\/interaction\/[\w-]+|interaction=[\w-]+/g, '')
      .replaceAll(/[\w.]+@[\w.]+/g, 'ADDRESS');
  const comparable = (headers: Headers) =>
    [...headers]
      .filter(([name]) => !['x-request-id', 'date', 'set-cookie', 'content-length'].includes(name))
      .map(([name, value]) => [name, value.replace(/nonce-[\w-]+/g, '').replace(/^"sign-in";.*/, '')]);

  it('shows the same page, byte for byte, for known, unknown, suspended and passwordless people', async () => {
    const { services } = gatehouse;
    const by = { kind: 'operator', id: null } as const;
    const known = await createPerson(services);
    const suspended = await createPerson(services);
    await services.accounts.suspend(suspended.id, null, by);
    const passwordless = await services.accounts.create({ email: 'none@example.com' }, by);
    const app = await relyingParty(gatehouse);
    const emails = [known.email, 'nobody@example.com', suspended.email, passwordless.email];
    const shown = await Promise.all(
      emails.map(async (identifier) => {
        const { browser, page } = await openLogin(app);
        return browser.submit(page, { identifier: identifier ?? '', password: 'wrong' }, '/login');
      }),
    );
    const [first, ...others] = shown.map((page) => ({
      status: page.status,
      html: plain(page),
      headers: comparable(page.headers),
    }));
    for (const other of others) expect(other).toEqual(first);
  });
});

describe('the management API', () => {
  const tokens = { good: '', opaque: '', id: '', other: '', bound: '', expired: '' };
  const call = (authorization: string, more: Record<string, string> = {}) =>
    fetch(`${issuer()}/api/v1/me`, { headers: { authorization, ...more } });

  beforeAll(async () => {
    const admin = await createPerson(gatehouse.services, { admin: true });
    const audience = `${issuer()}/api`;
    const app = await relyingParty(gatehouse, {
      firstParty: true,
      apis: [{ audience, permissions: ['*'] }],
    });
    const scope = 'openid accounts:read';
    const good = await app.signIn(admin, { scope, resource: audience });
    tokens.good = good.tokens.access_token;
    tokens.id = good.tokens.id_token ?? '';
    tokens.opaque = (await app.signIn(admin, { scope: 'openid' })).tokens.access_token;
    const api = await createApi(gatehouse.services);
    const foreign = await relyingParty(gatehouse, {
      firstParty: true,
      apis: [{ audience: api.audience, permissions: ['*'] }],
    });
    const { tokens: theirs } = await foreign.signIn(admin, {
      scope: 'openid notes:read',
      resource: api.audience,
    });
    tokens.other = theirs.access_token;

    const begun = await app.begin({ scope, resource: audience });
    const { landed } = await signInAt(begun.url, admin);
    const DPoP = oauth.getDPoPHandle(app.config, await oauth.randomDPoPKeyPair());
    tokens.bound = (await app.finish(landed.url, begun, { resource: audience }, { DPoP })).access_token;

    const { kid } = decodeProtectedHeader(tokens.good);
    const key = gatehouse.services.signingKeys.snapshot().find((one) => one.kid === kid);
    if (!key) throw new Error('the token is signed with a key of this server');
    const past = Math.floor(Date.now() / 1000) - 60;
    tokens.expired = await new SignJWT({ ...decodeJwt(tokens.good), iat: past - 600, exp: past })
      .setProtectedHeader({ ...decodeProtectedHeader(tokens.good), alg: key.algorithm })
      .sign(key.privateKey);
  });

  it('takes its own access token', async () => {
    expect((await call(`Bearer ${tokens.good}`)).status).toBe(200);
  });

  it.each(['opaque', 'id', 'other', 'bound', 'expired'] as const)(
    'refuses a token that is %s',
    async (kind) => {
      expect(tokens[kind]).not.toBe('');
      const response = await call(`Bearer ${tokens[kind]}`);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toContain('invalid_token');
    },
  );

  it('refuses a token that is changed, unsigned, of another key, or sent in another way', async () => {
    const [head = '', payload = '', signature = ''] = tokens.good.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const header = JSON.parse(Buffer.from(head, 'base64url').toString());
    const forged = await new SignJWT(claims).setProtectedHeader(header).sign(privateKey);
    const none = Buffer.from(JSON.stringify({ ...header, alg: 'none' })).toString('base64url');
    const hmac = Buffer.from(JSON.stringify({ ...header, alg: 'HS256' })).toString('base64url');
    const altered = Buffer.from(JSON.stringify({ ...claims, scope: 'accounts:write' })).toString('base64url');
    const bad = [
      `Bearer ${forged}`,
      `Bearer ${none}.${payload}.`,
      `Bearer ${none}.${payload}.${signature}`,
      `Bearer ${hmac}.${payload}.${signature}`,
      `Bearer ${head}.${altered}.${signature}`,
      `Bearer ${head}.${payload}.`,
      `DPoP ${tokens.good}`,
      `Basic ${tokens.good}`,
      tokens.good,
    ];
    for (const authorization of bad) expect((await call(authorization)).status, authorization).toBe(401);
    const inQuery = await fetch(`${issuer()}/api/v1/me?access_token=${tokens.good}`);
    expect(inQuery.status).toBe(401);
  });

  it('refuses a person who is no administrator, whatever the token says', async () => {
    const audience = `${issuer()}/api`;
    const app = await relyingParty(gatehouse, { firstParty: true, apis: [{ audience, permissions: ['*'] }] });
    const person = await createPerson(gatehouse.services);
    const begun = await app.begin({ scope: 'openid accounts:read', resource: audience });
    const { landed } = await signInAt(begun.url, person);
    const token = landed.url.includes('code=')
      ? (await app.finish(landed.url, begun, { resource: audience })).access_token
      : '';
    const response = await fetch(`${issuer()}/api/v1/accounts`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect([401, 403]).toContain(response.status);
  });
});
