// The security headers of every page and the attributes of every cookie, for an http and an https issuer.
import { describe, expect, it } from 'vitest';
import { freePort, type TestServer, useGatehouse } from '../support/gatehouse.ts';
import { createClient } from '../support/people.ts';

const port = await freePort();

const pages = [
  '/',
  '/device',
  '/setup',
  '/nowhere',
  '/authorize',
  '/interaction/x',
  '/end-session',
  '/end-session/success',
];
const programs = ['/.well-known/openid-configuration', '/jwks', '/userinfo', '/api/v1/me', '/healthz'];

describe.each([
  ['http', false, useGatehouse()],
  [
    'https',
    true,
    useGatehouse({
      settings: { PORT: String(port), ISSUER: 'https://id.example.com', TRUSTED_PROXIES: '127.0.0.1/32' },
    }),
  ],
] as const)('with an %s issuer', (_scheme, secure, server) => {
  const origin = () => (secure ? `http://localhost:${port}` : server.issuer);
  const get = (path: string, accept = 'text/html') =>
    fetch(`${origin()}${path}`, {
      headers: { accept, 'x-forwarded-proto': 'https' },
      redirect: 'manual',
    });

  it.each(pages)('the page %s is closed to frames, sniffing and scripts of others', async (path) => {
    const response = await get(path);
    const html = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    const nonce = /script-src 'nonce-([\w-]{22})'/.exec(policy)?.[1] ?? '';
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("base-uri 'none'");
    expect(policy).toMatch(/form-action 'self'/);
    expect(policy).not.toContain('unsafe');
    for (const [tag] of html.matchAll(/<script[^>]*>/g)) expect(tag).toContain(`nonce="${nonce}"`);
    expect(nonce).not.toBe('');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store',
      'x-request-id': expect.any(String),
    });
    expectTransportSecurity(response, secure);
    expect((await get(path)).headers.get('content-security-policy')).not.toBe(policy);
  });

  it.each(programs)('the answer of %s is not sniffed and tells no referrer', async (path) => {
    const response = await get(path, 'application/json');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('x-request-id')).toBeTruthy();
    expect(response.headers.get('x-powered-by')).toBeNull();
    expect(response.headers.get('server')).toBeNull();
    expectTransportSecurity(response, secure);
  });

  it('every cookie is closed to scripts and tied to its host', async () => {
    const cookies = await cookiesOfSignIn(server, origin());
    const prefix = secure ? ['__Host-', '__Secure-'] : ['', ''];
    const names = cookies.map((cookie) => cookie.slice(0, cookie.indexOf('=')).replace(/\.sig$/, ''));
    expect([...new Set(names)].sort()).toEqual(
      [
        `${prefix[0]}gatehouse_csrf`,
        `${prefix[0]}session`,
        `${prefix[1]}interaction`,
        `${prefix[1]}resume`,
      ].sort(),
    );
    for (const cookie of cookies) {
      expect(cookie).toMatch(/; ?httponly/i);
      expect(cookie).toMatch(/; ?samesite=lax/i);
      expect(cookie).not.toMatch(/; ?domain=/i);
      expect(/; ?secure/i.test(cookie), cookie).toBe(secure);
      const path = /; ?path=([^;]+)/i.exec(cookie)?.[1];
      if (/^(__Host-)?(session|gatehouse_csrf)/.test(cookie)) expect(path).toBe('/');
      else expect(path).toMatch(/^\/(interaction|authorize)\/[\w-]+$/);
    }
  });
});

function expectTransportSecurity(response: Response, secure: boolean): void {
  const wanted = secure ? 'max-age=63072000; includeSubDomains' : null;
  expect(response.headers.get('strict-transport-security')).toBe(wanted);
}

async function cookiesOfSignIn(server: TestServer, origin: string): Promise<string[]> {
  const { client } = await createClient(server.services);
  const params = new URLSearchParams({
    client_id: client.id,
    redirect_uri: client.redirectUris[0] ?? '',
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  });
  const begun = await fetch(`${origin}/authorize?${params}`, { redirect: 'manual' });
  const page = await fetch(new URL(begun.headers.get('location') ?? '', origin), {
    headers: {
      cookie: begun.headers
        .getSetCookie()
        .map((line) => line.split(';')[0])
        .join('; '),
    },
  });
  const device = await fetch(`${origin}/device`);
  return [begun, page, device].flatMap((response) => response.headers.getSetCookie());
}
