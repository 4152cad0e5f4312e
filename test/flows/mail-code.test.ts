// Sign in by a code in a mail: for whom, for how long, how often, and for what it is not enough.
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { browserOf, wordsOf } from '../recovery/world.ts';
import type { Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { callsBy } from '../support/management.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const server = useGatehouse({
  settings: {
    SIGN_IN_MAIL_CODE: 'on',
    LIMIT_RECOVERY_PER_MINUTE: '100000',
    LIMIT_SIGN_IN_PER_MINUTE: '100000',
    CODES_PER_ADDRESS: '1000',
  },
});
const mailbox = useMailbox(server);

async function person(more: { admin?: boolean } = {}): Promise<Account> {
  const account = await createPerson(server.services, more);
  return server.services.accounts.change(account.id, { emailVerified: true }, operator);
}

async function ask(identifier: string, browser = browserOf(server)) {
  const login = await browser.open(`${server.issuer}/account`);
  const href = /href="([^"]*\/mail-code)"/.exec(login.html)?.[1] ?? '';
  const page = await browser.open(new URL(href, server.issuer).href);
  return { browser, page: await browser.submit(page, { identifier }, '/mail-code') };
}

const nextCode = async ({ email }: Account) => (await mailbox.next(email ?? '', 'sign-in-code')).code ?? '';
const type = (browser: ReturnType<typeof browserOf>, page: Shown, code: string) =>
  browser.submit(page, { code }, '/mail-code/code');

describe('a code by mail', () => {
  it('signs in without a password', async () => {
    const account = await person();
    const { browser, page } = await ask(account.email ?? '');
    const home = await type(browser, page, await nextCode(account));
    expect(home.url).toBe(`${server.issuer}/account`);
  });

  it('works once, and in the sign-in alone that asked for it', async () => {
    const account = await person();
    const { browser, page } = await ask(account.email ?? '');
    const code = await nextCode(account);
    const other = await ask('somebody@example.net');
    expect((await type(other.browser, other.page, code)).status).toBe(401);
    expect((await type(browser, page, code)).url).toBe(`${server.issuer}/account`);
    expect((await type(other.browser, other.page, code)).status).toBe(401);
  });

  it('takes few guesses, and then the right one is worth nothing either', async () => {
    const account = await person();
    const { browser, page } = await ask(account.email ?? '');
    const code = await nextCode(account);
    const wrong = code === '00000000' ? '11111111' : '00000000';
    for (let guess = 0; guess < 5; guess += 1) await type(browser, page, wrong);
    const late = await type(browser, page, code);
    expect([401, 429]).toContain(late.status);
    expect((await browser.open(`${server.issuer}/account`)).url).toContain('/interaction/');
  });

  it('is the same page for everybody', async () => {
    const [account, unproved] = [await person(), await createPerson(server.services)];
    const identifiers = [account.email ?? '', 'nobody@example.net', 'no.such.name', unproved.email ?? ''];
    const answers = [];
    for (const identifier of identifiers) {
      const { browser, page } = await ask(identifier);
      const refused = await type(browser, page, '00000000');
      answers.push({ status: refused.status, words: [page, refused].map((one) => withoutUid(wordsOf(one))) });
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await mailbox.waiting(unproved.email ?? '')).toEqual([]);
  });

  it('is followed by the second factor that the account has', async () => {
    const account = await person();
    await addAuthenticator(server.services, account);
    const { browser, page } = await ask(account.email ?? '');
    const second = await type(browser, page, await nextCode(account));
    expect(second.forms.some(({ action }) => action.endsWith('/second-factor'))).toBe(true);
    const home = await browser.submit(second, { code: await codeOf(account) }, '/second-factor');
    expect(home.url).toBe(`${server.issuer}/account`);
  });

  it('lets no administrator in, not with a second factor either: the page asks for the password', async () => {
    const account = await person({ admin: true });
    await addAuthenticator(server.services, account);
    const { browser, page } = await ask(account.email ?? '');
    let next = await type(browser, page, await nextCode(account));
    if (next.forms.some(({ action }) => action.endsWith('/second-factor'))) {
      next = await browser.submit(next, { code: await codeOf(account) }, '/second-factor');
    }
    expect(next.url).toContain('/interaction/');
    expect(next.html).toContain('name="password"');
    expect((await browser.open(`${server.issuer}/account`)).url).toContain('/interaction/');
  });

  it('is worth nothing for whoever is suspended meanwhile', async () => {
    const account = await person();
    const { browser, page } = await ask(account.email ?? '');
    const code = await nextCode(account);
    await server.services.accounts.suspend(account.id, null, operator);
    expect((await type(browser, page, code)).status).toBe(401);
  });
});

function withoutUid(words: string): string {
  return words.replace(/\/interaction\/[^/"]+/g, '/interaction/…');
}

describe('a sign-in by a code by mail alone', () => {
  it('sets up no second factor on the account pages, and one with the password does', async () => {
    const account = await person();
    const { browser, page } = await ask(account.email ?? '');
    await type(browser, page, await nextCode(account));
    const security = `${server.issuer}/account/security`;
    for (const path of ['passkeys', 'authenticator', 'codes/mail']) {
      const refused = await browser.open(`${security}/${path}`);
      expect([path, refused.status]).toEqual([path, 403]);
      expect(refused.html).toContain('sign in with your password');
    }
    const overview = await browser.open(security);
    expect(overview.status).toBe(200);
    const [form] = overview.forms;
    for (const [path, fields] of [
      ['passkeys', { response: '{}', name: 'x' }],
      ['authenticator', { enrolment: 'x', code: '123456', name: 'x' }],
      ['codes/mail', { to: account.email ?? '' }],
    ] as const) {
      const action = `${security}/${path}`;
      const forged = {
        ...overview,
        forms: [{ ...form, action, method: 'post', fields: form?.fields ?? {} }],
      };
      const refused = await browser.submit(forged, fields);
      expect([path, refused.status]).toEqual([path, 403]);
      expect(refused.html).toContain('sign in with your password');
    }
    expect(await mailbox.waiting(account.email ?? '')).toEqual([]);

    const known = await person();
    const other = browserOf(server);
    const login = await other.open(`${security}/authenticator`);
    const shown = await other.submit(login, { identifier: known.email ?? '', password }, '/login');
    expect([shown.status, shown.url]).toEqual([200, `${security}/authenticator`]);
  });

  it('sets up none over JSON either', async () => {
    const account = await person();
    const audience = `${server.issuer}/api`;
    const scope = 'own-factors:update';
    const app = await relyingParty(server, {
      firstParty: true,
      apis: [{ audience, permissions: [scope] }],
    });
    const begun = await app.begin({ resource: audience, scope: `openid ${scope}` });
    const browser = browserOf(server);
    const login = await browser.open(begun.url);
    const href = /href="([^"]*\/mail-code)"/.exec(login.html)?.[1] ?? '';
    const form = await browser.open(new URL(href, server.issuer).href);
    const sent = await browser.submit(form, { identifier: account.email ?? '' }, '/mail-code');
    const landed = await type(browser, sent, await nextCode(account));
    const tokens = await app.finish(landed.url, begun, { resource: audience });
    const call = callsBy(server, () => ({ clientId: app.client.id, token: tokens.access_token }));
    const refused = await call('POST', '/me/factors/totp');
    expect([refused.status, refused.body.code]).toEqual([403, 'password_sign_in_needed']);
  });
});
