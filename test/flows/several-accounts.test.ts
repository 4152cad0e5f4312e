// Several accounts in one browser: signing in as another keeps the first, choosing switches, and signing out ends one.
import * as oauth from 'openid-client';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { eventTypes, type RelyingParty, relyingParty, type Tokens } from './relying-party.ts';

const gatehouse = useGatehouse();
const bye = 'https://app.example.com/bye';

interface Two {
  readonly browser: Browser;
  readonly app: RelyingParty;
  readonly first: Account;
  readonly second: Account;
  /** Of the first and of the second, from this browser. */
  readonly tokens: readonly [Tokens, Tokens];
}

/** Two people signed in in one browser; the second is the active one. */
async function twoSignedIn(input: Parameters<typeof relyingParty>[1] = {}): Promise<Two> {
  const [first, second] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
  const app = await relyingParty(gatehouse, {
    firstParty: true,
    postLogoutRedirectUris: [bye],
    ...input,
  });
  const { tokens: ofFirst, browser } = await app.signIn(first);
  const ofSecond = await addAccount(app, browser, second);
  return { browser, app, first, second, tokens: [ofFirst, ofSecond] };
}

async function addAccount(app: RelyingParty, browser: Browser, person: Account): Promise<Tokens> {
  const begun = await app.begin({ prompt: 'select_account' });
  const choose = await browser.open(begun.url);
  const login = await browser.submit(choose, { choice: 'another' }, '/select-account');
  const landed = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
  return app.finish(landed.url, begun);
}

/** The values of the buttons on the page of accounts, by the name that is shown beside them. */
function choices(page: Shown): Map<string, string> {
  const buttons = page.html.matchAll(/name="choice" value="([^"]+)">[\s\S]*?<strong>([^<]+)<\/strong>/g);
  return new Map([...buttons].map(([, value = '', label = '']) => [label, value]));
}

function choiceOf(page: Shown, person: Account): string {
  return choices(page).get(person.name ?? '') ?? '';
}

async function subject(app: RelyingParty, browser: Browser, params: Record<string, string> = {}) {
  const begun = await app.begin({ prompt: 'none', ...params });
  const shown = await browser.open(begun.url);
  const error = new URL(shown.url).searchParams.get('error');
  return error ?? (await app.finish(shown.url, begun)).claims()?.sub;
}

async function isAlive(tokens: Tokens): Promise<boolean> {
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  return (await fetch(`${gatehouse.issuer}/userinfo`, { headers })).status === 200;
}

async function signOut(browser: Browser, params: Record<string, string> = {}): Promise<Shown> {
  const page = await browser.open(`${gatehouse.issuer}/end-session?${new URLSearchParams(params)}`);
  return browser.submit(page, { logout: 'yes' });
}

describe('signing in as another', () => {
  it('keeps the first one signed in, with all that was issued', async () => {
    const { app, browser, second, tokens } = await twoSignedIn();

    expect(await isAlive(tokens[0])).toBe(true);
    expect(await isAlive(tokens[1])).toBe(true);
    expect(await subject(app, browser)).toBe(second.id);
  });

  it('ends no session and tells no app', async () => {
    const { first } = await twoSignedIn();
    const types = await eventTypes(gatehouse.services, { accountId: first.id });

    expect(types).not.toContain('session.ended');
    expect(types).not.toContain('grant.revoked');
  });

  it('as the same person again makes no second session', async () => {
    const { app, browser, first } = await twoSignedIn();
    await addAccount(app, browser, first);
    const { items } = await gatehouse.services.sessions.list(
      { accountId: first.id },
      { limit: 9, cursor: null },
    );

    expect(items).toHaveLength(1);
    expect(await subject(app, browser)).toBe(first.id);
  });

  it('gives both sessions a new id in the cookie', async () => {
    const first = await createPerson(gatehouse.services);
    const app = await relyingParty(gatehouse, { firstParty: true });
    const { browser } = await app.signIn(first);
    const before = browser.cookies.get('session');
    await addAccount(app, browser, await createPerson(gatehouse.services));

    expect(browser.cookies.get('session')).not.toBe(before);
  });

  it('from the consent page is for the same request', async () => {
    const [first, second] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const app = await relyingParty(gatehouse);
    const { browser } = await app.signIn(first);
    const begun = await app.begin({ prompt: 'consent' });
    const consent = await browser.open(begun.url);
    const choose = await browser.submit(consent, {}, '/switch-account');
    const login = await browser.submit(choose, { choice: 'another' }, '/select-account');
    const again = await browser.submit(login, { identifier: second.email ?? '', password }, '/login');
    const landed = await browser.submit(again, {}, '/consent');

    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(second.id);
  });
});

