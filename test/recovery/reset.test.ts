// A new password begun by an administrator: through the management API and at the command line.
import { describe, expect, it } from 'vitest';
import { commands } from '../../src/recovery/commands.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson, operator } from '../support/people.ts';
import { browserOf, canSignIn, newPassword, setBy, signedIn } from './world.ts';

const server = useGatehouse();
const mailbox = useMailbox(server);
const start = (account: Parameters<typeof reset>[0], input: Parameters<typeof reset>[1]) =>
  reset(account, input);
const reset = (
  account: Awaited<ReturnType<typeof createPerson>>,
  input: { delivery: 'mail' | 'link'; endNow: boolean },
) => server.services.recovery.forgotten.start(account, input, operator);

describe('a reset by an administrator', () => {
  it('sends the link to the person, and answers none', async () => {
    const account = await createPerson(server.services);
    expect(await start(account, { delivery: 'mail', endNow: false })).toMatchObject({ link: null });
    expect(await canSignIn(server, account)).toBe(true);
    const { link = '' } = await mailbox.next(account.email ?? '', 'recover-by-admin');
    await setBy(browserOf(server), link);
    expect(await canSignIn(server, account, newPassword)).toBe(true);
  });

  it('ends the password and what is signed in at once when asked to', async () => {
    const account = await createPerson(server.services);
    const { browser } = await signedIn(server, account);
    await start(account, { delivery: 'mail', endNow: true });
    expect(await canSignIn(server, account)).toBe(false);
    expect((await browser.open(`${server.issuer}/account`)).url).toContain('/interaction/');
  });

  it('does not let the password of before be chosen again', async () => {
    const account = await createPerson(server.services);
    await start(account, { delivery: 'mail', endNow: true });
    const { link = '' } = await mailbox.next(account.email ?? '', 'recover-by-admin');
    const page = await setBy(browserOf(server), link, 'wide meadow under seven lanterns');
    expect(page.html).toContain('You have used this password before.');
  });

  it('hands a link over for accounts without a mail address only', async () => {
    const account = await server.services.accounts.create({ username: 'withoutmail' }, operator);
    await expect(start(account, { delivery: 'mail', endNow: false })).rejects.toMatchObject({
      code: 'email_missing',
    });
    const { link } = await start(account, { delivery: 'link', endNow: false });
    await setBy(browserOf(server), link ?? '');
    expect(await canSignIn(server, account, newPassword)).toBe(true);
    const other = await createPerson(server.services);
    await expect(start(other, { delivery: 'link', endNow: false })).rejects.toMatchObject({
      code: 'email_present',
    });
  });

  it('is none for a suspended account', async () => {
    const account = await createPerson(server.services);
    await server.services.accounts.suspend(account.id, null, operator);
    const suspended = (await server.services.accounts.find(account.id)) ?? account;
    await expect(start(suspended, { delivery: 'mail', endNow: false })).rejects.toMatchObject({
      code: 'account_suspended',
    });
  });

  it('is there at the command line', async () => {
    expect(commands.map(({ name }) => name)).toEqual(['user reset-password']);
  });
});
