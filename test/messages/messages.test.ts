// Messages go out with the commit that they belong to: once, in the right language, and not without it.
import { describe, expect, it } from 'vitest';
import type { NewMessage } from '../../src/messages/messages.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';

const gatehouse = useGatehouse();
const mailbox = useMailbox(gatehouse);
const link = 'http://localhost/verify-address?token=abc';

const letter = (more: Partial<NewMessage>): NewMessage => ({
  channel: 'mail',
  template: 'verify-address',
  to: 'ada@example.com',
  accountId: null,
  locale: null,
  values: { code: '12345678', link, minutes: 30 },
  ...more,
});

describe('a message', () => {
  it('is sent right after the commit, with its code and its link', async () => {
    const { messages, postgres } = gatehouse.services;
    await postgres.transaction((trx) => messages.send(trx, letter({})));
    const mail = await mailbox.next('ada@example.com');
    expect(mail).toMatchObject({ code: '12345678', link, subject: 'Confirm your email address' });
    expect(mail.html).toContain('<html lang="en" dir="ltr">');
  });

  it('is not sent when the transaction is rolled back', async () => {
    const { messages, postgres } = gatehouse.services;
    await expect(
      postgres.transaction(async (trx) => {
        await messages.send(trx, letter({ to: 'nobody@example.com' }));
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    await postgres.transaction((trx) => messages.send(trx, letter({ to: 'later@example.com' })));
    await mailbox.next('later@example.com');
    expect(await mailbox.waiting('nobody@example.com')).toEqual([]);
  });

  it('with the same deduplication key is written once', async () => {
    const { messages, postgres } = gatehouse.services;
    for (const to of ['first@example.com', 'second@example.com'])
      await messages.send(postgres.db, letter({ to, deduplication: 'the-same' }));
    await messages.send(postgres.db, letter({ to: 'last@example.com' }));
    await mailbox.next('last@example.com');
    await mailbox.next('first@example.com');
    expect(await mailbox.waiting('second@example.com')).toEqual([]);
  });

  it('is in the language of the account, else in that of the request, else in English', async () => {
    const { messages, accounts, postgres } = gatehouse.services;
    const by = { kind: 'system', id: null } as const;
    const german = await accounts.create({ email: 'heidi@example.com', locale: 'de-AT' }, by);
    const klingon = await accounts.create({ email: 'worf@example.com', locale: 'tlh' }, by);
    const cases = [
      { accountId: german.id, locale: 'en', lang: 'de' },
      { accountId: klingon.id, locale: 'de', lang: 'de' },
      { accountId: null, locale: 'de-CH', lang: 'de' },
      { accountId: null, locale: 'fr', lang: 'en' },
    ];
    for (const [index, { lang, ...one }] of cases.entries()) {
      const to = `reader${index}@example.com`;
      await messages.send(postgres.db, letter({ to, ...one }));
      expect((await mailbox.next(to)).html, to).toContain(`<html lang="${lang}"`);
    }
  });

  it('keeps what it says sealed, and only until it is sent', async () => {
    const { messages, postgres, vault } = gatehouse.services;
    await messages.send(
      postgres.db,
      letter({ to: 'sealed@example.com', values: { code: '97531864', minutes: 1 } }),
    );
    await mailbox.next('sealed@example.com');
    const read = () => postgres.db('messages').where({ recipient: 'sealed@example.com' }).first();
    await expect.poll(async () => (await read()).state).toBe('sent');
    const row = await read();
    expect(JSON.stringify({ ...row, payload: row.payload.toString('latin1') })).not.toContain('97531864');
    expect(vault.open(row.payload, `messages.payload:${row.id}`).toString()).toBe('{}');
  });
});
