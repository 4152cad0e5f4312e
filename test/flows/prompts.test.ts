// What an app may say about the sign-in it wants: prompt, max_age, hints and language (OpenID Connect Core §3.1.2.1).
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password, signInAt } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

afterEach(() => {
  vi.useRealTimers();
});

function errorIn(shown: Shown): string | null {
  return new URL(shown.url).searchParams.get('error');
}

function asksForPassword(shown: Shown): boolean {
  return shown.status === 200 && shown.html.includes('type="password"');
}

async function signedIn(input: Parameters<typeof relyingParty>[1] = {}) {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse, input);
  return { person, app, ...(await app.signIn(person)) };
}

/** The first button of the page of accounts: of who is signed in, the one that was used last. */
function firstAccount(page: Shown): string {
  return /name="choice" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
}

describe('prompt=none', () => {
  it('says login_required when nobody is signed in', async () => {
    const app = await relyingParty(gatehouse);
    const shown = await createBrowser(gatehouse.issuer).open((await app.begin({ prompt: 'none' })).url);

    expect(errorIn(shown)).toBe('login_required');
  });

  it('says consent_required when this app was not allowed yet', async () => {
    const { browser } = await signedIn();
    const other = await relyingParty(gatehouse);

    expect(errorIn(await browser.open((await other.begin({ prompt: 'none' })).url))).toBe('consent_required');
  });

  it('answers with a code when nothing is left to ask', async () => {
    const { browser, app } = await signedIn();

    expect((await browser.open((await app.begin({ prompt: 'none' })).url)).url).toContain('code=');
  });

  it('together with another prompt is refused', async () => {
    const { browser, app } = await signedIn();

    expect(errorIn(await browser.open((await app.begin({ prompt: 'none login' })).url))).toBe(
      'invalid_request',
    );
  });
});

describe('a fresh sign-in', () => {
  it('is asked for by prompt=login although somebody is signed in', async () => {
    const { browser, app } = await signedIn();

    expect(asksForPassword(await browser.open((await app.begin({ prompt: 'login' })).url))).toBe(true);
  });

  it('by prompt=login gives a new time of sign-in', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const { browser, tokens } = await app.signIn(person, { max_age: '600' });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5000 });
    const again = await app.signIn(person, { prompt: 'login', max_age: '600' }, browser);
    const [before, after] = [tokens, again.tokens].map((set) => Number(set.claims()?.auth_time));

    expect(Number(after) - Number(before)).toBeGreaterThanOrEqual(5);
  });

  it('is asked for when the last one is older than max_age', async () => {
    const { browser, app } = await signedIn();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 100_000 });

    expect(asksForPassword(await browser.open((await app.begin({ max_age: '60' })).url))).toBe(true);
  });

  it('is not asked for when the last one is younger than max_age', async () => {
    const { browser, app } = await signedIn();

    expect((await browser.open((await app.begin({ max_age: '600' })).url)).url).toContain('code=');
  });

  it('is asked for by max_age=0', async () => {
    const { browser, app } = await signedIn();

    expect(asksForPassword(await browser.open((await app.begin({ max_age: '0' })).url))).toBe(true);
  });
});

describe('hints', () => {
  it('login_hint is already typed on the page, as text', async () => {
    const app = await relyingParty(gatehouse);
    const hint = 'someone"><b>@example.com';
    const page = await createBrowser(gatehouse.issuer).open((await app.begin({ login_hint: hint })).url);

    expect(page.forms[0]?.fields.identifier).toBe(hint);
    expect(page.html).not.toContain('<b>@example.com');
  });

  it('id_token_hint of who is signed in asks nothing', async () => {
    const { browser, app, tokens } = await signedIn();
    const { url } = await app.begin({ prompt: 'none', id_token_hint: tokens.id_token ?? '' });

    expect((await browser.open(url)).url).toContain('code=');
  });

  it('id_token_hint of somebody else is not answered for who is signed in', async () => {
    const { browser, app } = await signedIn();
    const { tokens } = await app.signIn(await createPerson(gatehouse.services));
    const { url } = await app.begin({ prompt: 'none', id_token_hint: tokens.id_token ?? '' });

    expect(errorIn(await browser.open(url))).toBe('login_required');
  });
});

describe('prompt=select_account', () => {
  it('goes on as who is signed in, without a password', async () => {
    const { browser, app, person } = await signedIn();
    const begun = await app.begin({ prompt: 'select_account' });
    const page = await browser.open(begun.url);
    const landed = await browser.submit(page, { choice: firstAccount(page) }, '/select-account');

    expect(page.html).toContain(person.name);
    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(person.id);
  });

  it('lets another person sign in, whose account the app then gets', async () => {
    const { browser, app } = await signedIn();
    const other = await createPerson(gatehouse.services);
    const begun = await app.begin({ prompt: 'select_account' });
    const choose = await browser.open(begun.url);
    const login = await browser.submit(choose, { choice: 'another' }, '/select-account');
    const consent = await browser.submit(login, { identifier: other.email ?? '', password }, '/login');
    const landed = await browser.submit(consent, {}, '/consent');

    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(other.id);
  });

  it('signs nobody out when another person signs in beside the first', async () => {
    const { browser, app, tokens } = await signedIn({ firstParty: true });
    const other = await createPerson(gatehouse.services);
    const choose = await browser.open((await app.begin({ prompt: 'select_account' })).url);
    const login = await browser.submit(choose, { choice: 'another' }, '/select-account');
    await browser.submit(login, { identifier: other.email ?? '', password }, '/login');
    const headers = { authorization: `Bearer ${tokens.access_token}` };

    expect((await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status).toBe(200);
  });

  it('asks who is there when nobody is signed in', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const begun = await app.begin({ prompt: 'select_account' });
    const { landed } = await signInAt(begun.url, person);

    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(person.id);
  });
});

describe('language', () => {
  it('follows ui_locales on every page of the sign-in', async () => {
    const person = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse);
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin({ ui_locales: 'de' })).url);
    const consent = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');

    for (const page of [login, consent]) {
      expect(page.html).toContain('<html lang="de"');
      expect(page.headers.get('content-language')).toBe('de');
    }
    expect(consent.html).toContain('Zugriff erlauben');
  });

  it('takes the first language that there is', async () => {
    const app = await relyingParty(gatehouse);
    const browser = createBrowser(gatehouse.issuer);

    expect((await browser.open((await app.begin({ ui_locales: 'xx fr de-AT en' })).url)).html).toContain(
      'lang="de"',
    );
  });

  it('follows the browser when the app says nothing', async () => {
    const app = await relyingParty(gatehouse);
    const browser = createBrowser(gatehouse.issuer);
    browser.headers['accept-language'] = 'de-DE,de;q=0.9,en;q=0.5';

    expect((await browser.open((await app.begin()).url)).html).toContain('lang="de"');
  });

  it('is that of ui_locales on the sign-out page too', async () => {
    const { browser } = await signedIn();
    const page = await browser.open(`${gatehouse.issuer}/end-session?ui_locales=de`);

    expect(page.html).toContain('lang="de"');
  });
});
