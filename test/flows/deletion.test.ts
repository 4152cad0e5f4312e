// The end of an account as its owner wants it: a copy of everything, days to think it over, ways to keep it, and the end.
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { type Browser, createBrowser } from '../support/browser.ts';
import { addAuthenticator } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, operator, signInAt } from '../support/people.ts';
import { createOrganization } from '../support/roles.ts';

const server = useGatehouse();
const mailbox = useMailbox(server);
const DATA = '/account/data';
const all = { limit: 100, cursor: null };

async function browserOf(person: Account): Promise<Browser> {
  const browser = createBrowser(server.issuer);
  await signInAt(`${server.issuer}/account`, person, browser);
  return browser;
}

const isSignedIn = async (browser: Browser) => (await browser.open('/account')).url.endsWith('/account');

async function askedFor(person: Account): Promise<Browser> {
  const browser = await browserOf(person);
  const page = await browser.open(`${DATA}/delete`);
  const begun = await browser.submit(page, { name: person.email ?? '' }, '/delete');
  expect(begun.html).toContain('Your account is going to be deleted');
  return browser;
}

async function runJob(): Promise<void> {
  const job = server.services.jobs.find(({ name }) => name === 'accounts-deletion');
  await job?.run();
}

async function pass(accountId: string): Promise<void> {
  await server.database
    .db('accounts')
    .where({ id: accountId })
    .update({ delete_at: new Date(Date.now() - 1) });
}

