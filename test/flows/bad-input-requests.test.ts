// Bad input told as stories: each gets a clear page, problem+json or OAuth JSON with the right status and a request id.
import { connect } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createClient, createPerson, password, signInAt } from '../support/people.ts';
import { wrongWith } from './bad-input.ts';
import { post, relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();
const issuer = () => gatehouse.issuer;
const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${issuer()}${path}`, { headers: { accept: 'text/html', ...headers }, redirect: 'manual' });

describe('a request that nobody should send', () => {
  it.each([
    ['an unknown client', { client_id: 'nobody' }, 'invalid_client'],
    ['a redirect that is not registered', { redirect_uri: 'https://evil.example/' }, 'invalid_redirect_uri'],
    ['a client that is no client', { client_id: `'; drop table clients; --` }, 'invalid_client'],
  ])('%s gets a page that goes nowhere', async (_name, params, code) => {
    const app = await relyingParty(gatehouse);
    const response = await fetch((await app.begin(params)).url, {
      headers: { accept: 'text/html' },
      redirect: 'manual',
    });
    const html = await response.text();
    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
    expect(html).toContain(`<code>${code}</code>`);
    expect(html).toContain(response.headers.get('x-request-id'));
  });

  it('an expired sign-in shows the way back', async () => {
    const app = await relyingParty(gatehouse);
    const person = await createPerson(gatehouse.services);
    const browser = createBrowser(issuer());
    const page = await browser.open((await app.begin()).url);
    await gatehouse.database
      .db('oidc_transients')
      .where({ model: 'Interaction' })
      .update({ expires_at: new Date(0) });
    const lost = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
    expect(lost.status).toBe(400);
    expect(lost.html).toContain('steps');
    expect(lost.html).not.toContain('id="password"');
  });

  it('going back after the sign-in says that it is finished', async () => {
    const app = await relyingParty(gatehouse);
    const person = await createPerson(gatehouse.services);
    const browser = createBrowser(issuer());
    const page = await browser.open((await app.begin()).url);
    const { url } = page;
    const consent = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
    const again = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
    expect(again.status).toBe(400);
    expect((await browser.open(url)).html).toContain('This sign-in is finished');
    expect((await browser.submit(consent, {}, '/consent')).url).toContain('code=');
  });

  it('a browser without cookies is told about cookies', async () => {
    const app = await relyingParty(gatehouse);
    const { headers } = await fetch((await app.begin()).url, { redirect: 'manual' });
    const response = await get(headers.get('location') ?? '');
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('Cookies may be switched off');
  });

  it('a device form without its cookie opens anew', async () => {
    const response = await fetch(`${issuer()}/device`, {
      method: 'POST',
      body: new URLSearchParams({ xsrf: 'x', user_code: 'ABCD-EFGH' }),
      headers: { accept: 'text/html' },
    });
    const html = await response.text();
    expect(response.status).toBe(400);
    expect(html).toContain('form_expired');
    expect(html).toContain(`href="${issuer()}/device"`);
  });

  it('HTML in every field that is shown stays text', async () => {
    const hostile = '"><script>alert(1)</script>';
    const api = await createApi(gatehouse.services);
    const app = await relyingParty(gatehouse, {
      name: `App ${hostile}`,
      scopes: ['openid', 'email'],
      apis: [{ audience: api.audience, permissions: ['*'] }],
    });
    const person = await createPerson(gatehouse.services);
    await gatehouse.services.accounts.change(person.id, { name: hostile }, { kind: 'operator', id: null });
    const browser = createBrowser(issuer());
    browser.headers['user-agent'] = hostile;
    const login = await browser.open((await app.begin({ login_hint: hostile, ui_locales: hostile })).url);
    const refused = await browser.submit(login, { identifier: hostile, password: hostile }, '/login');
    const consent = await browser.submit(refused, { identifier: person.email ?? '', password }, '/login');
    for (const page of [login, refused, consent]) {
      expect(page.html).toContain('&lt;script&gt;');
      expect(page.html).not.toContain('<script>alert');
    }
  });
});

