// What people change about how they are reached and how they sign in: password, mail address, phone number.
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { reachPages } from '../../src/recovery/self-service-pages.ts';
import type { Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, password } from '../support/people.ts';
import { browserOf, canSignIn, linkFor, newPassword, signedIn, wordsOf } from './world.ts';

const server = useGatehouse({
  settings: {
    LIMIT_RECOVERY_PER_MINUTE: '100000',
    LIMIT_SIGN_IN_PER_MINUTE: '100000',
    CODES_PER_ADDRESS: '1000',
  },
});
const mailbox = useMailbox(server);
const person = () => createPerson(server.services);
const emailOf = ({ email }: Account) => email ?? '';
const at = (path: string) => `${server.issuer}${path}`;
const PASSWORD = '/account/security/password';
let count = 0;
const freshEmail = () => {
  count += 1;
  return `fresh${count}@example.org`;
};
const eventsOf = async (account: Account) => {
  const { items } = await server.services.audit.list({ accountId: account.id }, { limit: 50, cursor: null });
  return items.map(({ type }) => type);
};
const changePassword = async (account: Account, typed: Record<string, string>) => {
  const { browser } = await signedIn(server, account);
  const page = await browser.open(at(PASSWORD));
  return { browser, answer: await browser.submit(page, typed, PASSWORD) };
};

describe('a new password in place of a known one', () => {
  it('is set, keeps this browser signed in and signs out the others when asked to', async () => {
    const account = await person();
    const other = await signedIn(server, account);
    const typed = { current_password: password, password: newPassword, end_others: 'yes' };
    const { browser, answer } = await changePassword(account, typed);
    expect(answer.url).toBe(at('/account/security?done=password'));
    expect((await browser.open(at('/account'))).url).toBe(at('/account'));
    expect((await other.browser.open(at('/account'))).url).toContain('/interaction/');
    expect(await canSignIn(server, account, newPassword)).toBe(true);
  });

  it('of two at once is the first one; the second is told that the present one is another', async () => {
    const account = await person();
    const change = (next: string) =>
      server.services.recovery.password.change(
        { accountId: account.id, sessionId: '' },
        { current: password, password: next, endOthers: false },
      );
    const done = await Promise.all([change(newPassword), change(`${newPassword} again`)]);
    expect(done.map(({ kind }) => kind).sort()).toEqual(['ok', 'refused']);
  });

  it('ends a sign-in that has got no further than the old one, also when the others stay', async () => {
    const account = await person();
    await addAuthenticator(server.services, account);
    const underWay = browserOf(server);
    const login = await underWay.open(at('/account'));
    const asked = await underWay.submit(login, { identifier: account.email ?? '', password }, '/login');
    expect(asked.forms.some(({ action }) => action.endsWith('/second-factor'))).toBe(true);
    await server.services.recovery.password.change(
      { accountId: account.id, sessionId: '' },
      { current: password, password: newPassword, endOthers: false },
    );
    const after = await underWay.submit(asked, { code: await codeOf(account) }, '/second-factor');
    expect(after.url).toContain('/interaction/');
    expect(after.forms.some(({ action }) => action.endsWith('/login'))).toBe(true);
  });

  it('leaves the others when that is not asked for', async () => {
    const account = await person();
    const other = await signedIn(server, account);
    const { browser } = await signedIn(server, account);
    const page = await browser.open(at(PASSWORD));
    const form = page.forms.find(({ action }) => action.endsWith(PASSWORD));
    const { end_others: _, ...fields } = form?.fields ?? {};
    const unticked = { ...page, forms: [{ action: at(PASSWORD), method: 'post', fields }] };
    await browser.submit(unticked, { current_password: password, password: newPassword });
    expect((await other.browser.open(at('/account'))).url).toBe(at('/account'));
  });

  it('asks for the one so far, and nothing is changed or lost by a wrong one', async () => {
    const account = await person();
    const { answer } = await changePassword(account, { current_password: 'not it', password: newPassword });
    expect(answer.status).toBe(401);
    expect(answer.html).toContain('This is not your current password.');
    expect(await canSignIn(server, account)).toBe(true);
  });

  it('says beside the field what is wrong with the new one', async () => {
    const account = await person();
    const { answer } = await changePassword(account, { current_password: password, password: 'short' });
    expect(answer.status).toBe(400);
    expect(answer.html).toMatch(/id="password-error".*\n?.*Please use at least 15 characters\./);
  });

  it('can be the first one of an account that had none', async () => {
    const account = await person();
    const { browser } = await signedIn(server, account);
    await server.services.postgres.transaction((trx) =>
      server.services.credentials.passwords.discard(trx, account.id),
    );
    const page = await browser.open(at(PASSWORD));
    expect(page.html).not.toContain('name="current_password"');
    await browser.submit(page, { password: newPassword }, PASSWORD);
    expect(await canSignIn(server, account, newPassword)).toBe(true);
  });

  it('is found by password managers', async () => {
    const answer = await fetch(at('/.well-known/change-password'), { redirect: 'manual' });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe(PASSWORD);
  });

  it('needs somebody who signed in lately, like all of these pages', () => {
    const { services } = server;
    const accountOf = (): never => expect.unreachable('they are only listed');
    const pages = reachPages({ ...services, ...services.credentials.passwords, accountOf });
    const lax = pages.filter(({ area, sensitive }) => area === 'account' && sensitive !== true);
    expect(lax.map(({ path }) => path)).toEqual([]);
  });
});

