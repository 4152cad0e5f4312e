// Making an account as a person does it: an address, the code in the mail, and on to the app that sent them.
import { describe, expect, it } from 'vitest';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, password } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const terms = { TERMS_VERSION: '2026-11', TERMS_URL: 'https://example.com/terms' };
const gatehouse = useGatehouse({ settings: { REGISTRATION: 'open', ...terms } });
const mailbox = useMailbox(gatehouse);
let count = 0;

function fresh() {
  count += 1;
  return `newcomer${count}@example.com`;
}

async function startAt(more: Record<string, string> = { prompt: 'create' }) {
  const app = await relyingParty(gatehouse);
  const { url } = await app.begin(more);
  const browser = createBrowser(gatehouse.issuer);
  return { app, browser, page: await browser.open(String(url)) };
}

/** As far as the page that asks for what an account needs. */
async function prove(browser: ReturnType<typeof createBrowser>, page: Shown, email: string) {
  const sent = await browser.submit(page, { email }, '/register');
  const { code = '' } = await mailbox.next(email, 'register');
  return browser.submit(sent, { code }, '/register/code');
}

const details = { field_name: 'Ada Lovelace', password, terms: 'yes' };

describe('making an account', () => {
  it('C13: begins at prompt=create, proves the address by a code, and goes on to the app', async () => {
    const email = fresh();
    const { app, browser, page } = await startAt();
    expect(page.html).toContain('Create an account');
    const form = await prove(browser, page, email);
    expect(form.html).toContain('Almost done');
    let landed = await browser.submit(form, { ...details, username: 'ada' }, '/register/account');
    if (landed.html.includes('consent')) landed = await browser.submit(landed, {}, '/consent');
    expect(landed.url).toContain('code=');
    expect(app).toBeDefined();
    const account = await gatehouse.services.accounts.findByIdentifier(email);
    expect(account).toMatchObject({
      emailVerified: true,
      username: 'ada',
      name: 'Ada Lovelace',
      locale: 'en',
    });
    const { items } = await gatehouse.services.audit.list(
      { accountId: account?.id },
      { limit: 50, cursor: null },
    );
    const types = items.map(({ type }) => type);
    for (const type of [
      'account.created',
      'account.registered',
      'password.set',
      'terms.accepted',
      'session.started',
    ]) {
      expect(types).toContain(type);
    }
  });

  it('makes no account before the address is proved, and leads there from the sign-in page', async () => {
    const email = fresh();
    const { browser, page } = await startAt({});
    expect(page.html).toContain('/register"');
    const begin = await browser.open(`${page.url}/register`);
    const sent = await browser.submit(begin, { email }, '/register');
    const skipped = await browser.submit(
      {
        ...sent,
        forms: [{ ...(sent.forms[0] ?? { fields: {}, method: 'post' }), action: `${sent.url}/account` }],
      },
      details,
    );
    expect(skipped.html).toContain('Look into your mailbox');
    const wrong = await browser.submit(sent, { code: '00000000' }, '/register/code');
    expect(wrong.status).toBe(400);
    expect(await gatehouse.services.accounts.findByIdentifier(email)).toBeUndefined();
  });

  it('loses nothing that was typed, and says beside each field what is wrong', async () => {
    const email = fresh();
    const { browser, page } = await startAt();
    const form = await prove(browser, page, email);
    const typed = { field_name: 'Ada \u202e evil', username: 'a@b', password: 'short' };
    const refused = await browser.submit(form, typed, '/register/account');
    expect(refused.status).toBe(400);
    expect(refused.html).toContain('turn the direction of writing');
    expect(refused.html).toContain('Please accept the terms');
    expect(refused.html).toContain('value="a@b"');
    expect(refused.html).not.toContain('value="short"');
    const next = await browser.submit(refused, { ...details, username: 'a@b' }, '/register/account');
    expect(next.html).toContain('“@” does not');
    const short = await browser.submit(
      next,
      { ...details, password: 'short', username: '' },
      '/register/account',
    );
    expect(short.html).toContain('At least');
    const done = await browser.submit(short, details, '/register/account');
    expect(done.url.includes('code=') || done.html.includes('consent')).toBe(true);
  });

  it('is proved by the link of the mail in the browser that began, by a button and not by looking', async () => {
    const email = fresh();
    const { browser, page } = await startAt();
    await browser.submit(page, { email }, '/register');
    const { link = '' } = await mailbox.next(email, 'register');
    const scanner = createBrowser(gatehouse.issuer);
    await scanner.open(link);
    await scanner.open(link);
    const asked = await browser.open(link);
    expect(asked.url).not.toContain('token');
    expect(asked.html).toContain(email);
    expect((await browser.open(`${page.url}/register`)).html).toContain('Look into your mailbox');
    const done = await browser.submit(asked, {});
    expect(done.html).toContain('Go back to the window');
    expect((await browser.open(link)).status).toBe(410);
    const form = await browser.open(`${page.url}/register`);
    expect(form.html).toContain('Almost done');
  });

  it('is not proved to who began with the address of somebody else, whatever its owner presses', async () => {
    const email = fresh();
    const stranger = await startAt();
    await stranger.browser.submit(stranger.page, { email }, '/register');
    const { link = '' } = await mailbox.next(email, 'register');
    const own = fresh();
    const { browser: owner, page } = await startAt();
    await owner.submit(page, { email: own }, '/register');
    const button = await owner.open((await mailbox.next(own, 'register')).link ?? '');
    const shown = await owner.open(link);
    expect(shown.html).toContain('Go back to the browser in which you began');
    expect(shown.html).not.toContain('/verify-address');
    // The button of their own registration, pressed when the browser carries the link of the stranger's.
    const pressed = await owner.submit(button, {}, '/verify-address');
    expect(pressed.status).toBe(403);
    expect(pressed.html).toContain('Go back to the browser in which you began');
    const waiting = await stranger.browser.open(`${stranger.page.url}/register`);
    expect(waiting.html).toContain('Look into your mailbox');
  });

  it('makes one account of two finishes at once', async () => {
    const email = fresh();
    const { browser, page } = await startAt();
    const form = await prove(browser, page, email);
    await Promise.all([1, 2, 3].map(() => browser.submit(form, details, '/register/account')));
    const rows = await gatehouse.database.db('account_identifiers').where({ normalized: email });
    expect(rows).toHaveLength(1);
    const events = await gatehouse.database
      .db('audit_events')
      .where({ type: 'account.registered', account_id: rows[0].account_id });
    expect(events).toHaveLength(1);
  });
});