describe('clocks that differ', () => {
  const assertion = async (times: { iat?: number; exp: number; nbf?: number }) => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256', use: 'sig' };
    const { client } = await createClient(gatehouse.services, {
      kind: 'machine',
      grantTypes: ['client_credentials'],
      authMethod: 'private_key_jwt',
      jwks: { keys: [jwk] },
      apis: [{ audience: (await createApi(gatehouse.services)).audience, permissions: ['*'] }],
    });
    const now = Math.floor(Date.now() / 1000);
    const { iat, exp, nbf } = times;
    const token = await new SignJWT({
      iss: client.id,
      sub: client.id,
      aud: issuer(),
      jti: crypto.randomUUID(),
      exp: now + exp,
      ...(iat === undefined ? {} : { iat: now + iat }),
      ...(nbf === undefined ? {} : { nbf: now + nbf }),
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .sign(privateKey);
    return post(`${issuer()}/token`, {
      grant_type: 'client_credentials',
      client_id: client.id,
      client_assertion: token,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
  };

  it('a few seconds are forgiven', async () => {
    expect((await assertion({ iat: 5, exp: 60 })).status).toBe(200);
  });

  it.each([
    ['expired', { exp: -120 }],
    ['not valid yet', { exp: 600, nbf: 300 }],
  ])('an assertion that is %s is refused', async (_name, times) => {
    const answer = await assertion(times);
    expect(answer.status).toBe(401);
    expect(answer.body).toMatchObject({ error: 'invalid_client' });
  });
});

describe('a body that cannot be read', () => {
  const form = 'application/x-www-form-urlencoded';

  it.each([
    ['too large for a page', '/setup', form, `a=${'x'.repeat(70_000)}`, 413],
    ['too large for the token endpoint', '/token', form, `a=${'x'.repeat(70_000)}`, 413],
    ['JSON for a page', '/setup', 'application/json', '{}', 415],
    ['JSON for the token endpoint', '/token', 'application/json', '{}', 400],
    ['no type', '/setup', '', 'a=b', 415],
    ['another charset', '/setup', `${form}; charset=utf-16`, 'a=b', 415],
    ['an unknown charset', '/token', `${form}; charset=nonsense`, 'a=b', 400],
  ])('%s', async (_name, path, type, body, status) => {
    const response = await fetch(`${issuer()}${path}`, {
      method: 'POST',
      body: new TextEncoder().encode(body),
      headers: type ? { 'content-type': type } : {},
    });
    const wrong = await wrongWith(response, path);
    expect(wrong).toBeUndefined();
    expect(response.status).toBe(status);
  });

  it.each(['/setup', '/token', '/device'])('bytes that are not UTF-8 at %s', async (path) => {
    const response = await fetch(`${issuer()}${path}`, {
      method: 'POST',
      body: Buffer.from([0x61, 0x3d, 0xff, 0xfe, 0xc0, 0xaf, 0xed, 0xa0, 0x80]),
      headers: { 'content-type': form },
    });
    expect(await wrongWith(response, path)).toBeUndefined();
    expect(response.status).toBe(400);
  });

  it.each(['/setup', '/token'])('a body that breaks off at %s ends only its own connection', async (path) => {
    const { hostname, port } = new URL(issuer());
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${form}\r\nContent-Length: 100\r\n\r\nabc`,
        );
        setTimeout(() => socket.destroy(), 50);
      });
      socket.on('close', () => resolve());
    });
    expect((await get('/healthz')).status).toBe(200);
  });

  it('headers that are too large', async () => {
    const response = await get('/', { 'x-large': 'x'.repeat(20_000) });
    expect(await wrongWith(response.clone(), 'headers')).toBeUndefined();
    expect(response.status).toBe(431);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
  });
});

describe('a request line that no browser sends', () => {
  /** Bytes as they are; answers the first line and the body. */
  const raw = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const { hostname, port } = new URL(issuer());
      const socket = connect(Number(port), hostname, () => socket.write(text));
      let answer = '';
      socket.on('data', (data) => {
        answer += String(data);
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });

  it.each([
    'OPTIONS * HTTP/1.1',
    'GET http://evil.example/ HTTP/1.1',
    'GET //evil.example/%2f.. HTTP/1.1',
    'GET /\\evil.example HTTP/1.1',
    'GET /authorize?a=%00&b=%zz HTTP/1.1',
    'GET /\0 HTTP/1.1',
    'GET /%00 HTTP/1.1',
    'GET  /  HTTP/1.1',
    'TRACE / HTTP/1.1',
    'PROPFIND / HTTP/1.1',
    'NONSENSE / HTTP/1.1',
    'GET / HTTP/9.9',
    'GET /caf\u00e9 HTTP/1.1',
    'POST /token HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked',
    'POST /token HTTP/1.1\r\nContent-Length: -1',
    'POST /token HTTP/1.1\r\nTransfer-Encoding: gzip',
    'POST /token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz',
    'GET / HTTP/1.1\r\nbad header',
    'GET / HTTP/1.1\r\nX: a\0b',
    'GET / HTTP/1.1\r\nExpect: magic',
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b',
  ])('%j', async (line) => {
    const answer = await raw(`${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 [234]\d\d /);
    expect(answer).not.toMatch(/\bat \S+ \(|node_modules|evil\.example/);
  });
});

describe('an address or method that does not exist', () => {
  it.each([
    ['/token', 'POST, OPTIONS'],
    ['/par', 'POST, OPTIONS'],
    ['/revoke', 'POST, OPTIONS'],
    ['/introspect', 'POST, OPTIONS'],
    ['/device/authorize', 'POST, OPTIONS'],
    ['/end-session/confirm', 'POST'],
    ['/interaction/x/consent', 'POST, OPTIONS'],
  ])('GET %s is refused with Allow', async (path, allow) => {
    const response = await get(path, { accept: 'application/json' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(allow);
    expect(await wrongWith(response, path)).toBeUndefined();
  });

  it.each([
    ['/authorize', 'GET, HEAD, POST'],
    ['/jwks', 'GET, HEAD, OPTIONS'],
    ['/.well-known/openid-configuration', 'GET, HEAD, OPTIONS'],
    ['/', 'HEAD, GET, OPTIONS'],
  ])('DELETE %s is refused with Allow', async (path, allow) => {
    const response = await fetch(`${issuer()}${path}`, { method: 'DELETE' });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(allow);
  });

  // Limits and guess counters know an endpoint by its exact address: another spelling must not go around them.
  it.each(['/TOKEN', '/token/', '/Device', '/device/', '/authorize/', '//token', '/userinfo/'])(
    '%s is no endpoint',
    async (path) => {
      const { hostname, port } = new URL(issuer());
      const response = await fetch(`http://${hostname}:${port}${path}`, {
        method: 'POST',
        body: new URLSearchParams({ user_code: 'x' }),
      });
      expect([404, 405]).toContain(response.status);
    },
  );

  it('is a page for people and a problem for programs', async () => {
    const page = await get('/nowhere');
    expect([page.status, page.headers.get('content-type')]).toEqual([404, 'text/html; charset=utf-8']);
    const problem = await get('/nowhere', { accept: 'application/json' });
    expect(problem.headers.get('content-type')).toBe('application/problem+json');
    expect(await problem.json()).toMatchObject({
      code: 'not_found',
      requestId: problem.headers.get('x-request-id'),
    });
  });
});

describe('a page says why it is shown', () => {
  const again = 'For your security, please enter your password again.';

  it('when somebody who is signed in must sign in again, and only then', async () => {
    const app = await relyingParty(gatehouse);
    const first = await createBrowser(issuer()).open((await app.begin({ prompt: 'login' })).url);
    expect(first.html).not.toContain(again);
    const { browser } = await app.signIn(await createPerson(gatehouse.services));
    expect((await browser.open((await app.begin({ prompt: 'login' })).url)).html).toContain(again);
    expect((await browser.open((await app.begin({ max_age: '0' })).url)).html).toContain(again);
  });

  it('when a device is connected, and when too many codes were typed', async () => {
    const device = await relyingParty(gatehouse, {
      kind: 'native',
      redirectUris: [],
      grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'],
      scopes: ['openid'],
    });
    const answer = await post(`${issuer()}/device/authorize`, {
      client_id: device.client.id,
      scope: 'openid',
    });
    const browser = createBrowser(issuer());
    const code = { user_code: String(answer.body.user_code) };
    const confirm = await browser.submit(await browser.open(`${issuer()}/device`), code);
    const login = await browser.submit(confirm, { confirm: 'yes' });
    expect(login.html).toContain('Sign in to connect your device.');

    const input = await browser.open(`${issuer()}/device`);
    let page = input;
    for (let tries = 0; tries < 60 && page.status !== 429; tries += 1) {
      page = await browser.submit(input, { user_code: 'AAAA-AAAA' });
    }
    expect(page.status).toBe(429);
    expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(page.html).toMatch(/Please wait (\d+ (minutes|seconds)|a few seconds), then try again/);
    expect(page.html).toContain('href="/device"');
  });

  it('who is about to be signed out', async () => {
    const person = await createPerson(gatehouse.services);
    const { browser } = await (await relyingParty(gatehouse)).signIn(person);
    expect((await browser.open(`${issuer()}/end-session`)).html).toContain(`Signed in as ${person.email}`);
  });
});

describe('the management API', () => {
  const caller = { token: '' };
  const api = (path: string, init: RequestInit = {}) =>
    fetch(`${issuer()}/api/v1${path}`, {
      ...init,
      headers: {
        authorization: `Bearer ${caller.token}`,
        'content-type': 'application/json',
        ...init.headers,
      },
    });

  beforeAll(async () => {
    const admin = await createPerson(gatehouse.services, { admin: true });
    const app = await relyingParty(gatehouse, {
      firstParty: true,
      apis: [{ audience: `${issuer()}/api`, permissions: ['*'] }],
    });
    const begun = await app.begin({
      scope: 'openid accounts:read audit-events:read audit-events:create',
      resource: `${issuer()}/api`,
    });
    const { landed } = await signInAt(begun.url, admin);
    caller.token = (await app.finish(landed.url, begun, { resource: `${issuer()}/api` })).access_token;
  });

  it.each([
    ['malformed JSON', '{"a":', 400, 'body_malformed'],
    ['no object', '[]', 400, 'request_invalid'],
    ['nothing', '', 400, 'request_invalid'],
    ['a null byte', '{"action":"a\\u0000"}', 400, 'request_invalid'],
    ['half of a surrogate pair', '{"action":"\\ud800"}', 400, 'request_invalid'],
    ['a prototype', '{"__proto__":{"a":1}}', 400, 'request_invalid'],
    ['too deep', `${'['.repeat(5000)}${']'.repeat(5000)}`, 400, 'body_malformed'],
    ['a name too long', JSON.stringify({ action: 'x'.repeat(10_000) }), 400, 'request_invalid'],
    ['too much', JSON.stringify({ action: 'x'.repeat(70_000) }), 413, 'body_too_large'],
  ])('refuses %s', async (_name, body, status, code) => {
    const response = await api('/audit-events', { method: 'POST', body });
    expect(response.status).toBe(status);
    expect(await response.clone().json()).toMatchObject({ code });
    expect(await wrongWith(response, body.slice(0, 20))).toBeUndefined();
  });

  it.each([
    '/accounts?limit=1e9',
    '/accounts?limit=-1',
    '/accounts?cursor=%00',
    '/accounts?cursor=AAAA',
    `/accounts?search=${encodeURIComponent("%_'; drop table accounts; --")}`,
    '/accounts?search=%ed%a0%80',
    '/accounts?search=a&search=b',
    '/accounts?__proto__=1',
    '/accounts/%00',
    "/accounts/'--",
    '/audit-events?from=tomorrow',
    '/audit-events?from=9999999-01-01T00:00:00Z',
    '/audit-events?from=-271821-04-20T00:00:00Z',
    '/audit-events?cursor=e30',
    '/audit-events?type=%F0%9F%91%BE',
  ])('stays calm at %s', async (path) => {
    const response = await api(path);
    expect(response.status).toBeLessThan(500);
    expect(await wrongWith(response, path)).toBeUndefined();
  });
});
