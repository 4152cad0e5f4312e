// Sign-ins that take another way than planned: second tab, back button, double click, no cookies, too late.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse();

afterEach(() => {
  vi.useRealTimers();
});

async function scene() {
  const person = await createPerson(gatehouse.services);
  const app = await relyingParty(gatehouse);
  const browser = createBrowser(gatehouse.issuer);
  const typed = { identifier: person.email ?? '', password };
  return { person, app, browser, typed };
}

function isStartAgain(page: Shown): void {
  expect(page.status).toBe(400);
  expect(page.forms).toEqual([]);
  expect(page.html).toContain('<title>Start again');
}

describe('two tabs of one browser', () => {
  it('that began before anybody signed in both end at their app', async () => {
    const { app, browser, typed, person } = await scene();
    const [first, second] = [await app.begin(), await app.begin()];
    const [tab1, tab2] = [await browser.open(first.url), await browser.open(second.url)];
    const consent = await browser.submit(tab1, typed, '/login');
    const landed1 = await browser.submit(consent, {}, '/consent');
    const landed2 = await browser.submit(tab2, typed, '/login');

    expect((await app.finish(landed1.url, first)).claims()?.sub).toBe(person.id);
    expect((await app.finish(landed2.url, second)).claims()?.sub).toBe(person.id);
  });

  it('for two apps keep their answers apart', async () => {
    const { app, browser, typed } = await scene();
    const other = await relyingParty(gatehouse, { redirectUris: ['https://other.example.com/callback'] });
    const tab1 = await browser.open((await app.begin()).url);
    const tab2 = await browser.open((await other.begin()).url);
    const consent2 = await browser.submit(tab2, typed, '/login');
    const landed2 = await browser.submit(consent2, {}, '/consent');
    const consent1 = await browser.submit(tab1, typed, '/login');
    const landed1 = await browser.submit(consent1, {}, '/consent');

    expect(new URL(landed1.url).host).toBe('app.example.com');
    expect(new URL(landed2.url).host).toBe('other.example.com');
  });
});

describe('the same form sent twice', () => {
  it('after the sign-in was finished shows the way back', async () => {
    const { app, browser, typed } = await scene();
    const login = await browser.open((await app.begin()).url);
    const consent = await browser.submit(login, typed, '/login');
    await browser.submit(consent, {}, '/consent');

    isStartAgain(await browser.submit(consent, {}, '/consent'));
  });

  it('from the password page, once the consent page is up, does no harm', async () => {
    const { app, browser, typed, person } = await scene();
    const begun = await app.begin();
    const login = await browser.open(begun.url);
    await browser.submit(login, typed, '/login');
    const again = await browser.submit(login, typed, '/login');

    expect(again.status).toBeLessThan(500);
    const consent = again.forms.length > 0 ? again : await browser.open(begun.url);
    const landed = await browser.submit(consent, {}, '/consent');
    expect(landed.url).toContain('code=');
    expect(await gatehouse.database.db('oidc_sessions').where({ account_id: person.id })).toHaveLength(1);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'at the same moment signs in once and fails never, round %i',
    async () => {
      const { app, browser, typed, person } = await scene();
      const login = await browser.open((await app.begin()).url);
      const answers = await Promise.all([1, 2, 3].map(() => browser.submit(login, typed, '/login')));

      for (const answer of answers) expect(answer.status).toBeLessThan(500);
      expect(await gatehouse.database.db('oidc_sessions').where({ account_id: person.id })).toHaveLength(1);
    },
  );

  it('at the same moment from the consent page makes one code at most', async () => {
    const { app, browser, typed } = await scene();
    const login = await browser.open((await app.begin()).url);
    const consent = await browser.submit(login, typed, '/login');
    const answers = await Promise.all([1, 2, 3].map(() => browser.submit(consent, {}, '/consent')));

    for (const answer of answers) expect(answer.status).toBeLessThan(500);
    expect(answers.filter((answer) => answer.url.includes('code=')).length).toBeGreaterThanOrEqual(1);
  });
});

describe('a sign-in that is no longer there', () => {
  it('is explained when it was finished', async () => {
    const { app, browser, typed } = await scene();
    const login = await browser.open((await app.begin()).url);
    const consent = await browser.submit(login, typed, '/login');
    await browser.submit(consent, {}, '/consent');

    isStartAgain(await browser.open(login.url));
  });

  it('is explained when it took too long', async () => {
    const { app, browser, typed } = await scene();
    const login = await browser.open((await app.begin()).url);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3700_000 });

    isStartAgain(await browser.submit(login, typed, '/login'));
  });

  it('is explained when the browser keeps no cookies', async () => {
    const { app } = await scene();
    const answer = await fetch((await app.begin()).url, { headers: { accept: 'text/html' } });

    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain('Cookies');
  });

  it('is explained when the app was disabled in between', async () => {
    const { app, browser, typed } = await scene();
    const login = await browser.open((await app.begin()).url);
    await gatehouse.services.clients.change(app.client.id, { status: 'disabled' }, operator);
    const answer = await browser.submit(login, typed, '/login');

    expect(answer.status).toBe(400);
    expect(answer.url).not.toContain('code=');
  });

  it('is explained when its address is made up', async () => {
    const { browser } = await scene();

    isStartAgain(await browser.open(`${gatehouse.issuer}/interaction/made-up`));
    isStartAgain(await browser.open(`${gatehouse.issuer}/authorize/made-up`));
  });
});
