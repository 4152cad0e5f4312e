// What happened in an account as its owner sees it, and shutting out whoever was in it and should not be.
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { activityTypes } from '../../src/self-service/activity-events.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { type Browser, createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password, signInAt } from '../support/people.ts';

const server = useGatehouse();
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const ACTIVITY = '/account/activity';
const all = { limit: 100, cursor: null };

async function browserOf(person: Account, userAgent?: string): Promise<Browser> {
  const browser = createBrowser(server.issuer);
  if (userAgent !== undefined) browser.headers['user-agent'] = userAgent;
  await signInAt(`${server.issuer}/account`, person, browser);
  return browser;
}

const isSignedIn = async (browser: Browser) => (await browser.open('/account')).url.endsWith('/account');

const kindsOf = async (person: Account) =>
  (await server.services.audit.list({ accountId: person.id }, all)).items.map(({ type }) => type);

describe('the page of activity', () => {
  it('tells sign-ins with browser and address, refused ones too, and marks this one', async () => {
    const person = await createPerson(server.services);
    const wrong = createBrowser(server.issuer);
    const asked = await wrong.open('/account');
    await wrong.submit(asked, { identifier: person.email ?? '', password: 'not the one' }, '/login');
    await browserOf(person, FIREFOX);
    const here = await browserOf(person);
    const page = await here.open(ACTIVITY);

    expect(page.html).toContain('Signed in');
    expect(page.html).toContain('Firefox on Linux · 127.0.0.1');
    expect(page.html).toContain('A sign-in was refused');
    expect(page.html.split('badge good')).toHaveLength(2);
  });

  it('says that it was an administrator, and not where they sit', async () => {
    const person = await createPerson(server.services);
    await server.services.credentials.setPassword(person.id, `${password} two`, operator);
    const here = createBrowser(server.issuer);
    const asked = await here.open(ACTIVITY);
    const page = await here.submit(
      asked,
      { identifier: person.email ?? '', password: `${password} two` },
      '/login',
    );
    expect(page.html).toContain('By an administrator');
  });

  it('shows nothing of other accounts, and has words for all that it shows', async () => {
    const [person, other] = [await createPerson(server.services), await createPerson(server.services)];
    await browserOf(other, FIREFOX);
    const here = await browserOf(person);
    for (const type of activityTypes) {
      await server.services.audit.append({
        type,
        actor: { kind: 'account', id: person.id },
        outcome: 'success',
        accountId: person.id,
      });
    }
    const first = await here.open(ACTIVITY);
    const next = /rel="next" href="([^"]+)"/.exec(first.html)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const second = await here.open(next);
    expect(first.html + second.html).not.toContain('Firefox');
    expect(first.html + second.html).not.toMatch(/>activity\./);
    expect(second.html).toContain('Signed in');
  });
});

describe('“this wasn’t me”', () => {
  it('ends other sessions, tokens and links, and has the password changed; this session goes on', async () => {
    const person = await createPerson(server.services);
    const app = await relyingParty(server, { firstParty: true });
    const thief = await app.signIn(person);
    const here = await browserOf(person);
    const asked = await here.open(`${ACTIVITY}/not-me`);
    const done = await here.submit(asked, {}, '/not-me');

    expect(done.url).toBe(`${server.issuer}${ACTIVITY}/protected`);
    expect(done.html).toContain('/account/security/password');
    expect(await isSignedIn(thief.browser)).toBe(false);
    expect(await isSignedIn(here)).toBe(true);
    const access = thief.tokens.access_token;
    const info = await fetch(`${server.issuer}/userinfo`, { headers: { authorization: `Bearer ${access}` } });
    expect(info.status).toBe(401);
    expect(await server.services.credentials.passwords.mustChange(person.id)).toBe('protected');
    const next = createBrowser(server.issuer);
    const login = await next.open('/account');
    const step = await next.submit(login, { identifier: person.email ?? '', password }, '/login');
    expect(step.html).toContain('You protected your account.');
    expect(await kindsOf(person)).toContain('account.protected');
  });

  it('needs a recent sign-in', async () => {
    const person = await createPerson(server.services);
    const [here, other] = [await browserOf(person), await browserOf(person)];
    const asked = await here.open(`${ACTIVITY}/not-me`);
    const now = Date.now;
    Date.now = () => now() + 11 * 60_000;
    try {
      expect((await here.submit(asked, {}, '/not-me')).html).toContain('name="password"');
    } finally {
      Date.now = now;
    }
    expect(await isSignedIn(other)).toBe(true);
  });
});