describe('the page of accounts', () => {
  it('lists everybody who is signed in in this browser, the active one first', async () => {
    const { app, browser, first, second } = await twoSignedIn();
    const page = await browser.open((await app.begin({ prompt: 'select_account' })).url);

    expect([...choices(page).keys()]).toEqual([second.name, first.name]);
    for (const { email } of [first, second]) expect(page.html).toContain(email);
  });

  it('switches to the one that is chosen, without a password, and back', async () => {
    const { app, browser, first, second } = await twoSignedIn();
    for (const person of [first, second, first]) {
      const begun = await app.begin({ prompt: 'select_account' });
      const page = await browser.open(begun.url);
      const landed = await browser.submit(page, { choice: choiceOf(page, person) }, '/select-account');

      expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(person.id);
      expect(await subject(app, browser)).toBe(person.id);
    }
  });

  it('signs one of the others out, whose apps lose it, and leaves the active one alone', async () => {
    const { app, browser, first, second, tokens } = await twoSignedIn();
    const page = await browser.open((await app.begin({ prompt: 'select_account' })).url);
    const after = await browser.submit(page, { sign_out: choiceOf(page, first) }, '/select-account');

    expect([...choices(after).keys()]).toEqual([second.name]);
    expect(await isAlive(tokens[0])).toBe(false);
    expect(await isAlive(tokens[1])).toBe(true);
    expect(await eventTypes(gatehouse.services, { accountId: first.id })).toContain('session.ended');
  });

  it('signs the active one out, and the request goes on as another', async () => {
    const { app, browser, first, second, tokens } = await twoSignedIn();
    const begun = await app.begin({ prompt: 'select_account' });
    const page = await browser.open(begun.url);
    const after = await browser.submit(page, { sign_out: choiceOf(page, second) }, '/select-account');
    const landed = await browser.submit(after, { choice: choiceOf(after, first) }, '/select-account');

    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(first.id);
    expect(await isAlive(tokens[1])).toBe(false);
  });

  it('becomes the sign-in page when everybody has signed out', async () => {
    const { app, browser, first, second } = await twoSignedIn();
    let page = await browser.open((await app.begin({ prompt: 'select_account' })).url);
    for (const person of [first, second]) {
      page = await browser.submit(page, { sign_out: choiceOf(page, person) }, '/select-account');
    }

    expect(page.html).toContain('type="password"');
  });

  it('does not list a session that was ended elsewhere, nor a person who was suspended', async () => {
    const { app, browser, first, second } = await twoSignedIn();
    const third = await createPerson(gatehouse.services);
    await addAccount(app, browser, third);
    await gatehouse.services.sessions.endAll({ accountId: first.id }, operator);
    await gatehouse.services.accounts.suspend(second.id, null, operator);
    const page = await browser.open((await app.begin({ prompt: 'select_account' })).url);

    expect([...choices(page).keys()]).toEqual([third.name]);
  });

  it('remembers eight accounts and no more', async () => {
    const app = await relyingParty(gatehouse, { firstParty: true });
    const browser = createBrowser(gatehouse.issuer);
    await app.signIn(await createPerson(gatehouse.services), {}, browser);
    for (let count = 0; count < 9; count += 1) {
      await addAccount(app, browser, await createPerson(gatehouse.services));
    }
    const page = await browser.open((await app.begin({ prompt: 'select_account' })).url);

    expect(choices(page).size).toBe(8);
    expect((browser.cookies.get('accounts') ?? '').length).toBeLessThan(1000);
  }, 30_000);
});

