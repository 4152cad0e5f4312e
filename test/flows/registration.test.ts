// Making an account as a person does it: an address, the code in the mail, and on to the app that sent them.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { answerWith, type Behaviour, type Credential, makePasskey } from '../support/authenticator.ts';
import { createBrowser, type Shown } from '../support/browser.ts';
import { addAuthenticator } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, operator, password } from '../support/people.ts';
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

describe('a passkey in place of a password', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  const origin = () => new URL(gatehouse.issuer).origin;
  const chosen = { field_name: 'Ada Lovelace', terms: 'yes', way: 'passkey' };
  const optionsIn = ({ html }: Shown) =>
    JSON.parse((/data-options="([^"]+)"/.exec(html)?.[1] ?? '{}').replaceAll('&#34;', '"'));
  const continueOn = (browser: ReturnType<typeof createBrowser>, { html }: Shown) =>
    browser.open(/<a class="button" href="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&') ?? '');

  async function asked(more: Record<string, string> = {}) {
    const email = fresh();
    const app = await relyingParty(gatehouse, { firstParty: true });
    const begun = await app.begin({ prompt: 'create' });
    const browser = createBrowser(gatehouse.issuer);
    const form = await prove(browser, await browser.open(begun.url), email);
    const page = await browser.submit(form, { ...chosen, ...more }, '/register/account');
    return { app, begun, browser, email, page };
  }

  const answer = (browser: ReturnType<typeof createBrowser>, page: Shown, response: unknown) =>
    browser.submit(page, { response: JSON.stringify(response) }, '/register/account');

  async function registered() {
    const start = await asked();
    const { response, credential } = makePasskey(optionsIn(start.page), { origin: origin() });
    const codes = await answer(start.browser, start.page, response);
    const account = await gatehouse.services.accounts.findByIdentifier(start.email);
    if (account === undefined) throw new Error('the account is made');
    return { ...start, credential, codes, account };
  }

  async function signInAgain(
    credential: Credential,
    path: string,
    browser = createBrowser(gatehouse.issuer),
  ) {
    const login = await browser.open(path);
    const response = answerWith(credential, optionsIn(login), { origin: origin() });
    return {
      browser,
      landed: await browser.submit(login, { response: JSON.stringify(response) }, '/passkey'),
    };
  }

  it('makes an account without one, shows recovery codes once, and is the strongest sign-in', async () => {
    const { app, begun, browser, page, codes, account, credential } = await registered();
    expect(optionsIn(page)).toMatchObject({
      user: { name: account.email, displayName: 'Ada Lovelace' },
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
    expect(page.html).toContain('Passkeys need JavaScript');
    expect(codes.html.match(/<li><code>/g)).toHaveLength(10);
    const tokens = await app.finish((await continueOn(browser, codes)).url, begun);
    expect(tokens.claims()).toMatchObject({ sub: account.id, acr: 'phr', amr: ['pop', 'user', 'mfa'] });
    expect(await gatehouse.services.credentials.hasPassword(account.id)).toBe(false);
    expect(await gatehouse.services.registration.terms.isMissing(account.id)).toBe(false);
    const { items } = await gatehouse.services.audit.list(
      { accountId: account.id },
      { limit: 50, cursor: null },
    );
    const types = items.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['account.registered', 'factor.added', 'session.started']));
    expect(types).not.toContain('password.set');
    const { landed } = await signInAgain(credential, '/account');
    expect(landed.html).toContain('Ada Lovelace');
  });

  it('is chosen with nothing lost: what is wrong is said first, and the way back is open', async () => {
    const { browser, page } = await asked({ field_name: 'Ada \u202e', username: 'a@b', terms: '' });
    expect(page.status).toBe(400);
    expect(page.html).toContain('turn the direction of writing');
    expect(page.html).toContain('name="password"');
    const made = await browser.submit(page, { ...chosen, username: 'Ada.B' }, '/register/account');
    const back = { ...made, forms: made.forms.filter(({ fields }) => fields.way === 'password') };
    const again = await browser.submit(back, {}, '/register/account');
    expect(again.html).toContain('value="Ada.B"');
    const done = await browser.submit(again, { password, terms: 'yes' }, '/register/account');
    expect(done.url).toContain('code=');
  });

  it.each<{ what: string; behaviour: Partial<Behaviour> & { format?: string } }>([
    { what: 'another origin', behaviour: { origin: 'https://evil.example' } },
    { what: 'another site', behaviour: { rpId: 'evil.example' } },
    { what: 'a frame', behaviour: { crossOrigin: true } },
    { what: 'no user verification', behaviour: { userVerified: false } },
    { what: 'nobody there', behaviour: { userPresent: false } },
    { what: 'a challenge of its own', behaviour: { challenge: 'A'.repeat(43) } },
    { what: 'an answer to a sign-in', behaviour: { type: 'webauthn.get' } },
    { what: 'an attestation that is not asked for', behaviour: { format: 'tpm' } },
  ])('is not taken from $what, and makes no account', async ({ behaviour }) => {
    const { browser, page, email } = await asked();
    const { response } = makePasskey(optionsIn(page), { origin: origin(), ...behaviour });
    const refused = await answer(browser, page, response);
    expect(refused.status).toBe(400);
    expect(refused.html).toContain('This passkey was not accepted');
    expect(await gatehouse.services.accounts.findByIdentifier(email)).toBeUndefined();
    const good = makePasskey(optionsIn(refused), { origin: origin() });
    expect((await answer(browser, refused, good.response)).html).toContain('<li><code>');
  });

  it('is not taken for another registration, nor for another page of the server, nor too late', async () => {
    const [one, other] = [await asked(), await asked()];
    const { response } = makePasskey(optionsIn(one.page), { origin: origin() });
    expect((await answer(other.browser, other.page, response)).status).toBe(400);
    const login = await other.browser.open((await other.app.begin()).url);
    const elsewhere = { ...optionsIn(one.page), challenge: optionsIn(login).challenge };
    const ofSignIn = makePasskey(elsewhere, { origin: origin() });
    expect((await answer(one.browser, one.page, ofSignIn.response)).status).toBe(400);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6 * 60_000 });
    expect((await answer(one.browser, one.page, response)).status).toBe(400);
    for (const { email } of [one, other])
      expect(await gatehouse.services.accounts.findByIdentifier(email)).toBeUndefined();
  });

  it('is taken once: an answer whose account was not made is worth nothing the second time', async () => {
    const taken = await createPerson(gatehouse.services);
    await gatehouse.services.accounts.change(taken.id, { username: 'taken.name' }, operator);
    const { browser, page, email } = await asked({ username: 'taken.name' });
    const { response } = makePasskey(optionsIn(page), { origin: origin() });
    const refused = await answer(browser, page, response);
    expect(refused.html).toContain('name="username"');
    const again = await browser.submit(refused, { ...chosen, username: '' }, '/register/account');
    expect((await answer(browser, again, response)).status).toBe(400);
    const two = [answer(browser, again, response), answer(browser, again, response)];
    await Promise.all(two);
    expect(await gatehouse.services.accounts.findByIdentifier(email)).toBeUndefined();
  });

  it('makes one account of two answers at once', async () => {
    const { browser, page, email } = await asked();
    const { response } = makePasskey(optionsIn(page), { origin: origin() });
    await Promise.all([answer(browser, page, response), answer(browser, page, response)]);
    const account = await gatehouse.services.accounts.findByIdentifier(email);
    const factors = await gatehouse.services.credentials.factors.list(account?.id ?? ('' as never));
    expect(factors).toHaveLength(1);
  });

  it('cannot be removed while it is the only way in, and can when there is a password', async () => {
    const { browser, codes, account } = await registered();
    await continueOn(browser, codes);
    const { factors } = gatehouse.services.credentials;
    const [passkey] = await factors.list(account.id);
    expect((await browser.open('/account/security')).html).toContain('You sign in without a password.');
    const removal = `/account/security/factors/${passkey?.id}/remove`;
    const page = await browser.open(removal);
    expect(page.html).toContain('this is the only passkey');
    const self = { kind: 'account', id: account.id } as const;
    await expect(factors.remove(account.id, passkey?.id ?? '', self)).rejects.toMatchObject({
      code: 'passkey_needed',
    });
    // A code from an app stands beside a password only.
    await addAuthenticator(gatehouse.services, account);
    await expect(factors.remove(account.id, passkey?.id ?? '', self)).rejects.toMatchObject({
      code: 'passkey_needed',
    });
    const overview = await browser.open('/account/security');
    expect(overview.html).toContain('This account has no password');
    const set = await browser.open('/account/security/password');
    expect(set.html).not.toContain('name="current_password"');
    expect((await browser.submit(set, { password }, '/account/security/password')).status).toBe(200);
    const asks = await browser.open(removal);
    await browser.submit(asks, {}, '/remove');
    expect((await factors.list(account.id)).map(({ kind }) => kind)).toEqual(['totp']);
  });

  it('is asked for anew where a recent sign-in is, and lets its owner take everything along and leave', async () => {
    const { browser, codes, account, credential } = await registered();
    await continueOn(browser, codes);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11 * 60_000 });
    const { landed } = await signInAgain(credential, '/account/data/delete', browser);
    expect(new URL(landed.url).pathname).toBe('/account/data/delete');
    const data = await browser.open('/account/data');
    const copy = await browser.submit(data, {}, '/export');
    expect(JSON.parse(copy.html)).toMatchObject({ account: { id: account.id } });
    expect(JSON.parse(copy.html)).toMatchObject({ factors: [{ kind: 'passkey' }] });
  });

  it('is not gone around by a mail: a password that a link sets waits for the passkey or a recovery code', async () => {
    const { email, account } = await registered();
    const browser = createBrowser(gatehouse.issuer);
    await browser.submit(await browser.open('/recover'), { identifier: email });
    const { link = '' } = await mailbox.next(email, 'recover');
    await browser.submit(await browser.open(link), { password });
    expect(await gatehouse.services.credentials.hasPassword(account.id)).toBe(true);
    const fresh = createBrowser(gatehouse.issuer);
    const login = await fresh.open('/account');
    const halfway = await fresh.submit(login, { identifier: email, password }, '/login');
    expect(halfway.html).toContain('Confirm it’s you');
    expect(halfway.html).not.toContain('way=mail-code');
  });

  it('counts failures and shuts others out as with any account', async () => {
    const { account, browser, codes, credential } = await registered();
    await continueOn(browser, codes);
    const { landed } = await signInAgain(credential, '/account/activity');
    expect(landed.status).toBe(200);
    const [session] = (
      await gatehouse.services.sessions.list({ accountId: account.id }, { limit: 10, cursor: null })
    ).items;
    const changer = { accountId: account.id, sessionId: session?.id ?? '' };
    await gatehouse.services.recovery.protection.protect(changer);
    expect(await gatehouse.services.credentials.passwords.mustChange(account.id)).toBeUndefined();
    const wrong = { identifier: account.email ?? '', password: 'no such password is here' };
    expect((await gatehouse.services.credentials.verify('password', wrong)).kind).toBe('refused');
  });
});
