// Making an account in a real browser: narrow and wide, without scripts, in German; and the profile page after it.
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { accessibilityFaults, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { password } from '../support/people.ts';
import { needs } from '../support/tools.ts';

const terms = { TERMS_VERSION: '1', TERMS_URL: 'https://example.com/terms' };
const gatehouse = useGatehouse({ settings: { REGISTRATION: 'open', ...terms } });
const mailbox = useMailbox(gatehouse);

describe.skipIf(needs('chromium'))('sign-up in a browser', () => {
  const chromium = useChromium();

  for (const { name, scripts, width, locale, heading } of [
    { name: 'narrow', scripts: false, width: 360, locale: 'de-AT', heading: 'Konto anlegen' },
    { name: 'wide', scripts: true, width: 1200, locale: 'en-GB', heading: 'Create an account' },
  ]) {
    it(`goes from /sign-up to the account page: ${name}, ${locale}, scripts ${scripts ? 'on' : 'off'}`, async () => {
      const viewport = { width, height: 900 };
      const tab = await chromium.open({ locale, viewport, javaScriptEnabled: scripts });
      const { page } = tab;
      const email = `${name}@example.com`;

      const look = async (step: string) => {
        const folder = process.env.SCREENSHOTS;
        if (folder) await page.screenshot({ path: join(folder, `${name}-${step}.png`), fullPage: true });
        if (!scripts) return;
        expect(await sidewaysScroll(page)).toBe(0);
        expect(await accessibilityFaults(page)).toEqual([]);
      };

      await page.goto(`${gatehouse.issuer}/sign-up`);
      expect(await page.textContent('h1')).toBe(heading);
      await look('1-address');
      await page.fill('#email', email);
      await submit(page);
      await look('2-sent');
      const { code = '' } = await mailbox.next(email, 'register');
      await page.fill('#code', '11111111');
      await submit(page);
      await look('3-wrong');
      await page.fill('#code', code);
      await submit(page);
      await look('4-account');
      await page.fill('#field_name', 'Ada Lovelace');
      await page.fill('#username', 'a @ b');
      await page.fill('#password', password);
      await page.check('#terms');
      await submit(page);
      expect(await page.inputValue('#field_name')).toBe('Ada Lovelace');
      expect(await page.isChecked('#terms')).toBe(true);
      await look('5-errors');
      await page.fill('#username', `ada-${name}`);
      await page.fill('#password', password);
      await submit(page);
      expect(new URL(page.url()).pathname).toBe('/account');

      await page.goto(`${gatehouse.issuer}/account/profile`);
      await look('6-profile');
      await page.fill('#field_nickname', 'x'.repeat(10_000));
      await page.fill('#field_given_name', 'Ada \u202e');
      await page.fill('#field_website', 'javascript:alert(1)');
      await page.click('form[action$="/account/profile"] button[type=submit]');
      expect(await page.locator('.problem').count()).toBe(3);
      await look('7-profile-errors');
      await page.fill('#field_nickname', 'Ada 🦉');
      await page.fill('#field_given_name', 'Ada');
      await page.fill('#field_website', 'https://example.com/ada');
      await page.fill('#field_birthdate', '1815-12-10');
      await page.click('form[action$="/account/profile"] button[type=submit]');
      expect(await page.inputValue('#field_nickname')).toBe('Ada 🦉');
      await look('8-profile-saved');
      const account = await gatehouse.services.accounts.findByIdentifier(email);
      expect(account?.profile).toMatchObject({ nickname: 'Ada 🦉', birthdate: '1815-12-10' });
      expect(tab.complaints()).toEqual([]);
      await tab.close();
    }, 120_000);
  }

  it('makes an account with a passkey and no password, which signs in again by itself', async () => {
    const tab = await chromium.open({ locale: 'de-AT', viewport: { width: 360, height: 740 } });
    const { page } = tab;
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    } as const;
    await cdp.send('WebAuthn.addVirtualAuthenticator', { options });
    const look = async (step: string) => {
      const folder = process.env.SCREENSHOTS;
      if (folder) await page.screenshot({ path: join(folder, `passkey-${step}.png`), fullPage: true });
      expect(await sidewaysScroll(page)).toBe(0);
      expect(await accessibilityFaults(page)).toEqual([]);
    };
    await page.goto(`${gatehouse.issuer}/sign-up`);
    await page.fill('#email', 'keyholder@example.com');
    await submit(page);
    const { code = '' } = await mailbox.next('keyholder@example.com', 'register');
    await page.fill('#code', code);
    await submit(page);
    await look('1-account');
    await page.fill('#field_name', 'Ada Lovelace');
    await page.check('#terms');
    await page.click('button[name=way][value=passkey]');
    await page.waitForSelector('form[data-passkey=create] button.button:visible');
    await look('2-passkey');
    await page.click('form[data-passkey=create] button.button');
    await page.waitForSelector('ul.codes');
    await look('3-codes');
    await page.click('main a.button');
    await page.waitForURL(`${gatehouse.issuer}/account`);
    const account = await gatehouse.services.accounts.findByIdentifier('keyholder@example.com');
    const id = account?.id;
    expect(id && (await gatehouse.services.credentials.hasPassword(id))).toBe(false);

    await page.context().clearCookies();
    await page.goto(`${gatehouse.issuer}/account`);
    // The field offers it by itself, or the button is pressed.
    await page.click('form[data-passkey] button.button').catch(() => undefined);
    await page.waitForURL(`${gatehouse.issuer}/account`);
    expect(tab.complaints()).toEqual([]);
    await tab.close();
  }, 60_000);
});

async function submit(page: Page): Promise<void> {
  await Promise.all([page.waitForLoadState('load'), page.click('main .button[type=submit]')]);
}