describe('an address that somebody has', () => {
  const withoutTokens = (html: string, email: string) =>
    html
      .replaceAll(/value="[\w.-]{20,}"/g, 'value=""')
      .replaceAll(/interaction\/[\w-]+/g, 'interaction/x')
      .replaceAll(/nonce="[^"]*"/g, '')
      .replaceAll(/Client \d+/g, 'Client')
      .replaceAll(email, 'EMAIL');

  it('is answered with the same pages, and a mail that explains and proves nothing', async () => {
    const { email: taken } = await createPerson(gatehouse.services);
    const free = fresh();
    const pages: string[][] = [];
    for (const email of [taken ?? '', free]) {
      const { browser, page } = await startAt();
      const sent = await browser.submit(page, { email }, '/register');
      const wrong = await browser.submit(sent, { code: '12345678' }, '/register/code');
      pages.push([sent, wrong].map(({ html, status }) => `${status} ${withoutTokens(html, email)}`));
    }
    expect(pages[0]).toEqual(pages[1]);
    const mail = await mailbox.next(taken ?? '');
    expect(mail.template).toBe('register-taken');
    expect(mail.code).toBeUndefined();
    expect(mail.text).not.toMatch(/\d{8}|token=/);
  });

  it('that was taken meanwhile ends with that mail, too', async () => {
    const email = fresh();
    const { browser, page } = await startAt();
    const form = await prove(browser, page, email);
    await createPerson(gatehouse.services, { email });
    const late = await browser.submit(form, details, '/register/account');
    expect(late.status).toBe(409);
    expect(late.html).toContain('by now');
    expect((await mailbox.next(email, 'register-taken')).code).toBeUndefined();
  });

  it('takes about as long as one that is free', async () => {
    const { email: taken } = await createPerson(gatehouse.services);
    const times: Record<'taken' | 'free', number[]> = { taken: [], free: [] };
    for (let turn = 0; turn < 12; turn += 1) {
      for (const kind of ['taken', 'free'] as const) {
        const email = kind === 'taken' ? (taken ?? '') : fresh();
        await gatehouse.database.db('verifications').delete();
        const began = performance.now();
        await gatehouse.services.registration.begin({ binding: `b${turn}${kind}`, email, locale: 'en' });
        times[kind].push(performance.now() - began);
      }
    }
    const median = (all: number[]) => all.toSorted((a, b) => a - b)[6] ?? 0;
    expect(Math.abs(median(times.taken) - median(times.free))).toBeLessThan(8);
  });
});

it('whoever fills in what no person sees gets the page and no mail', async () => {
  const email = fresh();
  const { browser, page } = await startAt();
  const sent = await browser.submit(page, { email, homepage: 'https://spam.example' }, '/register');
  expect(sent.html).toContain('Look into your mailbox');
  expect(await mailbox.waiting(email)).toEqual([]);
});

it('an account of before is asked for the terms at its next sign-in, and who declines is not signed in', async () => {
  const person = await createPerson(gatehouse.services);
  const { browser, page } = await startAt({});
  const asked = await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
  expect(asked.html).toContain('New terms');
  const without = await browser.submit(asked, {}, '/terms');
  expect(without.status).toBe(400);
  const next = await browser.submit(without, { terms: 'yes' }, '/terms');
  expect(next.url.includes('code=') || next.html.includes('consent')).toBe(true);
  const again = await startAt({});
  const signedIn = await again.browser.submit(
    again.page,
    { identifier: person.email ?? '', password },
    '/login',
  );
  expect(signedIn.html).not.toContain('New terms');
  const other = await createPerson(gatehouse.services);
  const third = await startAt({});
  const terms = await third.browser.submit(third.page, { identifier: other.email ?? '', password }, '/login');
  const declined = await third.browser.submit(terms, {}, '/cancel');
  expect(declined.url).toContain('error=access_denied');
});
