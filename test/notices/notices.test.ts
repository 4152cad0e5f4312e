// What happens to an account is told to its owner: once, by mail, with when and where, and never to somebody unproven.
import { describe, expect, it } from 'vitest';
import { eventRow, type NewEvent } from '../../src/audit/audit.ts';
import { insertEvents } from '../../src/audit/store.ts';
import type { AccountId } from '../../src/lib/ids.ts';
import { noticesByEvent } from '../../src/notices/notices.ts';
import { withOrigin } from '../../src/platform/origin.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';

const gatehouse = useGatehouse();
const mailbox = useMailbox(gatehouse);
const operator = { kind: 'operator', id: 'test' } as const;
const userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0';
let count = 0;

async function somebody(more: { emailVerified?: boolean; locale?: string } = {}) {
  count += 1;
  const email = `owner${count}@example.com`;
  const account = await gatehouse.services.accounts.create({ email, emailVerified: true, ...more }, operator);
  return { ...account, email };
}

/** The event as the feature writes it, from a browser somewhere. */
async function happens(
  accountId: AccountId,
  event: Partial<NewEvent> & Pick<NewEvent, 'type'>,
): Promise<void> {
  const { audit, postgres } = gatehouse.services;
  const actor = { kind: 'account', id: accountId } as const;
  await withOrigin({ requestId: null, address: '203.0.113.9', userAgent }, () =>
    audit.record(postgres.db, { actor, outcome: 'success', accountId, ...event }),
  );
}

/** Nothing more comes after this for anybody. */
async function quiet(): Promise<void> {
  const last = await somebody();
  await happens(last.id, { type: 'factor.added', details: { kind: 'totp' } });
  await mailbox.next(last.email, 'factor-added');
}

describe('a notice', () => {
  it('says what happened, when, from where and with what, and where to say that it was not oneself', async () => {
    const owner = await somebody();
    await happens(owner.id, { type: 'device.new' });
    const mail = await mailbox.next(owner.email, 'new-device');
    expect(mail.subject).toBe('New sign-in to your account');
    expect(mail.text).toContain('203.0.113.9');
    expect(mail.text).toContain('Firefox on Windows');
    expect(mail.text).toContain(String(new Date().getUTCFullYear()));
    expect(mail.link).toBe(`${gatehouse.issuer}/account/activity`);
  });

  it.each([
    ['factor.added', { kind: 'passkey' }, 'factor-added', 'Passkey'],
    ['factor.removed', { kind: 'sms' }, 'factor-removed', 'Codes by text message'],
    ['factors.reset', {}, 'factors-reset', 'recovery codes'],
    ['factor.counter-rolled-back', {}, 'passkey-copied', 'may be a copy'],
    ['recovery-codes.renewed', {}, 'recovery-codes-renewed', 'work no more'],
    ['recovery-code.used', { left: 2 }, 'recovery-code-used', 'Codes left: 2'],
    ['password.recovered', {}, 'password-recovered', 'mailed'],
    ['password.set', { sessions: 'ended' }, 'password-changed', 'password'],
    ['account.phone-changed', {}, 'phone-changed', 'phone'],
    ['api-key.created', { name: 'nightly', parentId: null }, 'api-key-created', 'nightly'],
    ['lockout.started', {}, 'many-failures', 'did not succeed'],
  ] as const)('is sent for %s', async (type, details, template, sentence) => {
    const owner = await somebody();
    await happens(owner.id, { type, details });
    expect((await mailbox.next(owner.email, template)).text).toContain(sentence);
  });

  it('speaks the language of the account', async () => {
    const owner = await somebody({ locale: 'de' });
    await happens(owner.id, { type: 'factors.reset' });
    expect((await mailbox.next(owner.email)).subject).toBe('Ihre zweiten Faktoren wurden entfernt');
  });

  it('names an administrator without saying where they are', async () => {
    const owner = await somebody();
    await happens(owner.id, { type: 'factors.reset', actor: operator });
    const { text } = await mailbox.next(owner.email);
    expect(text).toContain('an administrator of Gatehouse');
    expect(text).not.toMatch(/203\.0\.113\.9|Firefox/);
  });

  it('comes once for each event, however often the ledger tells of it', async () => {
    const owner = await somebody();
    await happens(owner.id, { type: 'device.new' });
    await mailbox.next(owner.email);
    await gatehouse.services.postgres
      .db('audit_listeners')
      .where({ name: 'security-notices' })
      .update({ transaction_id: '0', sequence: 0, floor_sequence: 0 });
    await quiet();
    expect(await mailbox.waiting(owner.email)).toEqual([]);
  });

  it('of failed sign-ins comes once a day, so that nobody can fill a mailbox with them', async () => {
    const owner = await somebody();
    for (let index = 0; index < 3; index += 1) await happens(owner.id, { type: 'lockout.started' });
    await mailbox.next(owner.email, 'many-failures');
    await quiet();
    expect(await mailbox.waiting(owner.email)).toEqual([]);
  });

  it('does not go to an address that nobody proved, nor tell what is no news', async () => {
    const unproven = await somebody({ emailVerified: false });
    const fresh = await somebody();
    await happens(unproven.id, { type: 'device.new' });
    await happens(fresh.id, { type: 'password.set', details: {} });
    await happens(fresh.id, { type: 'password.set', details: { sessions: 'ended', byMail: true } });
    await happens(fresh.id, { type: 'sessions.ended', details: { before: 'now' } });
    await happens(fresh.id, { type: 'api-key.created', details: { name: 'below', parentId: 'key_1' } });
    await happens(fresh.id, { type: 'session.started' });
    await quiet();
    expect(await mailbox.waiting(unproven.email)).toEqual([]);
    expect(await mailbox.waiting(fresh.email)).toEqual([]);
  });

  it('that would come days late is not sent', async () => {
    const late = await somebody();
    const { clock, postgres } = gatehouse.services;
    const actor = { kind: 'account', id: late.id } as const;
    const event = { type: 'device.new', actor, outcome: 'success', accountId: late.id } as const;
    const at = new Date(clock.now().getTime() - 72 * 3_600_000);
    await insertEvents(postgres.db, [eventRow(event, at)]);
    await quiet();
    expect(await mailbox.waiting(late.email)).toEqual([]);
  });

  it('is there for every change of a factor, a password, an address and a key', () => {
    expect(Object.keys(noticesByEvent)).toEqual(
      expect.arrayContaining([
        ...['device.new', 'factor.added', 'factor.removed', 'factors.reset', 'factor.counter-rolled-back'],
        ...['recovery-codes.renewed', 'recovery-code.used', 'password.set', 'password.recovered'],
        ...['account.email-changed', 'account.phone-changed', 'account.phone-removed', 'api-key.created'],
        ...['lockout.started', 'sessions.ended'],
      ]),
    );
  });
});

it('an address that took back its change is told; one that could not learns nothing of whose it is now', async () => {
  const owner = await somebody();
  await happens(owner.id, { type: 'account.email-restored', outcome: 'failure', reason: 'address_taken' });
  await quiet();
  expect(await mailbox.waiting(owner.email)).toEqual([]);
  await happens(owner.id, { type: 'account.email-restored' });
  expect((await mailbox.next(owner.email, 'address-restored')).text).toContain('was taken back');
});
