// A forgotten password, from the page that asks to the sign-in with the new one.
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { answerWith, makePasskey } from '../support/authenticator.ts';
import type { Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { askFor, browserOf, canSignIn, linkFor, newPassword, setBy, signedIn, wordsOf } from './world.ts';

const server = useGatehouse({
  settings: {
    LIMIT_RECOVERY_PER_MINUTE: '100000',
    LIMIT_SIGN_IN_PER_MINUTE: '100000',
    CODES_PER_ADDRESS: '1000',
  },
});
const mailbox = useMailbox(server);
const ONE = { limit: 1, cursor: null };
const person = () => createPerson(server.services);
const emailOf = ({ email }: Account) => email ?? '';
const linkTo = (account: Account) => linkFor(server, mailbox, emailOf(account));
const optionsIn = ({ html }: Shown) =>
  JSON.parse((/data-options="([^"]+)"/.exec(html)?.[1] ?? '{}').replaceAll('&#34;', '"'));
const hrefIn = (html: string, path: string) => {
  const href = new RegExp(`href="([^"]*${path}[^"]*)"`).exec(html)?.[1] ?? '';
  return new URL(href, server.issuer).href;
};

describe('a forgotten password', () => {
  it('is replaced by way of a link, and the old one works no more', async () => {
    const account = await person();
    const done = await setBy(browserOf(server), await linkTo(account));
    expect(done.url).toBe(`${server.issuer}/recover/done`);
    expect(await canSignIn(server, account)).toBe(false);
    expect(await canSignIn(server, account, newPassword)).toBe(true);
  });

  it('ends sessions that were open under it, and says so in the ledger', async () => {
    const account = await person();
    const { browser, home } = await signedIn(server, account);
    expect(home.url).toBe(`${server.issuer}/account`);
    await setBy(browserOf(server), await linkTo(account));
    expect((await browser.open(`${server.issuer}/account`)).url).toContain('/interaction/');
    const page = { limit: 20, cursor: null };
    const { items } = await server.services.audit.list({ accountId: account.id }, page);
    const types = items.map(({ type }) => type);
    expect(types).toContain('password.recovery-asked');
    expect(types).toContain('password.recovered');
  });

  it('ends what is open also where it is the first password, for who came in by another way', async () => {
    const account = await person();
    const { browser } = await signedIn(server, account);
    const { passwords } = server.services.credentials;
    await server.services.postgres.transaction((trx) => passwords.discard(trx, account.id));
    await setBy(browserOf(server), await linkTo(account));
    expect((await browser.open(`${server.issuer}/account`)).url).toContain('/interaction/');
  });

  it('is noted as set by mail, so that a mail is no second factor afterwards', async () => {
    const account = await person();
    await setBy(browserOf(server), await linkTo(account));
    const { db } = server.database.postgres;
    expect((await db('passwords').where({ account_id: account.id }).first()).set_by_mail).toBe(true);
  });

  it('proves the address that the link was sent to', async () => {
    const account = await person();
    expect(account.emailVerified).toBe(false);
    await setBy(browserOf(server), await linkTo(account));
    expect((await server.services.accounts.find(account.id))?.emailVerified).toBe(true);
  });

  it('leads back to the sign-in that it interrupted', async () => {
    const account = await person();
    const browser = browserOf(server);
    const login = await browser.open(`${server.issuer}/account`);
    const asked = await browser.open(hrefIn(login.html, '/recover\\?interaction='));
    await browser.submit(asked, { identifier: emailOf(account) }, '/recover');
    const { link = '' } = await mailbox.next(emailOf(account), 'recover');
    const done = await setBy(browser, link);
    const again = await browser.open(hrefIn(done.html, '/interaction/'));
    const answers = { identifier: emailOf(account), password: newPassword };
    expect((await browser.submit(again, answers, '/login')).url).toBe(`${server.issuer}/account`);
  });
});

describe('a link', () => {
  it('leaves the address at once, and no other site hears of it', async () => {
    const link = await linkTo(await person());
    const first = await fetch(link, { redirect: 'manual' });
    expect(first.headers.get('referrer-policy')).toBe('no-referrer');
    expect(first.headers.get('cache-control')).toBe('no-store');
    const page = await browserOf(server).open(link);
    expect(page.url).toBe(`${server.issuer}/recover/password`);
    expect(page.html).not.toContain(new URL(link).searchParams.get('token'));
  });

  it('is not used up by looking at it, nor by a password that is refused', async () => {
    const account = await person();
    const link = await linkTo(account);
    await browserOf(server).open(link);
    const browser = browserOf(server);
    const refused = await setBy(browser, link, 'short');
    expect(refused.status).toBe(400);
    expect(refused.html).toContain('Please use at least 15 characters.');
    const done = await browser.submit(refused, { password: newPassword }, '/recover/password');
    expect(done.url).toBe(`${server.issuer}/recover/done`);
  });

  it('works once', async () => {
    const link = await linkTo(await person());
    await setBy(browserOf(server), link);
    const again = await browserOf(server).open(link);
    expect(again.status).toBe(410);
    expect(again.html).toContain('This link does not work any more');
  });

  it('sets one password when three send it at the same time', async () => {
    const link = await linkTo(await person());
    const pages = await Promise.all(
      [1, 2, 3].map(async (at) => {
        const browser = browserOf(server);
        return { at, browser, page: await browser.open(link) };
      }),
    );
    const answers = await Promise.all(
      pages.map(({ at, browser, page }) =>
        browser.submit(page, { password: `${newPassword} ${at}` }, '/recover/password'),
      ),
    );
    expect(answers.filter(({ url }) => url.endsWith('/recover/done'))).toHaveLength(1);
  });

  it('is worth nothing after half an hour', async () => {
    const link = await linkTo(await person());
    await server.database.postgres.db('verifications').update({ expires_at: new Date() });
    expect((await browserOf(server).open(link)).status).toBe(410);
  });

  it('ends with a newer one', async () => {
    const account = await person();
    const [first, second] = [await linkTo(account), await linkTo(account)];
    expect((await browserOf(server).open(first)).status).toBe(410);
    expect((await browserOf(server).open(second)).status).toBe(200);
  });

  it('ends with a change of the mail address, by whomever', async () => {
    const account = await person();
    const link = await linkTo(account);
    await server.services.accounts.change(account.id, { email: `moved-${account.id}@example.com` }, operator);
    expect((await browserOf(server).open(link)).status).toBe(410);
  });

  it('ends with a change of the password by its owner', async () => {
    const account = await person();
    const link = await linkTo(account);
    const { browser } = await signedIn(server, account);
    const page = await browser.open(`${server.issuer}/account/security/password`);
    const typed = { current_password: password, password: newPassword };
    await browser.submit(page, typed, '/account/security/password');
    expect((await browserOf(server).open(link)).status).toBe(410);
  });

  it('ends with a suspension', async () => {
    const account = await person();
    const link = await linkTo(account);
    await server.services.accounts.suspend(account.id, null, operator);
    expect((await browserOf(server).open(link)).status).toBe(410);
  });

  it('sets nothing from a page that was made for another link', async () => {
    const [one, other] = [await person(), await person()];
    const browser = browserOf(server);
    const pageOfOne = await browser.open(await linkTo(one));
    await browser.open(await linkTo(other));
    const answer = await browser.submit(pageOfOne, { password: newPassword }, '/recover/password');
    expect(answer.status).toBe(409);
    expect(answer.html).toContain(emailOf(other));
    expect(await canSignIn(server, other)).toBe(true);
    expect(await canSignIn(server, one)).toBe(true);
  });

  it.each(['', 'x', 'a'.repeat(101), '%F0%9F%94%91', "';--"])(
    'that is none leads to a clear page: %j',
    async (token) => {
      const page = await browserOf(server).open(`${server.issuer}/recover/password?token=${token}`);
      expect(page.status).toBe(410);
      expect(page.html).toContain('Ask for a new link');
    },
  );
});

describe('a second factor', () => {
  it('is asked for after a new password by mail, as always, and there is no way around it', async () => {
    const account = await person();
    await addAuthenticator(server.services, account);
    await setBy(browserOf(server), await linkTo(account));
    const { home } = await signedIn(server, account, newPassword);
    expect(home.forms.some(({ action }) => action.endsWith('/second-factor'))).toBe(true);
    const page = await browserOf(server).open(hrefIn(home.html, '/recover/second-factor'));
    expect(page.html).toContain('recovery code');
    expect(page.forms).toEqual([]);
  });
});

/** Recovered by mail, and signed in with the app. */
async function recovered(account: Account, browser = browserOf(server)) {
  await setBy(browserOf(server), await linkTo(account));
  const page = await browser.open(`${server.issuer}/account`);
  const identifier = emailOf(account);
  const asked = await browser.submit(page, { identifier, password: newPassword }, '/login');
  const home = asked.html.includes('one-time-code')
    ? await browser.submit(asked, { code: await codeOf(account) }, '/second-factor')
    : asked;
  return { browser, asked, home };
}

const REVIEW = 'Review what can sign in to your account';

describe('what was added shortly before a recovery', () => {
  it('is shown to the owner until they say that it is theirs, with a line in the ledger', async () => {
    const account = await person();
    const { services, database } = server;
    await addAuthenticator(services, account);
    const old = { account_id: account.id };
    const longAgo = { created_at: new Date(Date.now() - 31 * 86_400_000) };
    await database
      .db('factors')
      .where(old)
      .update({ ...longAgo, name: 'From before' });
    await database.db('recovery_codes').where(old).update(longAgo);
    await addAuthenticator(services, account);
    const { browser, home } = await recovered(account);
    expect(home.html).toContain(REVIEW);

    const page = await browser.open('/account/security/review');
    expect(page.html.match(/fac_[^/]+\/remove/g)).toHaveLength(1);
    expect(page.html).not.toContain('From before');
    const { review } = services.recovery;
    expect(await review.confirm(account.id, [])).toBe(false);
    const done = await browser.submit(page, {}, '/review');
    expect(done.html).toContain('Thank you. Everything that was added is yours.');
    expect((await browser.open('/account')).html).not.toContain(REVIEW);
    expect((await browser.open('/account/security/review')).url).toMatch(/\/security$/);
    const events = await services.audit.list({ accountId: account.id, type: 'account.review-done' }, ONE);
    expect(events.items).toMatchObject([{ details: { factors: [expect.stringMatching(/^fac_/)] } }]);
    expect(await review.confirm(account.id, [])).toBe(false);
  });

  it('is shown with its number, which tells people whether it is theirs', async () => {
    const account = await person();
    await addAuthenticator(server.services, account);
    const { codes } = server.services.credentials.factors;
    const to = '+43 660 1234567';
    await codes.begin(account.id, { channel: 'sms', to }, 'test', 'en');
    const { code = '' } = await mailbox.next('+436601234567');
    const by = { kind: 'account', id: account.id } as const;
    await codes.confirm(account.id, { channel: 'sms', code, binding: 'test', name: 'Phone' }, by);
    const { browser } = await recovered(account);
    expect((await browser.open('/account/security/review')).html).toContain('+436601234567');
  });

  it('is shown with what took its place since, until none of it is left, and for a month at most', async () => {
    const account = await person();
    const { credentials, recovery } = server.services;
    await addAuthenticator(server.services, account);
    const { home } = await recovered(account);
    expect(home.html).toContain(REVIEW);
    const [factor] = await credentials.factors.list(account.id);
    const by = { kind: 'account', id: account.id } as const;
    await addAuthenticator(server.services, account);
    await credentials.factors.remove(account.id, factor?.id ?? '', by);
    await credentials.factors.recoveryCodes.renew(account.id, by);
    const [second] = await credentials.factors.list(account.id);
    expect(await recovery.review.find(account.id)).toMatchObject({
      factors: [{ id: second?.id }],
      recoveryCodes: true,
    });
    const reviews = server.database.db('account_reviews').where({ account_id: account.id });
    await reviews.clone().update({ until: new Date(Date.now() - 31 * 86_400_000) });
    expect(await recovery.review.isDue(account.id)).toBe(false);
    expect(await recovery.review.find(account.id)).toBeUndefined();
    await reviews.clone().update({ until: new Date() });
    await server.database.db('recovery_codes').where({ account_id: account.id }).delete();
    expect(await recovery.review.isDue(account.id)).toBe(true);
    await server.database.db('factors').where({ account_id: account.id }).delete();
    expect(await recovery.review.isDue(account.id)).toBe(false);
  });

  it('is not said to be the owner’s by a passkey that was left there, which signs in alone', async () => {
    const account = await person();
    const { browser: thief } = await signedIn(server, account);
    const origin = new URL(server.issuer).origin;
    const page = await thief.open('/account/security/passkeys');
    const { response, credential } = makePasskey(optionsIn(page), { origin });
    await thief.submit(page, { response: JSON.stringify(response) }, '/passkeys');
    await setBy(browserOf(server), await linkTo(account));
    const again = browserOf(server);
    const answer = (login: Shown) => JSON.stringify(answerWith(credential, optionsIn(login), { origin }));
    const login = await again.open('/account/security/review');
    const shown = await again.submit(login, { response: answer(login) }, '/passkey');
    expect(shown.html).toContain('sign in with your password');
    const [form] = shown.forms;
    if (form === undefined) throw new Error('the page has the form of the sign-out');
    const action = `${server.issuer}/account/security/review`;
    const factors = await server.services.credentials.factors.list(account.id);
    const [{ id = '' } = {}] = factors;
    await again.submit({ ...shown, forms: [{ ...form, action }] }, { shown: id }, action);
    expect(await server.services.recovery.review.isDue(account.id)).toBe(true);

    const href = hrefIn(shown.html, '/account/sign-in').replaceAll('&amp;', '&');
    const asked = await again.submit(
      await again.open(href),
      { identifier: emailOf(account), password: newPassword },
      '/login',
    );
    const second = await again.submit(asked, { response: answer(asked) }, '/passkey');
    await again.submit(second, {}, '/review');
    expect(await server.services.recovery.review.isDue(account.id)).toBe(false);
  });

  it('is nothing to be asked about where there is nothing', async () => {
    const account = await person();
    const { home } = await recovered(account);
    expect(home.url).toMatch(/\/account$/);
    expect(home.html).not.toContain(REVIEW);
    expect(await server.database.db('account_reviews').where({ account_id: account.id })).toEqual([]);
  });

  it('is no remembered browser: each is asked for the second step again', async () => {
    const account = await person();
    await addAuthenticator(server.services, account);
    const { browser, home } = await signedIn(server, account);
    const known = await browser.submit(
      home,
      { code: await codeOf(account), remember: 'yes' },
      '/second-factor',
    );
    expect(known.url).toMatch(/\/account$/);
    const remembered = () =>
      server.database
        .db('account_devices')
        .where({ account_id: account.id })
        .whereNotNull('remembered_until');
    expect(await remembered()).toHaveLength(1);
    expect((await recovered(account, browser)).asked.html).toContain('one-time-code');
    expect(await remembered()).toEqual([]);
  });
});

describe('whether there is such an account', () => {
  it('is told by no status, no word and no cookie', async () => {
    const [account, suspended] = [await person(), await person()];
    await server.services.accounts.suspend(suspended.id, null, operator);
    await server.services.accounts.create({ username: 'nobox' }, operator);
    const asked = [emailOf(account), 'nobody@example.net', 'no.such.name', emailOf(suspended), 'nobox'];
    const answers = [];
    for (const identifier of asked) {
      const browser = browserOf(server);
      const page = await askFor(server, identifier, browser);
      const cookies = [...browser.cookies.keys()];
      answers.push({ url: page.url, status: page.status, words: wordsOf(page), cookies });
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('is told by no time', async () => {
    const account = await person();
    const millisecondsOf = async (identifier: string) => {
      const from = performance.now();
      await server.services.recovery.forgotten.begin({ identifier, locale: 'en' });
      return performance.now() - from;
    };
    for (const identifier of [emailOf(account), 'who@example.net', 'who']) {
      expect(await millisecondsOf(identifier)).toBeGreaterThan(245);
    }
  });

  it('is told by the mail: to nobody, and to whoever is suspended', async () => {
    await askFor(server, 'stranger@example.net');
    expect((await mailbox.next('stranger@example.net', 'recover-unknown')).link).toBeUndefined();
    const account = await person();
    await server.services.accounts.suspend(account.id, null, operator);
    await askFor(server, emailOf(account));
    const mail = await mailbox.next(emailOf(account), 'recover-suspended');
    expect(mail.link).toBeUndefined();
    expect(mail.text).toContain('administrator');
  });

  it('makes us bomb nobody: after a few mails there are no more for an hour, and the page does not say so', async () => {
    const { forgotten } = server.services.recovery;
    const asked = Array.from({ length: 12 }, () =>
      forgotten.begin({ identifier: 'bombed@example.net', locale: 'en' }),
    );
    await Promise.all(asked);
    const page = await askFor(server, 'bombed@example.net');
    expect(wordsOf(page)).toBe(wordsOf(await askFor(server, 'nobody-else@example.net')));
    await mailbox.next('bombed@example.net', 'recover-unknown');
    expect((await mailbox.waiting('bombed@example.net')).length).toBeLessThan(10);
  });

  it('keeps nowhere what somebody typed that is no address', async () => {
    await askFor(server, 'TopSecret9');
    const { db } = server.database.postgres;
    expect(await db('verifications').where('recipient', 'TopSecret9').first('id')).toBeUndefined();
  });
});