describe('a copy of everything', () => {
  it('has all that is kept about the account, nothing of others, and no secret', async () => {
    const { services } = server;
    const [person, other] = [await createPerson(services), await createPerson(services)];
    await createOrganization(services, [person], 'Harbour');
    await addAuthenticator(services, person);
    const browser = await browserOf(person);
    await browserOf(other);
    const page = await browser.open(DATA);
    const answer = await browser.submit(page, {}, '/export');
    const copy = JSON.parse(answer.html);

    expect(answer.headers.get('content-type')).toContain('application/json');
    expect(answer.headers.get('content-disposition')).toMatch(/attachment; filename="account-[\d-]+\.json"/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(copy.account).toMatchObject({ id: person.id, email: person.email });
    expect(copy.organizations).toMatchObject([{ name: 'Harbour' }]);
    expect(copy.factors).toMatchObject([{ kind: 'totp' }]);
    expect(copy.sessions).toHaveLength(1);
    expect(copy.events.map(({ type }: { type: string }) => type)).toContain('account.exported');
    expect(answer.html).not.toContain(other.id);
    const byAdmin = copy.events.filter(({ actor }: { actor: { kind: string } }) => actor.kind === 'operator');
    expect(byAdmin.map(({ address }: { address: unknown }) => address)).toEqual(byAdmin.map(() => null));
    expect(answer.html).not.toMatch(/\$argon2|secretHash|payload|otpauth/);
  });

  it('is given only soon after a sign-in', async () => {
    const browser = await browserOf(await createPerson(server.services));
    const page = await browser.open(DATA);
    const now = Date.now;
    Date.now = () => now() + 11 * 60_000;
    try {
      expect((await browser.submit(page, {}, '/export')).html).toContain('name="password"');
    } finally {
      Date.now = now;
    }
  });
});

describe('the deletion of an account', () => {
  it('waits for its name to be typed', async () => {
    const person = await createPerson(server.services);
    const browser = await browserOf(person);
    const page = await browser.open(`${DATA}/delete`);
    const refused = await browser.submit(page, { name: 'somebody@example.com' }, '/delete');
    expect(refused.status).toBe(400);
    expect(refused.html).toContain('Type it exactly');
    expect((await server.services.accounts.find(person.id))?.deleteAt).toBe(null);
  });

  it('signs it out everywhere, and ends it for good after its days', async () => {
    const person = await createPerson(server.services);
    const other = await browserOf(person);
    const browser = await askedFor(person);
    expect(await isSignedIn(browser)).toBe(false);
    expect(await isSignedIn(other)).toBe(false);
    await runJob();
    const waiting = await server.services.accounts.find(person.id);
    const days = ((waiting?.deleteAt?.getTime() ?? 0) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(13.9);
    await pass(person.id);
    await runJob();
    expect(await server.services.accounts.find(person.id)).toBe(undefined);
    const { text } = await mailbox.next(person.email ?? '', 'account-deleted');
    expect(text).toContain('as you asked');
    const events = await server.services.audit.list({ accountId: person.id, type: 'account.*' }, all);
    expect(events.items.map(({ type }) => type).slice(0, 2)).toEqual([
      'account.deleted',
      'account.deletion-requested',
    ]);
  });

  it('is told to each address that was proven, and the address goes with the mail', async () => {
    const { accounts, postgres } = server.services;
    const person = await createPerson(server.services);
    const before = person.email ?? '';
    await server.database.db('email_undos').insert({
      link_hash: Buffer.from(person.id),
      account_id: person.id,
      email: `before-${before}`,
      verified: true,
      created_at: new Date(),
      expires_at: new Date(Date.now() + 60_000),
    });
    await accounts.change(person.id, { locale: 'de', emailVerified: true }, operator);
    await accounts.remove(person.id, operator);
    for (const to of [before, `before-${before}`]) {
      const { subject, text } = await mailbox.next(to, 'account-deleted');
      expect(subject).toBe('Ihr Konto wurde gelöscht');
      expect(text).toContain('durch die Verwaltung gelöscht');
    }
    const kept = await postgres.db('messages').where({ template: 'account-deleted', recipient: before });
    expect(kept).toMatchObject([{ account_id: null, expires_at: expect.any(Date) }]);
    expect(await postgres.db('email_undos').where({ account_id: person.id })).toEqual([]);
  });

  it('is told to nobody at an address that was never proven, and to nobody when it does not come about', async () => {
    const { accounts } = server.services;
    const person = await accounts.create({ email: 'not-mine@example.com' }, operator);
    const admin = await createPerson(server.services, { admin: true });
    await expect(accounts.remove(admin.id, operator)).rejects.toMatchObject({ code: 'last_admin' });
    await accounts.remove(person.id, operator);
    const told = await server.database.db('messages').whereIn('recipient', [person.email, admin.email]);
    expect(told.filter(({ template }) => template === 'account-deleted')).toEqual([]);
    await server.database.db('accounts').where({ id: admin.id }).update({ admin: false });
  });

  it('is taken back by whoever signs in', async () => {
    const person = await createPerson(server.services);
    await askedFor(person);
    const browser = await browserOf(person);
    expect((await browser.open('/account')).html).toContain('Your account is going to be deleted');
    const kept = await browser.submit(await browser.open(DATA), {}, '/keep');
    expect(kept.html).toContain('Your account stays.');
    await pass(person.id);
    await server.services.deletion.keep(person.id, operator);
    await runJob();
    expect(await server.services.accounts.find(person.id)).toBeDefined();
  });

  it('is taken back by the link in the mail, once, and not by one of an earlier time', async () => {
    const person = await createPerson(server.services);
    await askedFor(person);
    const { link } = await mailbox.next(person.email ?? '', 'account-deletion');
    const browser = createBrowser(server.issuer);
    const page = await browser.open(link ?? '');
    expect(page.url).not.toContain('token');
    const kept = await browser.submit(page, {}, '/keep-account');
    expect(kept.html).toContain('Your account stays');
    expect((await server.services.accounts.find(person.id))?.deleteAt).toBe(null);
    expect((await createBrowser(server.issuer).open(link ?? '')).status).toBe(410);
    await askedFor(person);
    expect((await createBrowser(server.issuer).open(link ?? '')).status).toBe(410);
    expect((await createBrowser(server.issuer).open(`/keep-account?token=${person.id}.forged`)).status).toBe(
      410,
    );
  });

  it('is refused to the last administrator', async () => {
    const admin = await createPerson(server.services, { admin: true });
    const browser = await browserOf(admin);
    const page = await browser.open(`${DATA}/delete`);
    const refused = await browser.submit(page, { name: admin.email ?? '' }, '/delete');
    expect(refused.status).toBe(409);
    expect(refused.html).toContain('You are the only administrator.');
    expect(await isSignedIn(browser)).toBe(true);
  });
});