async function askForEmail(account: Account, email: string) {
  const { browser } = await signedIn(server, account);
  const page = await browser.open(at('/account/email'));
  return { browser, page: await browser.submit(page, { email }, '/account/email') };
}

async function changeEmail(account: Account, email = freshEmail()) {
  const { browser, page } = await askForEmail(account, email);
  const { code = '' } = await mailbox.next(email, 'change-email');
  return { email, browser, answer: await browser.submit(page, { code }, '/account/email/code') };
}

describe('another mail address', () => {
  it('is the one of the account once its code is typed, and is proved', async () => {
    const account = await person();
    const { email, answer } = await changeEmail(account);
    expect(answer.url).toBe(at('/account/email?done=email'));
    expect(await server.services.accounts.find(account.id)).toMatchObject({ email, emailVerified: true });
    expect(await eventsOf(account)).toContain('account.email-changed');
  });

  it('works in the session alone that asked for it', async () => {
    const account = await person();
    const email = freshEmail();
    await askForEmail(account, email);
    const { code = '' } = await mailbox.next(email, 'change-email');
    const { browser } = await signedIn(server, account);
    const page = await browser.open(at('/account/email/code'));
    const answer = await browser.submit(page, { code }, '/account/email/code');
    expect(answer.status).toBe(410);
    expect((await server.services.accounts.find(account.id))?.email).toBe(account.email);
  });

  it('that another account has leads to the same page, and the mail says so', async () => {
    const [account, other] = [await person(), await person()];
    const taken = await askForEmail(account, emailOf(other));
    const free = await askForEmail(account, freshEmail());
    expect(withoutNames(taken.page)).toBe(withoutNames(free.page));
    const mail = await mailbox.next(emailOf(other), 'change-email-taken');
    expect(mail.code).toBeUndefined();
    expect(mail.text).not.toMatch(/\d{8}/);
  });

  it('is not taken from an account that got it meanwhile', async () => {
    const account = await person();
    const email = freshEmail();
    const { browser, page } = await askForEmail(account, email);
    const { code = '' } = await mailbox.next(email, 'change-email');
    await createPerson(server.services, { email });
    const answer = await browser.submit(page, { code }, '/account/email/code');
    expect(answer.status).toBe(409);
    expect(answer.html).toContain('belongs to another account by now');
  });

  it('takes five guesses of its code', async () => {
    const account = await person();
    const email = freshEmail();
    const { browser, page } = await askForEmail(account, email);
    const { code = '' } = await mailbox.next(email, 'change-email');
    const wrong = code === '00000000' ? '11111111' : '00000000';
    let answer: Shown = page;
    for (const left of [4, 3, 2, 1]) {
      answer = await browser.submit(answer, { code: wrong }, '/account/email/code');
      expect(answer.html).toContain(`Tries left: ${left}.`);
    }
    answer = await browser.submit(answer, { code: wrong }, '/account/email/code');
    expect(answer.status).toBe(410);
    expect((await browser.submit(answer, { code }, '/account/email/code')).status).toBe(410);
  });

  it('ends a link for a new password that was under way', async () => {
    const account = await person();
    const link = await linkFor(server, mailbox, emailOf(account));
    await changeEmail(account);
    expect((await browserOf(server).open(link)).status).toBe(410);
  });

  it.each(['no address', '@', 'a@b\u202e.example', `${'x'.repeat(300)}@example.com`, '\u{1f511}'])(
    'that is none is said beside the field: %j',
    async (email) => {
      const { page } = await askForEmail(await person(), email);
      expect(page.status).toBe(400);
      expect(page.html).toContain('id="email-error"');
    },
  );
});

