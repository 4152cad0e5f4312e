// What the product promises about people and their accounts, one test for each promise, with its id in the name.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { browserOf, linkFor, setBy } from './recovery/world.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { useMailbox } from './support/mailbox.ts';
import { operator, password } from './support/people.ts';

const gatehouse = useGatehouse({ settings: { LIMIT_RECOVERY_PER_MINUTE: '10000' } });
const mailbox = useMailbox(gatehouse);

describe('people', () => {
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
});