describe('an app that says whom it means', () => {
  it('by login_hint gets that account, also when no page may be shown', async () => {
    const { app, browser, first, second } = await twoSignedIn();

    expect(await subject(app, browser, { login_hint: first.email?.toUpperCase() ?? '' })).toBe(first.id);
    expect(await subject(app, browser, { login_hint: second.email ?? '' })).toBe(second.id);
  });

  it('by id_token_hint gets that account, also when no page may be shown', async () => {
    const { app, browser, first, tokens } = await twoSignedIn();

    expect(await subject(app, browser, { id_token_hint: tokens[0].id_token ?? '' })).toBe(first.id);
  });

  it('by id_token_hint gets that account when the app knows people by pairwise subjects', async () => {
    const { app, browser, tokens } = await twoSignedIn({ subjectType: 'pairwise' });
    const [expected] = tokens.map((set) => set.claims()?.sub);

    expect(await subject(app, browser, { id_token_hint: tokens[0].id_token ?? '' })).toBe(expected);
  });

  it('in a pushed request gets that account', async () => {
    const { app, browser, first } = await twoSignedIn();
    const begun = await app.begin({ prompt: 'none', login_hint: first.email ?? '' });
    const pushed = await oauth.buildAuthorizationUrlWithPAR(
      app.config,
      Object.fromEntries(new URL(begun.url).searchParams),
    );
    const shown = await browser.open(pushed.href);

    expect((await app.finish(shown.url, begun)).claims()?.sub).toBe(first.id);
  });

  it('and is answered login_required when that one is not signed in here', async () => {
    const { app, browser } = await twoSignedIn();
    const { tokens } = await app.signIn(await createPerson(gatehouse.services));

    expect(await subject(app, browser, { id_token_hint: tokens.id_token ?? '' })).toBe('login_required');
  });

  it('with a forged id_token_hint gets nothing', async () => {
    const { app, browser, first } = await twoSignedIn();
    const claims = Buffer.from(JSON.stringify({ sub: first.id, aud: app.client.id })).toString('base64url');

    expect(await subject(app, browser, { id_token_hint: `eyJhbGciOiJFUzI1NiJ9.${claims}.AAAA` })).toBe(
      'invalid_request',
    );
  });

  it('by a forged id_token_hint moves nobody, at a sign-in and at a sign-out', async () => {
    const { app, browser, first, second } = await twoSignedIn();
    const claims = { sub: first.id, aud: app.client.id, iss: gatehouse.issuer };
    const hint = `eyJhbGciOiJFUzI1NiJ9.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.AAAA`;
    await subject(app, browser, { id_token_hint: hint });
    await browser.open(`${gatehouse.issuer}/end-session?${new URLSearchParams({ id_token_hint: hint })}`);

    expect(await subject(app, browser)).toBe(second.id);
  });

  it('but is no app here moves nobody', async () => {
    const { app, browser, first, second } = await twoSignedIn();
    const hint = new URLSearchParams({ login_hint: first.email ?? '' });
    await browser.open(`${gatehouse.issuer}/authorize?client_id=nobody&${hint}`);
    await browser.open(`${gatehouse.issuer}/end-session?${hint}`);

    expect(await subject(app, browser)).toBe(second.id);
  });

  it('lets the person choose all the same when it asks for that', async () => {
    const { app, browser, first, second } = await twoSignedIn();
    const begun = await app.begin({ prompt: 'select_account', login_hint: first.email ?? '' });
    const page = await browser.open(begun.url);

    expect([...choices(page).keys()][0]).toBe(second.name);
  });
});

describe('signing out of one account', () => {
  it('leaves the others signed in, and asks which of them goes on', async () => {
    const { app, browser, first, tokens } = await twoSignedIn();
    await signOut(browser);
    expect(await isAlive(tokens[0])).toBe(true);
    expect(await isAlive(tokens[1])).toBe(false);
    expect(await subject(app, browser)).toBe('account_selection_required');

    const begun = await app.begin();
    const page = await browser.open(begun.url);
    const landed = await browser.submit(page, { choice: choiceOf(page, first) }, '/select-account');
    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(first.id);
  });

  it('that its app names signs out that one, not the active one, which stays active', async () => {
    const { app, browser, second, tokens } = await twoSignedIn();
    const landed = await signOut(browser, {
      id_token_hint: tokens[0].id_token ?? '',
      post_logout_redirect_uri: bye,
    });

    expect(landed.url).toBe(bye);
    expect(await isAlive(tokens[0])).toBe(false);
    expect(await isAlive(tokens[1])).toBe(true);
    expect(await subject(app, browser)).toBe(second.id);
  });

  it('that its app names may be declined: both stay, and the active one stays active', async () => {
    const { app, browser, first, second, tokens } = await twoSignedIn();
    const hint = new URLSearchParams({ id_token_hint: tokens[0].id_token ?? '' });
    const page = await browser.open(`${gatehouse.issuer}/end-session?${hint}`);
    await browser.submit(page, {});

    expect(await subject(app, browser)).toBe(second.id);
    expect(await subject(app, browser, { login_hint: first.email ?? '' })).toBe(first.id);
  });
});

describe('two tabs', () => {
  it('go on each as whom it began, when one of them switches in between', async () => {
    const [first, second] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const app = await relyingParty(gatehouse);
    const { browser } = await app.signIn(first);
    const begun = await app.begin({ prompt: 'consent' });
    const waiting = await browser.open(begun.url);
    const firstParty = await relyingParty(gatehouse, { firstParty: true });
    await addAccount(firstParty, browser, second);
    const landed = await browser.submit(waiting, {}, '/consent');

    expect((await app.finish(landed.url, begun)).claims()?.sub).toBe(first.id);
  });

  it('that sign in two people at once sign nobody out', async () => {
    const [first, second] = [await createPerson(gatehouse.services), await createPerson(gatehouse.services)];
    const app = await relyingParty(gatehouse, { firstParty: true });
    const browser = createBrowser(gatehouse.issuer);
    const [one, two] = [await app.begin(), await app.begin()];
    const [left, right] = [await browser.open(one.url), await browser.open(two.url)];
    const ofFirst = await browser.submit(left, { identifier: first.email ?? '', password }, '/login');
    const ofSecond = await browser.submit(right, { identifier: second.email ?? '', password }, '/login');
    const tokens = [await app.finish(ofFirst.url, one), await app.finish(ofSecond.url, two)];

    expect(await Promise.all(tokens.map(isAlive))).toEqual([true, true]);
    expect(await subject(app, browser, { login_hint: first.email ?? '' })).toBe(first.id);
  });
});