describe('a change of address that its owner did not make', () => {
  it('is taken back from the old address: everybody is signed out, and a new password is chosen at once', async () => {
    const account = await person();
    const thief = await changeEmail(account);
    const { link = '' } = await mailbox.next(emailOf(account), 'email-changed');
    const browser = browserOf(server);
    const page = await browser.open(link);
    expect(page.url).toBe(at('/recover/undo'));
    const choose = await browser.submit(page, {}, '/recover/undo');
    expect(choose.url).toBe(at('/recover/password'));
    expect((await thief.browser.open(at('/account'))).url).toContain('/interaction/');
    const restored = await server.services.accounts.find(account.id);
    expect(restored?.email).toBe(account.email);
    expect(await canSignIn(server, account)).toBe(false);
    await browser.submit(choose, { password: newPassword }, '/recover/password');
    expect(await canSignIn(server, account, newPassword)).toBe(true);
    expect(await eventsOf(account)).toContain('account.email-restored');
    expect((await browserOf(server).open(link)).status).toBe(410);
  });

  it('is taken back also after a second one, whose own link then takes nothing back', async () => {
    const account = await person();
    const { email: second } = await changeEmail(account);
    const { link: first = '' } = await mailbox.next(emailOf(account), 'email-changed');
    const moved = { ...account, email: second };
    await changeEmail(moved);
    const { link: later = '' } = await mailbox.next(second, 'email-changed');
    const browser = browserOf(server);
    await browser.submit(await browser.open(first), {}, '/recover/undo');
    expect((await server.services.accounts.find(account.id))?.email).toBe(account.email);
    expect((await browserOf(server).open(later)).status).toBe(410);
  });

  it('changes nothing by being looked at', async () => {
    const account = await person();
    const { email } = await changeEmail(account);
    const { link = '' } = await mailbox.next(emailOf(account), 'email-changed');
    await browserOf(server).open(link);
    expect((await server.services.accounts.find(account.id))?.email).toBe(email);
  });

  it('takes no address from another account that has it by now', async () => {
    const account = await person();
    await changeEmail(account);
    const { link = '' } = await mailbox.next(emailOf(account), 'email-changed');
    await createPerson(server.services, { email: emailOf(account) });
    const browser = browserOf(server);
    const page = await browser.submit(await browser.open(link), {}, '/recover/undo');
    expect(page.html).toContain('please ask an administrator at once');
  });
});

describe('a phone number', () => {
  const add = async (account: Account, phone: string) => {
    const { browser } = await signedIn(server, account);
    const page = await browser.open(at('/account/phone'));
    return { browser, page: await browser.submit(page, { phone }, '/account/phone') };
  };

  it('is added by a code in a text message, and taken away', async () => {
    const account = await person();
    const { browser, page } = await add(account, '+43 660 123 45 67');
    const { code = '' } = await mailbox.next('+436601234567', 'change-phone');
    const done = await browser.submit(page, { code }, '/account/phone/code');
    expect(done.url).toBe(at('/account/phone?done=phone'));
    expect(await server.services.accounts.find(account.id)).toMatchObject({
      phoneNumber: '+436601234567',
      phoneNumberVerified: true,
    });
    await browser.submit(done, {}, '/account/phone/remove');
    expect((await server.services.accounts.find(account.id))?.phoneNumber).toBeNull();
    expect(await eventsOf(account)).toEqual(
      expect.arrayContaining(['account.phone-changed', 'account.phone-removed']),
    );
  });

  it.each(['123', '0660 1234567', 'call me', '+43 0', '\u202e+43'])('that is none: %j', async (phone) => {
    const { page } = await add(await person(), phone);
    expect(page.status).toBe(400);
    expect(page.html).toContain('id="phone-error"');
  });
});

/** The frame of the pages has the name of whoever is signed in. */
function withoutNames(page: Shown): string {
  return wordsOf(page).replace(/Person \d+|person\d+@example\.com/g, '…');
}
