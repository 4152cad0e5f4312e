// Getting back in as a person does: a small screen, in German, with scripts switched off.
import { describe, expect, it } from 'vitest';
import { newPassword } from '../recovery/world.ts';
import { accessibilityFaults, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { createPerson } from '../support/people.ts';
import { needs } from '../support/tools.ts';

describe.skipIf(needs('chromium'))('a person on a small screen, in German', () => {
  const server = useGatehouse();
  const mailbox = useMailbox(server);
  const chromium = useChromium();
  const phone = { viewport: { width: 360, height: 740 }, locale: 'de-AT' };

  it('forgets a password, and goes on in the sign-in that this interrupted, without scripts', async () => {
    const { email } = await createPerson(server.services);
    const { page, close } = await chromium.open({ ...phone, javaScriptEnabled: false });
    const send = (button: string) => page.getByRole('button', { name: button, exact: true }).click();
    await page.goto(`${server.issuer}/account`);
    await page.getByRole('link', { name: 'Passwort vergessen?' }).click();
    await page.getByLabel('E-Mail-Adresse oder Benutzername').fill(email ?? '');
    await send('Link schicken');
    expect(await page.textContent('h1')).toBe('Sehen Sie in Ihr Postfach');
    const { link = '', subject } = await mailbox.next(email ?? '', 'recover');
    expect(subject).toBe('Wählen Sie ein neues Passwort');
    await page.goto(link);
    expect(page.url()).toBe(`${server.issuer}/recover/password`);
    await page.getByLabel('Neues Passwort').fill('kurz');
    await send('Passwort speichern');
    expect(await page.textContent('#password-error')).toContain('15');
    await page.getByLabel('Neues Passwort').fill(newPassword);
    await send('Passwort speichern');
    expect(await page.textContent('h1')).toBe('Ihr neues Passwort gilt');
    await page.getByRole('link', { name: 'Anmelden' }).click();
    await page.getByLabel('E-Mail-Adresse oder Benutzername').fill(email ?? '');
    await page.getByLabel('Passwort', { exact: true }).fill(newPassword);
    await send('Anmelden');
    expect(page.url()).toBe(`${server.issuer}/account`);
    await close();
  }, 60_000);

  it('meets pages that fit, and in which axe finds nothing', async () => {
    const { page, complaints, close } = await chromium.open(phone);
    for (const path of [
      '/recover',
      '/recover/sent',
      '/recover/second-factor',
      '/recover/password',
      '/recover/done',
    ]) {
      await page.goto(`${server.issuer}${path}`);
      expect(await accessibilityFaults(page), path).toEqual([]);
      expect(await sidewaysScroll(page), path).toBe(0);
    }
    expect(complaints()).toEqual([]);
    await close();
  }, 60_000);
});
