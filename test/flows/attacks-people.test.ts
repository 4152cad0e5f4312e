// Ways into somebody else's account, or past a second factor, that were tried: each ends before it gets anywhere.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { askFor, browserOf, setBy } from '../recovery/world.ts';
import type { Browser, Shown } from '../support/browser.ts';
import { addAuthenticator } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, operator, password } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const server = useGatehouse({
  settings: {
    SIGN_IN_MAIL_CODE: 'on',
    LIMIT_RECOVERY_PER_MINUTE: '100000',
    CODES_PER_ADDRESS: '100000',
  },
});
const mailbox = useMailbox(server);

afterEach(() => {
  vi.useRealTimers();
});

async function person(more: { admin?: boolean; factor?: boolean } = {}): Promise<Account> {
  const account = await createPerson(server.services, { admin: more.admin ?? false });
  if (more.factor) await addAuthenticator(server.services, account);
  return server.services.accounts.change(account.id, { emailVerified: true }, operator);
}

async function sessionsOf({ id }: Account) {
  return (await server.services.sessions.list({ accountId: id }, { limit: 10, cursor: null })).items;
}

/** A form of a page posted to another address of the same sign-in. */
function postTo(browser: Browser, page: Shown, action: string, fields: Record<string, string>) {
  const uid = uidIn(page);
  const own = page.forms.find((form) => form.action.includes(`/interaction/${uid}/`));
  const { _csrf = '' } = own?.fields ?? {};
  const form = {
    action: `${server.issuer}/interaction/${uid}/${action}`,
    method: 'post',
    fields: { _csrf },
  };
  return browser.submit({ ...page, forms: [form] }, fields);
}

const uidIn = ({ url }: Shown) => /\/interaction\/([^/?]+)/.exec(url)?.[1] ?? '';
const isLetIn = (page: Shown) => page.url.includes('code=') || page.url.endsWith('/account');

describe('whoever reads the mailbox and nothing more', () => {
  it('has a new password and a code by mail, and no second factor', async () => {
    const account = await person({ factor: true });
    const browser = browserOf(server);
    await askFor(server, account.email ?? '', browser);
    const { link = '' } = await mailbox.next(account.email ?? '', 'recover');
    await setBy(browser, link, 'quiet harbour behind nine willows');
    const login = await browser.open(`${server.issuer}/account`);
    const fields = { identifier: account.email ?? '', password: 'quiet harbour behind nine willows' };
    const asked = await browser.submit(login, fields, '/login');
    expect(asked.html).toContain('one-time-code');

    await postTo(browser, asked, 'mail-code', { identifier: account.email ?? '' });
    const sent = (await mailbox.waiting(account.email ?? '')).find(
      ({ template }) => template === 'sign-in-code',
    );
    const shown = await postTo(browser, asked, 'mail-code/code', { code: sent?.code ?? '00000000' });
    expect(isLetIn(shown)).toBe(false);
    expect(await sessionsOf(account)).toEqual([]);
  });
});

describe('a browser that somebody left open', () => {
  it('does not let whoever finds it set up a second factor of their own', async () => {
    const [app, account] = [await relyingParty(server, { firstParty: true }), await person()];
    const { browser } = await app.signIn(account);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11 * 60_000 });

    const page = await browser.open((await app.begin({ acr_values: 'mfa' })).url);
    expect(page.html).not.toContain('kind=totp');
    expect(page.html).toContain('type="password"');
    const again = await browser.submit(page, { identifier: account.email ?? '', password }, '/login');
    expect(again.html).toContain('kind=totp');
  });
});

describe('a stranger who knows the address', () => {
  it('uses up neither the codes of the second step nor the links that lead back in', async () => {
    const account = await person({ factor: true });
    const [email, to] = [account.email ?? '', { purpose: 'register', channel: 'mail' } as const];
    const { verification } = server.services;
    const ask = (more: object) =>
      verification.begin(undefined, {
        ...to,
        to: email,
        accountId: null,
        binding: `of a stranger ${Math.random()}`,
        code: true,
        template: 'register-taken',
        locale: null,
        values: { signInLink: server.issuer },
        ...more,
      });
    for (let mail = 0; mail < 20; mail += 1) await ask({});
    expect((await ask({ purpose: 'change-email' })).kind).toBe('limited');
    expect((await ask({ purpose: 'sign-in', accountId: account.id })).kind).toBe('sent');
    expect((await ask({ purpose: 'second-factor', accountId: account.id })).kind).toBe('sent');

    await mailbox.empty();
    await askFor(server, email);
    expect((await mailbox.next(email, 'recover')).link).toBeDefined();
  });

  it('does not learn from the limit of one page what another knows of an account', async () => {
    const account = await person();
    await server.services.accounts.change(account.id, { username: 'quiet-harbour' }, operator);
    const { codes } = server.services.credentials.factors;
    for (let code = 0; code < 8; code += 1)
      await codes.sendToSignIn('quiet-harbour', `binding ${code}`, null);

    const begun = await server.services.verification.begin(undefined, {
      purpose: 'register',
      channel: 'mail',
      to: account.email ?? '',
      accountId: null,
      binding: 'of a stranger who guesses whose name it is',
      code: true,
      template: 'register-taken',
      locale: null,
      values: { signInLink: server.issuer },
    });
    expect(begun.kind).toBe('sent');
  });
});

describe('an administrator who gives an account another address', () => {
  it('does so before the eyes of the one that it had, where no code works any more', async () => {
    const account = await person();
    const { credentials, accounts } = server.services;
    const email = account.email ?? '';
    await mailbox.empty();
    await credentials.factors.codes.sendToSignIn(email, 'of the old mailbox', null);
    const { code = '' } = await mailbox.next(email, 'sign-in-code');

    await accounts.change(account.id, { email: `new-${email}`, emailVerified: true }, operator);
    expect((await mailbox.next(email, 'email-changed')).link).toBeUndefined();
    const proof = { accountId: null, code, binding: 'of the old mailbox', proofs: [] };
    expect((await credentials.verify('mail-code', proof)).kind).toBe('refused');
  });
});