describe('the cookie of the other accounts', () => {
  it('names nobody, is not readable by scripts, and stays on this site', async () => {
    const { app, browser, first } = await twoSignedIn();
    const page = await browser.open((await app.begin({ prompt: 'select_account' })).url);
    const form = page.forms.find(({ action }) => action.endsWith('/select-account'));
    const answer = await fetch(form?.action ?? '', {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: cookieLine(browser.cookies), origin: gatehouse.issuer },
      body: new URLSearchParams({ ...form?.fields, choice: choiceOf(page, first) }),
    });
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith('accounts=')) ?? '';

    expect(cookie.toLowerCase()).toMatch(/; path=\/; expires=.*; samesite=lax; httponly/);
    const bytes = Buffer.from(cookie.slice('accounts='.length).split(';')[0] ?? '', 'base64url').toString(
      'latin1',
    );
    for (const secret of [first.id, first.email ?? '', browser.cookies.get('session') ?? '']) {
      expect(bytes).not.toContain(secret);
    }
  });

  it('that was forged or cut gives nothing', async () => {
    const { app, browser } = await twoSignedIn();
    const good = browser.cookies.get('accounts') ?? '';
    const forged = Buffer.from(JSON.stringify({ ids: [browser.cookies.get('session')], back: false }));
    const listed = async (accounts: string) =>
      [...choices(await withAccounts(app, { ...sessionOf(browser), accounts })).keys()].length;

    expect(await listed(good)).toBe(2);
    for (const bad of [forged.toString('base64url'), good.slice(0, -4), 'x', `${good}AAAA`]) {
      expect(await listed(bad)).toBe(1);
    }
  });

  it('that was kept opens no session that has ended, or has another id since', async () => {
    const { app, browser, first } = await twoSignedIn();
    const accounts = browser.cookies.get('accounts') ?? '';
    const before = choices(await withAccounts(app, { accounts })).size;
    // The first one goes on in this browser: its session gets a new id, and the kept cookie has the old one.
    const page = await browser.open((await app.begin({ prompt: 'select_account' })).url);
    await browser.submit(page, { choice: choiceOf(page, first) }, '/select-account');

    expect(before).toBe(1);
    expect(choices(await withAccounts(app, { accounts })).size).toBe(0);
  });

  it('of another browser gives no choice to name its sessions', async () => {
    const mine = await twoSignedIn();
    const theirs = await twoSignedIn();
    const [begun, foreign] = [
      await mine.app.begin({ prompt: 'select_account' }),
      await theirs.browser.open((await theirs.app.begin({ prompt: 'select_account' })).url),
    ];
    const page = await mine.browser.open(begun.url);
    const choice = choiceOf(foreign, theirs.first);
    const again = await mine.browser.submit(page, { choice }, '/select-account');
    await mine.browser.submit(again, { sign_out: choice }, '/select-account');

    expect(again.html).toContain(mine.first.email);
    expect(await isAlive(theirs.tokens[0])).toBe(true);
  });
});

/** The page of accounts as a browser with these cookies gets it. */
async function withAccounts(app: RelyingParty, cookies: Record<string, string | undefined>): Promise<Shown> {
  const browser = createBrowser(gatehouse.issuer);
  browser.headers.cookie = cookieLine(Object.entries(cookies));
  const { url } = await app.begin({ prompt: 'select_account' });
  const begun = await fetch(url, { headers: browser.headers, redirect: 'manual' });
  const set = begun.headers.getSetCookie().map((line) => line.split(';')[0] ?? '');
  const fresh = new Set(set.map((line) => line.split('=')[0]));
  const kept = Object.entries(cookies).filter(([name]) => !fresh.has(name));
  const page = await fetch(new URL(begun.headers.get('location') ?? '', url), {
    headers: { cookie: [cookieLine(kept), ...set].join('; ') },
  });
  return { url, status: page.status, headers: page.headers, html: await page.text(), forms: [] };
}

function cookieLine(cookies: Iterable<readonly [string, string | undefined]>): string {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
}

function sessionOf(browser: Browser) {
  return { session: browser.cookies.get('session'), 'session.sig': browser.cookies.get('session.sig') };
}
