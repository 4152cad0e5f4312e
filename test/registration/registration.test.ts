// The steps of a registration without its pages: none can be left out, and none proves another address.
import { expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { password } from '../support/people.ts';

const gatehouse = useGatehouse({ settings: { REGISTRATION: 'open' } });
const mailbox = useMailbox(gatehouse);
const particulars = { username: null, profile: {}, password, acceptsTerms: false, locale: 'en' };

it('is not finished before the address is proved', async () => {
  const { registration, accounts } = gatehouse.services;
  await registration.begin({ binding: 'one', email: 'early@example.com', locale: 'en' });
  expect(await registration.finish('one', particulars)).toEqual({ kind: 'gone' });
  expect(await accounts.findByIdentifier('early@example.com')).toBeUndefined();
});

it('is proved by no code and no link of another address that it was begun with before', async () => {
  const { registration } = gatehouse.services;
  await registration.begin({ binding: 'two', email: 'mine@example.com', locale: 'en' });
  const mail = await mailbox.next('mine@example.com', 'register');
  await registration.begin({ binding: 'two', email: 'yours@example.com', locale: 'en' });
  expect(await registration.prove('two', mail.code ?? '')).not.toBe('ok');
  const token = new URL(mail.link ?? '').searchParams.get('token') ?? '';
  expect(await registration.proveByLink(token, 'two')).toBe(false);
  expect((await registration.standing('two'))?.isProved).toBe(false);
});

it('is proved by its link where it was begun and nowhere else, and used up only there', async () => {
  const { registration } = gatehouse.services;
  await registration.begin({ binding: 'theirs', email: 'victim@example.com', locale: 'en' });
  const { link } = await mailbox.next('victim@example.com', 'register');
  await registration.begin({ binding: 'other', email: 'other@example.com', locale: 'en' });
  const token = new URL(link ?? '').searchParams.get('token') ?? '';
  for (const binding of [undefined, 'nobody', 'other']) {
    expect(await registration.peekLink(token, binding)).toMatchObject({ isHere: false });
    expect(await registration.proveByLink(token, binding)).toBe(false);
  }
  expect((await registration.standing('theirs'))?.isProved).toBe(false);
  expect(await registration.proveByLink(token, 'theirs')).toBe(true);
  expect((await registration.standing('theirs'))?.isProved).toBe(true);
});

it('belongs to one sign-in: another one is not proved by its code', async () => {
  const { registration } = gatehouse.services;
  await registration.begin({ binding: 'three', email: 'three@example.com', locale: 'en' });
  await registration.begin({ binding: 'four', email: 'four@example.com', locale: 'en' });
  const { code = '' } = await mailbox.next('three@example.com', 'register');
  expect(await registration.prove('four', code)).toBe('wrong');
  expect(await registration.prove('three', code)).toBe('ok');
});

it('is over after an hour', async () => {
  const { registration } = gatehouse.services;
  await registration.begin({ binding: 'five', email: 'five@example.com', locale: 'en' });
  const { code = '' } = await mailbox.next('five@example.com', 'register');
  expect(await registration.prove('five', code)).toBe('ok');
  const past = new Date(Date.now() - 1000);
  await gatehouse.database
    .db('registrations')
    .where({ email: 'five@example.com' })
    .update({ expires_at: past });
  expect(await registration.finish('five', particulars)).toEqual({ kind: 'gone' });
  const [job] = registration.jobs();
  await job?.run(new AbortController().signal);
  expect(await gatehouse.database.db('registrations').where({ email: 'five@example.com' })).toEqual([]);
});
