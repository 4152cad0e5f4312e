// What the product promises about people and their accounts, one test for each promise, with its id in the name.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { browserOf, linkFor, setBy } from './recovery/world.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { useMailbox } from './support/mailbox.ts';
import { createPerson, operator, password, signInAt } from './support/people.ts';

const LEAKED = 'four owls beneath a bridge';
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-leaked-'));
const leaked = join(folder, 'leaked.txt');
writeFileSync(leaked, `${createHash('sha1').update(LEAKED).digest('hex').toUpperCase()}:3\n`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gatehouse = useGatehouse({
  settings: { LIMIT_RECOVERY_PER_MINUTE: '10000', PASSWORD_BREACH_FILE: leaked },
});
const mailbox = useMailbox(gatehouse);
const page = { limit: 100, cursor: null };

describe('people', () => {
  it('B6 sessions with device info; read, touch, end one, end all; by oneself and by administrators', async () => {
    const { services, issuer } = gatehouse;
    const person = await createPerson(services);
    const open = async () => {
      const browser = browserOf(gatehouse);
      browser.headers['user-agent'] = 'Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0';
      await signInAt(`${issuer}/account`, person, browser);
      return browser;
    };
    const [here, other, third] = [await open(), await open(), await open()];
    const all = async () => (await services.sessions.list({ accountId: person.id }, page)).items;
    const signedIn = async (browser: typeof here) =>
      (await browser.open('/account')).url.endsWith('/account');

    const shown = await here.open('/account/sessions');
    expect(shown.html).toContain('Firefox on Windows');
    expect(await all()).toMatchObject(
      Array(3).fill({ address: '127.0.0.1', clientIds: ['gatehouse-account'] }),
    );
    await gatehouse.database.db('oidc_sessions').update({ address: '192.0.2.1', seen_at: new Date(0) });
    expect(await signedIn(here)).toBe(true);
    const touched = (await all()).filter(({ seenAt }) => seenAt.getTime() > 0);
    expect(touched).toMatchObject([{ address: '127.0.0.1' }]);

    const [gone] = (await all()).filter(({ id }) => id !== touched[0]?.id);
    await services.sessions.end(gone?.id ?? '', operator);
    expect([await signedIn(other), await signedIn(third)].toSorted()).toEqual([false, true]);
    await here.submit(await here.open('/account/sessions/all'), {}, '/all');
    expect(await all()).toEqual([]);
    expect(await signedIn(here)).toBe(false);
  });

  it('C4 mail: a link for a forgotten password, codes, notices of what changed; files in development', async () => {
    const { services, issuer } = gatehouse;
    const email = 'grace@example.com';
    const account = await services.accounts.create({ email, emailVerified: true, locale: 'de' }, operator);
    await services.credentials.setPassword(account.id, password, operator);

    const link = await linkFor(gatehouse, mailbox, email);
    expect(link.startsWith(`${issuer}/recover/`)).toBe(true);
    await setBy(browserOf(gatehouse), link);
    const notice = await mailbox.next(email, 'password-recovered');
    expect(notice.subject).toBe('Ihr Passwort wurde ersetzt');
    expect(notice.link).toBe(`${issuer}/account/activity`);

    const begun = await services.verification.begin(undefined, {
      purpose: 'second-factor',
      channel: 'mail',
      to: email,
      accountId: account.id,
      binding: 'a-sign-in',
      code: true,
      template: 'factor-code',
      locale: null,
    });
    expect(begun.kind).toBe('sent');
    expect((await mailbox.next(email, 'factor-code')).code).toMatch(/^\d{8}$/);

    const files = await readdir(join(services.config.database.dataDirectory, 'outbox'));
    expect(files.filter((name) => name.endsWith('.eml')).length).toBeGreaterThanOrEqual(3);
    const shown = await (await fetch(`${issuer}/dev/outbox`)).text();
    expect(shown).toContain('Ihr Passwort wurde ersetzt');
  });

  it('C2 passwords: strength by length and lists, reuse and history, breaches, a change when one is known', async () => {
    const { credentials, accounts } = gatehouse.services;
    const { id } = await accounts.create({ email: 'rear.admiral@example.com' }, operator);
    const set = (text: string) => credentials.setPassword(id, text, operator);
    // Length, lists and context in place of composition rules, which NIST SP 800-63B advises against.
    await expect(set('Sh0rt!pass')).rejects.toMatchObject({ code: 'password_too_short' });
    await expect(set('passwordpassword')).rejects.toMatchObject({ code: 'password_common' });
    await expect(set('qwertyuiopasdfghjkl')).rejects.toMatchObject({ code: 'password_common' });
    await expect(set('rear.admiral.2026')).rejects.toMatchObject({ code: 'password_contextual' });
    await expect(set(LEAKED)).rejects.toMatchObject({ code: 'password_breached' });
    await set('only small letters and spaces');
    await set('something entirely different');
    for (const before of ['only small letters and spaces', 'something entirely different']) {
      await expect(set(before)).rejects.toMatchObject({ code: 'password_reused' });
    }
    await credentials.passwords.requireChange(id, 'breached', operator);
    expect(await credentials.passwords.mustChange(id)).toBe('breached');
  });
});
