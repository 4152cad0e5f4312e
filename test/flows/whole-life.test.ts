// Whole lives of accounts, as people live them in a browser: on a small screen in German without scripts, and on a large one
// in English with them.
import { join } from 'node:path';
import { generateSync } from 'otplib';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { accessibilityFaults, sidewaysScroll, type Tab, useChromium } from '../support/chromium.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { useMailbox } from '../support/mailbox.ts';
import { operator, password } from '../support/people.ts';
import { needs } from '../support/tools.ts';

const gatehouse = useGatehouse({ settings: { REGISTRATION: 'open' } });
const mailbox = useMailbox(gatehouse);
const newPassword = 'eleven herons on a frozen canal';

const german = { locale: 'de-AT', viewport: { width: 360, height: 740 }, javaScriptEnabled: false };
const english = { locale: 'en-GB', viewport: { width: 1280, height: 900 }, javaScriptEnabled: true };
const variants = [
  ['360 px, German, without scripts', german],
  ['1280 px, English, with scripts', english],
] as const;

describe.skipIf(needs('chromium'))('somebody at a browser', () => {
  const chromium = useChromium();

  it.each(variants)(
    'an account is made, made safe, lost, found again, moved and given up: %s',
    async (name, options) => {
      const isGerman = options === german;
      const [email, moved] = isGerman
        ? ['greta@example.com', 'greta.neu@example.com']
        : ['grace@example.com', 'grace.new@example.com'];
      const [first, second] = [await chromium.open(options), await chromium.open(options)];
      const at = walker(first, name);

      await at.go('/sign-up');
      await at.fill({ email });
      await at.fill({ code: (await mailbox.next(email, 'register')).code ?? '' });
      await at.fill({ field_name: 'Grace', password });
      expect(at.path()).toBe('/account');
      expect(await first.page.getAttribute('html', 'lang')).toBe(isGerman ? 'de' : 'en');

      await at.go('/account/security');
      await at.follow('/account/security/authenticator');
      const secret = (await first.page.textContent('#secret'))?.replaceAll(/\s/g, '') ?? '';
      await at.fill({ code: '000000' });
      expect(await first.page.locator('#code-error').count()).toBe(1);
      await at.fill({ code: generateSync({ secret }) });
      const recoveryCodes = await first.page.locator('li code').allTextContents();
      expect(recoveryCodes).toHaveLength(10);
      expect((await mailbox.next(email, 'factor-added')).subject).toMatch(
        isGerman ? /^Eine Anmeldemöglichkeit/ : /^A way to sign in/,
      );

      const elsewhere = walker(second, `${name}, elsewhere`);
      await elsewhere.go('/account');
      await elsewhere.fill({ identifier: email, password });
      await elsewhere.fill({ code: await codeNow(email, secret) });
      expect(elsewhere.path()).toBe('/account');
      await mailbox.next(email, 'new-device');

      await elsewhere.press('/sign-out');
      await elsewhere.go('/account');
      await elsewhere.follow('/recover');
      await elsewhere.fill({ identifier: email });
      const { link = '' } = await mailbox.next(email, 'recover');
      await elsewhere.go(link);
      expect(second.page.url()).not.toContain(link.split('token=')[1] ?? 'token');
      await elsewhere.fill({ password: newPassword });
      await mailbox.next(email, 'password-recovered');
      await elsewhere.go('/account');
      await elsewhere.fill({ identifier: email, password });
      expect(elsewhere.path()).toContain('/interaction/');
      await elsewhere.fill({ identifier: email, password: newPassword });
      expect(await second.page.locator('#code').count()).toBe(1);
      await second.page.click('details.other-ways summary');
      await elsewhere.follow('recovery-code');
      await elsewhere.fill({ code: recoveryCodes[3] ?? '' });
      expect(elsewhere.path()).toBe('/account');
      await mailbox.next(email, 'recovery-code-used');

      await at.go('/account/security');
      expect(at.path()).toContain('/interaction/');

      await elsewhere.go('/account/email');
      await elsewhere.fill({ email: moved });
      await elsewhere.fill({ code: (await mailbox.next(moved, 'change-email')).code ?? '' });
      await mailbox.next(email, 'email-changed');
      expect(await second.page.locator('[role=status]').count()).toBeGreaterThan(0);
      const account = await gatehouse.services.accounts.findByIdentifier(moved);
      expect(account).toMatchObject({ email: moved, emailVerified: true, name: 'Grace' });

      await elsewhere.go('/account/data');
      await elsewhere.follow('/account/data/delete');
      await elsewhere.fill({ name: email });
      expect(await second.page.locator('#name-error').count()).toBe(1);
      await elsewhere.fill({ name: moved });
      await mailbox.next(moved, 'account-deletion');
      await elsewhere.go('/account');
      expect(elsewhere.path()).toContain('/interaction/');

      for (const tab of [first, second]) {
        expect(tab.complaints()).toEqual([]);
        await tab.close();
      }
    },
    240_000,
  );

  it('an administrator begins with a second factor, and gets no further without one', async () => {
    const email = 'chefin@example.com';
    const account = await gatehouse.services.accounts.create({ email, admin: true }, operator);
    await gatehouse.services.credentials.setPassword(account.id, password, operator);
    const tab = await chromium.open(german);
    const at = walker(tab, 'administrator, without scripts');
    await at.go('/account');
    await at.fill({ identifier: email, password });
    const enrolling = tab.page.url();
    await at.go('/account/security');
    expect(await tab.page.locator('#password').count()).toBe(1);
    await at.go(enrolling);
    if ((await tab.page.locator('#secret').count()) === 0) await at.follow('totp');
    const secret = (await tab.page.textContent('#secret'))?.replaceAll(/\s/g, '') ?? '';
    await at.fill({ code: generateSync({ secret }) });
    expect(await tab.page.locator('li code').count()).toBe(10);
    await tab.page.click('main a.button');
    expect(at.path()).toBe('/account');
    expect(tab.complaints()).toEqual([]);
    await tab.close();
  }, 120_000);

  it('a code by text message is a second step, and is spared where a browser was remembered', async () => {
    const email = 'simon@example.com';
    const phone = '+436641234567';
    const account = await gatehouse.services.accounts.create({ email, locale: 'de' }, operator);
    await gatehouse.services.credentials.setPassword(account.id, password, operator);
    const [here, there] = [await chromium.open(german), await chromium.open(german)];
    const at = walker(here, 'text messages, without scripts');
    await at.go('/account/security');
    await at.fill({ identifier: email, password });
    await at.follow('/account/security/codes/sms');
    await at.fill({ to: 'no number' });
    expect(await here.page.locator('#to-error').count()).toBe(1);
    await at.fill({ to: phone });
    await at.fill({ code: (await mailbox.next(phone)).code ?? '' });
    expect(await here.page.locator('li code').count()).toBe(10);

    const elsewhere = walker(there, 'remembered, without scripts');
    await elsewhere.go('/account');
    await elsewhere.fill({ identifier: email, password });
    if ((await there.page.locator('#code').count()) === 0) await elsewhere.press('/second-factor/send');
    await there.page.check('[name=remember]');
    await elsewhere.fill({ code: (await mailbox.next(phone)).code ?? '' });
    expect(elsewhere.path()).toBe('/account');
    await elsewhere.press('/sign-out');
    await elsewhere.go('/account');
    await elsewhere.fill({ identifier: email, password });
    expect(elsewhere.path()).toBe('/account');
    await elsewhere.go('/account/security');
    await elsewhere.press('/account/security/browsers');
    await elsewhere.press('/sign-out');
    await elsewhere.go('/account');
    await elsewhere.fill({ identifier: email, password });
    expect(elsewhere.path()).toContain('/interaction/');
    for (const tab of [here, there]) await tab.close();
  }, 120_000);

  it('a password may be pasted', async () => {
    const { page, close } = await chromium.open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await page.goto(`${gatehouse.issuer}/account`);
    await page.evaluate(`navigator.clipboard.writeText('${password}')`);
    await page.focus('#password');
    await page.keyboard.press('ControlOrMeta+V');
    expect(await page.inputValue('#password')).toBe(password);
    await close();
  });

  const seen = new Set<string>();

  /** One person at one tab: each page is looked at when it is shown. */
  function walker({ page }: Tab, who: string) {
    let step = 0;
    const look = async () => {
      step += 1;
      const folder = process.env.SCREENSHOTS;
      const file = `${who}-${String(step).padStart(2, '0')}.png`.replaceAll(/[ ,]+/g, '-');
      if (folder) await page.screenshot({ path: join(folder, file), fullPage: true });
      expect(await sidewaysScroll(page), page.url()).toBe(0);
      const headings = await page.locator('h1').allTextContents();
      expect(headings.length, page.url()).toBe(1);
      // Without scripts axe does not run either; a page that comes again is no news to it.
      const isSeen = seen.has(headings.join()) || who.includes('without');
      if (!isSeen) expect(await accessibilityFaults(page), page.url()).toEqual([]);
      seen.add(headings.join());
    };
    const after = async (act: () => Promise<unknown>) => {
      await Promise.all([page.waitForEvent('load'), act()]);
      await look();
    };
    return {
      path: () => new URL(page.url()).pathname,
      go: (to: string) => after(() => page.goto(new URL(to, gatehouse.issuer).href)),
      follow: (to: string) => after(() => page.click(`main a[href*="${to}"]`)),
      press: (action: string) => after(() => page.click(`form[action$="${action}"] button`)),
      fill: (fields: Readonly<Record<string, string>>) => fillAndSend(page, fields, after),
    };
  }
});

/** Into the form that has these fields. */
async function fillAndSend(
  page: Page,
  fields: Readonly<Record<string, string>>,
  after: (act: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  for (const [id, value] of Object.entries(fields)) await page.fill(`#${id}`, value);
  const [id = ''] = Object.keys(fields);
  await after(() =>
    page
      .locator('form', { has: page.locator(`#${id}`) })
      .locator('.button[type=submit]:not(.quiet)')
      .click(),
  );
}

/** A code works once, and tests do not wait half a minute for the next one. */
async function codeNow(email: string, secret: string): Promise<string> {
  const account = await gatehouse.services.accounts.findByIdentifier(email);
  await gatehouse.database.db('factors').where({ account_id: account?.id }).update({ counter: 0 });
  return generateSync({ secret });
}
