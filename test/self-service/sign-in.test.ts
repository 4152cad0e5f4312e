// The way into the account pages, back to where one was, and out: through the same steps as any app.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { wayBack } from '../../src/self-service/sign-in.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password } from '../support/people.ts';

const server = useGatehouse();

async function signIn(browser: Browser, page: Shown, email: string): Promise<Shown> {
  return browser.submit(page, { identifier: email, password }, '/login');
}

describe('the account area', () => {
  it('asks who is there, and shows the page that was asked for', async () => {
    const anna = await createPerson(server.services, { email: 'anna@example.com' });
    await server.services.accounts.change(anna.id, { name: null, givenName: 'Anna' }, operator);
    const browser = createBrowser(server.issuer);
    const asked = await browser.open('/account');
    expect(new URL(asked.url).pathname).toMatch(/^\/interaction\//);
    const home = await signIn(browser, asked, 'anna@example.com');
    expect(new URL(home.url).pathname).toBe('/account');
    expect(home.status).toBe(200);
    expect(home.html).toContain('Hello, Anna');
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

describe('a sign-in that is not enough', () => {
  afterEach(() => vi.useRealTimers());

  async function signedIn(email: string) {
    const person = await createPerson(server.services, { email });
    const browser = createBrowser(server.issuer);
    await signIn(browser, await browser.open('/account'), email);
    return { person, browser };
  }

  const later = (minutes: number) =>
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * 60_000 });

  it('is asked for anew before what is sensitive, and leads back to the page that was asked for', async () => {
    const { browser } = await signedIn('kim@example.com');
    const path = '/account/security/password?from=home';
    expect(new URL((await browser.open(path)).url).pathname).toBe('/account/security/password');
    later(11);
    expect(new URL((await browser.open('/account')).url).pathname).toBe('/account');
    const asked = await browser.open(path);
    expect(new URL(asked.url).pathname).toMatch(/^\/interaction\//);
    const back = await signIn(browser, asked, 'kim@example.com');
    expect(back.url).toBe(`${server.issuer}${path}`);
    expect(back.status).toBe(200);
  });

  it('changes nothing by a form that was open for too long', async () => {
    const { person, browser } = await signedIn('lea@example.com');
    const form = await browser.open('/account/security/password');
    later(11);
    const fields = { current_password: password, password: 'another meadow under nine lanterns' };
    const asked = await browser.submit(form, fields, '/password');
    expect(new URL(asked.url).pathname).toMatch(/^\/interaction\//);
    const proof = { identifier: person.email ?? '', password };
    expect((await server.services.credentials.verify('password', proof)).kind).toBe('ok');
  });

  it('asks for the second step as soon as the account has one', async () => {
    const { person, browser } = await signedIn('mia@example.com');
    await addAuthenticator(server.services, person);
    const asked = await browser.open('/account');
    expect(asked.forms.some(({ action }) => action.endsWith('/second-factor'))).toBe(true);
    const home = await browser.submit(asked, { code: await codeOf(person) }, '/second-factor');
    expect(new URL(home.url).pathname).toBe('/account');
  });

  it('asks again after the account was suspended and reinstated', async () => {
    const { person, browser } = await signedIn('nora@example.com');
    await server.services.accounts.suspend(person.id, null, operator);
    await server.services.accounts.reinstate(person.id, operator);
    expect(new URL((await browser.open('/account')).url).pathname).toMatch(/^\/interaction\//);
  });

  it('leads nowhere in circles when nobody is signed in', async () => {
    const page = await createBrowser(server.issuer).open('/account/signed-in?state=/account');
    expect(page.status).toBe(401);
  });

  it('is not asked again of whoever would not sign in', async () => {
    const browser = createBrowser(server.issuer);
    const asked = await browser.open('/account/apps');
    const home = await browser.submit(asked, {}, '/cancel');
    expect(new URL(home.url).pathname).toBe('/');
  });
});

describe('a session', () => {
  afterEach(() => vi.useRealTimers());

  const row = async (accountId: string) =>
    server.database.postgres
      .db('oidc_sessions')
      .where({ account_id: accountId })
      .first('seen_at', 'user_agent');

  it('goes on by the use of account pages, written once a minute at most, with where it was used last', async () => {
    const person = await createPerson(server.services, { email: 'olga@example.com' });
    const browser = createBrowser(server.issuer);
    await signIn(browser, await browser.open('/account'), 'olga@example.com');
    const before = await row(person.id);
    await browser.open('/account');
    expect(await row(person.id)).toEqual(before);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 60_000 });
    await browser.open('/account');
    const after = await row(person.id);
    expect(after?.seen_at.getTime()).toBeGreaterThan(before?.seen_at.getTime() ?? 0);
    browser.headers['user-agent'] = 'OtherBrowser/2.0';
    await browser.open('/account');
    expect((await row(person.id))?.user_agent).toBe('OtherBrowser/2.0');
  });

  it('that ends while a page is made stays ended', async () => {
    const person = await createPerson(server.services, { email: 'paul@example.com' });
    const browser = createBrowser(server.issuer);
    await signIn(browser, await browser.open('/account'), 'paul@example.com');
    const { items } = await server.services.sessions.list(
      { accountId: person.id },
      { limit: 5, cursor: null },
    );
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 60_000 });
    await Promise.all([
      ...Array.from({ length: 8 }, () => browser.open('/account').catch(() => undefined)),
      server.services.sessions.end(items[0]?.id ?? '', operator),
    ]);
    expect(await row(person.id)).toBeUndefined();
  });

  it('is not ended by a form of another site', async () => {
    const person = await createPerson(server.services, { email: 'quinn@example.com' });
    const browser = createBrowser(server.issuer);
    await signIn(browser, await browser.open('/account'), 'quinn@example.com');
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(`${server.issuer}/account/sign-out`, {
      method: 'POST',
      headers: { cookie, 'content-type': 'application/x-www-form-urlencoded' },
      body: '',
    });
    expect(answer.status).toBe(403);
    expect(await row(person.id)).toBeDefined();
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
