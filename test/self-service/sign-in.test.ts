// The way into the account pages, back to where one was, and out: through the same steps as any app.
import { describe, expect, it } from 'vitest';
import { wayBack } from '../../src/self-service/sign-in.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password } from '../support/people.ts';

const server = useGatehouse();

async function signIn(browser: Browser, page: Shown, email: string): Promise<Shown> {
  return browser.submit(page, { identifier: email, password }, '/login');
}

describe('the account area', () => {
  it('asks who is there, and shows the page that was asked for', async () => {
    await createPerson(server.services, { email: 'anna@example.com' });
    const browser = createBrowser(server.issuer);
    const asked = await browser.open('/account');
    expect(new URL(asked.url).pathname).toMatch(/^\/interaction\//);
    const home = await signIn(browser, asked, 'anna@example.com');
    expect(new URL(home.url).pathname).toBe('/account');
    expect(home.status).toBe(200);
    expect(home.headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('gives nothing away on its way: neither a code nor a token', async () => {
    await createPerson(server.services, { email: 'bert@example.com' });
    const browser = createBrowser(server.issuer);
    await signIn(browser, await browser.open('/account'), 'bert@example.com');
    const answer = await fetch(
      `${server.issuer}/authorize?${new URLSearchParams({ client_id: 'gatehouse-account', response_type: 'none', scope: 'openid', redirect_uri: `${server.issuer}/account/signed-in`, state: '/account' })}`,
      {
        redirect: 'manual',
        headers: { cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      },
    );
    const to = new URL(answer.headers.get('location') ?? '');
    expect([...to.searchParams.keys()].sort()).toEqual(['iss', 'state']);
  });

  it('is left by one button, and asks again afterwards', async () => {
    await createPerson(server.services, { email: 'cora@example.com' });
    const browser = createBrowser(server.issuer);
    const home = await signIn(browser, await browser.open('/account'), 'cora@example.com');
    const out = await browser.submit(home, {}, '/account/sign-out');
    expect(new URL(out.url).pathname).toBe('/end-session/success');
    expect(new URL((await browser.open('/account')).url).pathname).toMatch(/^\/interaction\//);
  });
});

describe('the way back', () => {
  it.each(['/account', '/account/security', '/account/apps?page=2'])('leads to %s', (path) => {
    expect(wayBack(path)).toBe(path);
  });

  it.each([
    undefined,
    '',
    'https://evil.example/account',
    '//evil.example/account',
    '/\\evil.example/account',
    '/account/../console',
    '/account/%2e%2e/console',
    '/accounts',
    '/',
    'account',
    '/account/sign-in?back=/account/sign-in',
    '/account/signed-in',
    'javascript:alert(1)',
    '/account\t/../x',
  ])('never leads out of the account area: %s', (text) => {
    expect(wayBack(text)).toBe('/account');
  });
});
