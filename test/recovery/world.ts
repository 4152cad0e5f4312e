// What the tests of recovery share: a server with a mailbox, people, and the way from a mail to its page.
import type { Account } from '../../src/accounts/accounts.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import type { TestServer } from '../support/gatehouse.ts';
import type { Mailbox } from '../support/mailbox.ts';
import { password } from '../support/people.ts';

export const newPassword = 'quiet harbour behind nine willows';

/** Asks for a link at the public page, as a stranger does. */
export async function askFor(
  server: TestServer,
  identifier: string,
  browser = browserOf(server),
): Promise<Shown> {
  const page = await browser.open(`${server.issuer}/recover`);
  return browser.submit(page, { identifier }, '/recover');
}

export const browserOf = (server: TestServer): Browser => createBrowser(new URL(server.issuer).origin);

/** The link of the mail that recovers this account. */
export async function linkFor(server: TestServer, mailbox: Mailbox, email: string): Promise<string> {
  await askFor(server, email);
  const { link } = await mailbox.next(email, 'recover');
  return link ?? '';
}

/** Opens the link, and sends the form with this password. */
export async function setBy(browser: Browser, link: string, chosen = newPassword): Promise<Shown> {
  const page = await browser.open(link);
  return browser.submit(page, { password: chosen }, '/recover/password');
}

export async function canSignIn(server: TestServer, account: Account, by = password): Promise<boolean> {
  const identifier = account.email ?? account.username ?? '';
  const result = await server.services.credentials.verify('password', { identifier, password: by });
  return result.kind === 'ok';
}

/** Signed in at the account pages. */
export async function signedIn(
  server: TestServer,
  account: Account,
  by = password,
): Promise<{ browser: Browser; home: Shown }> {
  const browser = browserOf(server);
  const page = await browser.open(`${server.issuer}/account`);
  const identifier = account.email ?? account.username ?? '';
  const home = await browser.submit(page, { identifier, password: by }, '/login');
  return { browser, home };
}

/** What people read: without tags, and without what is different in every answer. */
export function wordsOf({ html }: Shown): string {
  return html
    .replace(/<(script|style)\b[\s\S]*?<\/\1>/g, '')
    .replace(/ nonce="[^"]*"/g, '')
    .replace(/name="_csrf" value="[^"]*"/g, '')
    .replace(/\s+/g, ' ');
}
