// The security pages without script: what is set up there, what is asked again, and what is not lost on the way.
import { generateSync } from 'otplib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { makePasskey } from '../support/authenticator.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, password } from '../support/people.ts';

const server = useGatehouse();
const mailbox = useMailbox(server);

afterEach(() => {
  vi.useRealTimers();
});

async function opened(path = '', more: { admin?: boolean } = {}) {
  const person = await createPerson(server.services, more);
  const browser = createBrowser(server.issuer);
  return { person, browser, page: await signIn(browser, person, path) };
}

/** Through whatever is asked on the way. */
async function signIn(browser: Browser, person: Account, path = ''): Promise<Shown> {
  let page = await browser.open(`/account/security${path}`);
  for (let step = 0; step < 3 && page.url.includes('/interaction/'); step += 1) {
    page = page.forms.some(({ action }) => action.endsWith('/second-factor'))
      ? await browser.submit(page, { code: await codeOf(person) }, '/second-factor')
      : await browser.submit(page, { identifier: person.email ?? '', password }, '/login');
  }
  return page;
}

const secretOn = (page: Shown) =>
  (/<code id="secret"[^>]*>([^<]*)</.exec(page.html)?.[1] ?? '').replaceAll(' ', '');
const codesOn = (page: Shown) => [...page.html.matchAll(/<li><code>([^<]*)</g)].map(([, code]) => code ?? '');
const codeNow = (secret: string) => generateSync({ secret });
const factorsOf = (person: Account) => server.services.credentials.factors.list(person.id);
const eventsOf = async (person: Account) =>
  (await server.database.db('audit_events').where({ account_id: person.id }).orderBy('id')).map(
    ({ type }) => type,
  );

describe('an authenticator app', () => {
  it('is added with a code; one that is wrong loses neither the key nor the name', async () => {
    const { person, browser, page } = await opened('/authenticator');
    const secret = secretOn(page);
    expect(page.html).toContain('src="data:image/svg+xml,');
    const wrong = await browser.submit(page, { code: '000000', name: 'My phone 📱' }, '/authenticator');
    expect(wrong.status).toBe(400);
    expect(secretOn(wrong)).toBe(secret);
    expect(wrong.html).toContain('value="My phone 📱"');
    expect(wrong.html).toContain('id="code-error"');
    const empty = await browser.submit(wrong, { code: '', name: 'My phone 📱' }, '/authenticator');
    expect(secretOn(empty)).toBe(secret);
    const long = await browser.submit(
      empty,
      { code: codeNow(secret), name: 'x'.repeat(61) },
      '/authenticator',
    );
    expect(long.html).toContain('id="name-error"');
    const added = await browser.submit(
      long,
      { code: codeNow(secret), name: 'My phone 📱' },
      '/authenticator',
    );
    expect(codesOn(added)).toHaveLength(10);
    expect(await factorsOf(person)).toMatchObject([{ kind: 'totp', name: 'My phone 📱' }]);
    // Shown once: whoever comes back is told how many there are.
    expect(codesOn(await browser.open('/account/security/recovery-codes'))).toEqual([]);
  });

  it('is begun again when that took too long, or was another person', async () => {
    const { browser, page } = await opened('/authenticator');
    const other = await opened('/authenticator');
    const form = other.page.forms.find(({ action }) => action.endsWith('/authenticator'));
    const enrolment = form?.fields.enrolment ?? '';
    const again = await browser.submit(page, { enrolment, code: '123456' }, '/authenticator');
    expect(again.status).toBe(410);
    expect(secretOn(again)).not.toBe('');
    expect(secretOn(again)).not.toBe(secretOn(other.page));
  });
});

describe('a factor that was just set up', () => {
  const sessionOf = async (person: Account) =>
    server.database.db('oidc_sessions').where({ account_id: person.id }).first('uid_hash', 'id_hash');

  const cookieOf = ({ cookies }: Browser) => [...cookies].map((pair) => pair.join('=')).join('; ');
  const isSignedIn = async (cookie: string) =>
    (await fetch(`${server.issuer}/account/security`, { headers: { cookie }, redirect: 'manual' })).status ===
    200;

  it('has shown itself: the next page asks for nothing, and the session goes on under a new id', async () => {
    const { person, browser, page } = await opened('/authenticator');
    const [cookie, session] = [cookieOf(browser), await sessionOf(person)];
    await browser.submit(page, { code: codeNow(secretOn(page)) }, '/authenticator');
    expect((await browser.open('/account/security/passkeys')).url).toMatch(/\/account\/security\/passkeys$/);
    expect(await isSignedIn(cookieOf(browser))).toBe(true);
    const now = await sessionOf(person);
    expect(now.uid_hash).toEqual(session.uid_hash);
    expect(now.id_hash).not.toEqual(session.id_hash);
    expect(await eventsOf(person)).not.toContain('session.ended');
    // Whoever has the old one has nothing.
    expect(await isSignedIn(cookie)).toBe(false);
  });

  it('is nothing that a mailbox shows when it has set the password as well', async () => {
    const { person, browser, page } = await opened('/codes/mail');
    await server.database.db('passwords').where({ account_id: person.id }).update({ set_by_mail: true });
    const sent = await browser.submit(page, {}, '/codes/mail');
    await browser.submit(
      sent,
      { code: (await mailbox.next(person.email ?? '', 'factor-code')).code ?? '' },
      '/codes/mail',
    );
    expect(await factorsOf(person)).toMatchObject([{ kind: 'mail' }]);
    expect((await browser.open('/account/security')).url).toContain('/interaction/');
  });
});

