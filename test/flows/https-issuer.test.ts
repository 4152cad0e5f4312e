// A server behind a TLS proxy: addresses and cookies are those of the https issuer, whatever the inner request looked like.
import { describe, expect, it } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { freePort, useGatehouse } from '../support/gatehouse.ts';
import { createClient, createPerson, password } from '../support/people.ts';

const port = await freePort();
const inner = `http://localhost:${port}`;
const issuer = 'https://id.example.com';
const gatehouse = useGatehouse({ settings: { PORT: String(port), ISSUER: issuer } });
const callback = 'https://app.example.com/callback';

async function authorizationUrl(): Promise<string> {
  const { client } = await createClient(gatehouse.services, { firstParty: true });
  const url = new URL(`${inner}/authorize`);
  url.search = new URLSearchParams({
    client_id: client.id,
    response_type: 'code',
    redirect_uri: callback,
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  }).toString();
  return url.href;
}

/** What the proxy does: the outer address is asked for at the inner one. */
function throughProxy(shown: Shown): string {
  return shown.url.replace(issuer, inner);
}

describe('an https issuer behind a proxy', () => {
  it('names only https addresses of its own', async () => {
    const text = await (await fetch(`${inner}/.well-known/openid-configuration`)).text();
    const metadata: Record<string, unknown> = JSON.parse(text);
    const endpoints = Object.entries(metadata).filter(([name]) =>
      /_endpoint$|^jwks_uri$|^issuer$/.test(name),
    );

    for (const [, address] of endpoints) expect(String(address).startsWith(issuer)).toBe(true);
  });

  it('signs people in, with prefixed cookies that only travel encrypted', async () => {
    const person = await createPerson(gatehouse.services);
    const browser = createBrowser(inner);
    const login = await browser.open(await authorizationUrl());
    const typed = { identifier: person.email ?? '', password };
    const resume = await browser.submit(login, typed, '/login');
    expect(resume.url.startsWith(`${issuer}/authorize/`)).toBe(true);
    const landed = await browser.open(throughProxy(resume));

    expect(landed.url.startsWith(`${callback}?code=`)).toBe(true);
    expect([...browser.cookies.keys()].filter((name) => /session/.test(name)).sort()).toEqual([
      '__Host-session',
      '__Host-session.sig',
    ]);
  });

  it('marks every cookie Secure, HttpOnly and SameSite', async () => {
    const answer = await fetch(await authorizationUrl(), { redirect: 'manual' });
    const page = await fetch(new URL(answer.headers.get('location') ?? '', inner), {
      headers: {
        cookie: answer.headers
          .getSetCookie()
          .map((cookie) => cookie.split(';')[0])
          .join('; '),
      },
    });
    const cookies = [...answer.headers.getSetCookie(), ...page.headers.getSetCookie()];

    expect(cookies.length).toBeGreaterThanOrEqual(3);
    for (const cookie of cookies) {
      expect(cookie).toMatch(/^__(Host|Secure)-/);
      expect(cookie).toMatch(/; secure/i);
      expect(cookie).toMatch(/; httponly/i);
      expect(cookie).toMatch(/; samesite=lax/i);
    }
  });

  it('tells browsers to use https from now on', async () => {
    const answer = await fetch(`${inner}/jwks`);

    expect(answer.headers.get('strict-transport-security')).toContain('max-age=63072000');
  });

  it('refuses a form that was posted from the inner address', async () => {
    const browser = createBrowser(inner);
    const login = await browser.open(await authorizationUrl());
    const [form] = login.forms;
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(form?.action ?? '', {
      method: 'POST',
      body: new URLSearchParams(form?.fields),
      headers: { cookie, origin: inner },
      redirect: 'manual',
    });

    expect(answer.status).toBe(403);
  });
});