describe('a factor on the security page', () => {
  it('is shown to its owner alone, renamed and removed after a question', async () => {
    const { person, browser } = await opened();
    await addAuthenticator(server.services, person);
    const [factor] = await factorsOf(person);
    const path = `/account/security/factors/${factor?.id}`;
    const stranger = await opened();
    for (const address of [path, `${path}/remove`]) {
      expect((await stranger.browser.open(address)).status).toBe(404);
    }
    await signIn(browser, person);
    const rename = await browser.open(path);
    const refused = await browser.submit(rename, { name: '\u202eevil' }, path);
    expect(refused.html).toContain('id="name-error"');
    const renamed = await browser.submit(refused, { name: 'Old phone' }, path);
    expect(renamed.html).toContain('Old phone');
    const question = await browser.open(`${path}/remove`);
    expect(question.html).toContain('your only second factor');
    const removed = await browser.submit(question, {}, '/remove');
    expect(removed.url).toContain('/account/security?done=factor-removed');
    expect(removed.html).toContain('Sign out elsewhere?');
    expect(await factorsOf(person)).toEqual([]);
  });

  it('stays when whoever must have one has no other', async () => {
    const { person, browser } = await opened('', { admin: true });
    const [factor] = await factorsOf(person);
    const path = `/account/security/factors/${factor?.id}/remove`;
    const question = await browser.open(path);
    expect(question.html).toContain('Please add another one first');
    expect(question.forms.some(({ action }) => action.endsWith('/remove'))).toBe(false);
    const token = question.forms[0]?.fields._csrf ?? '';
    const form = { action: `${server.issuer}${path}`, method: 'post', fields: { _csrf: token } };
    await browser.submit({ ...question, forms: [form] }, {});
    expect(await factorsOf(person)).toHaveLength(1);
  });
});

describe('what is sensitive', () => {
  it('asks for a sign-in that is not older than ten minutes, and the page itself does not', async () => {
    const { browser } = await opened();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11 * 60_000 });
    for (const path of [
      '/authenticator',
      '/passkeys',
      '/codes/sms',
      '/codes/mail',
      '/recovery-codes',
      '/factors/fac_00000000000000000000000000/remove',
    ]) {
      const page = await browser.open(`/account/security${path}`);
      expect(page.url).toContain('/interaction/');
      expect(page.html).toContain('type="password"');
    }
    expect((await browser.open('/account/security')).url).toContain('/account/security');
  });

  it('is not done by a form of another session', async () => {
    const { browser, page } = await opened('/passkeys');
    const other = await opened('/passkeys');
    const form = page.forms.find(({ action }) => action.endsWith('/passkeys'));
    const shown = await other.browser.submit(
      { ...other.page, forms: form ? [form] : [] },
      { response: '{}' },
    );
    expect(shown.status).toBe(403);
    expect(browser.cookies.size).toBeGreaterThan(0);
  });
});

describe('a passkey on the security page', () => {
  const optionsOn = (page: Shown) =>
    JSON.parse(
      (/data-options="([^"]*)"/.exec(page.html)?.[1] ?? '').replaceAll('&#34;', '"').replaceAll('&amp;', '&'),
    );

  it('is added by what the browser answers to this page, once', async () => {
    const { person, browser, page } = await opened('/passkeys');
    const { response } = makePasskey(optionsOn(page), { origin: server.issuer, transports: ['usb'] });
    const wrong = await browser.submit(page, { response: 'no json', name: 'Key' }, '/passkeys');
    expect(wrong.status).toBe(400);
    expect(wrong.html).toContain('value="Key"');
    const added = await browser.submit(page, { response: JSON.stringify(response), name: '' }, '/passkeys');
    expect(codesOn(added)).toHaveLength(10);
    expect(await factorsOf(person)).toMatchObject([{ kind: 'passkey', name: 'Security key' }]);
    expect(await eventsOf(person)).toContain('factor.added');
  });

  it('is not added by an answer to the page of another session', async () => {
    const { browser, page } = await opened('/passkeys');
    const other = await opened('/passkeys');
    const { response } = makePasskey(optionsOn(other.page), { origin: server.issuer });
    const refused = await browser.submit(page, { response: JSON.stringify(response) }, '/passkeys');
    expect(refused.status).toBe(400);
    expect(refused.html).toContain('could not be added');
  });
});

describe('browsers and sessions', () => {
  it('are forgotten and ended from here, and asked again from then on', async () => {
    const { person, browser } = await opened();
    await addAuthenticator(server.services, person);
    const login = await browser.open('/account/security');
    const asked = login.html.includes('one-time-code')
      ? login
      : await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
    const page = await browser.submit(
      asked,
      { code: await codeOf(person), remember: 'yes' },
      '/second-factor',
    );
    expect(page.html).toContain('This browser');
    const elsewhere = createBrowser(server.issuer);
    await signIn(elsewhere, person);

    const done = await browser.open('/account/security?done=factor-added');
    await browser.submit(done, {}, '/others');
    expect((await elsewhere.open('/account/security')).url).toContain('/interaction/');
    const still = await browser.open('/account/security');
    expect(still.url).toContain('/account/security');

    const forgotten = await browser.submit(still, {}, '/browsers');
    expect(forgotten.html).toContain('No browser is remembered');
    expect(await eventsOf(person)).toEqual(
      expect.arrayContaining(['device.remembered', 'device.forgotten', 'sessions.ended']),
    );
  });
});
