// A person's way through every page of a real server in a real browser, with and without script, narrow and wide, light
// and dark, in English and German.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { accessibilityFaults, sidewaysScroll, type Tab, useChromium } from '../support/chromium.ts';
import { password } from '../support/people.ts';
import { needs } from '../support/tools.ts';
import { useWorld, type World } from './world.ts';

const phone = { viewport: { width: 360, height: 740 } };
const desk = { viewport: { width: 1280, height: 900 } };

interface Variant {
  readonly name: string;
  readonly language: 'en' | 'de';
  /** Whether the language is asked for by the app; the browser then prefers the other one. */
  readonly byApp: boolean;
  readonly options: BrowserContextOptions;
}

const variants: Variant[] = [
  {
    name: 'desk-light-en-script',
    language: 'en',
    byApp: false,
    options: { ...desk, colorScheme: 'light', locale: 'en-GB' },
  },
  {
    name: 'phone-dark-de-noscript',
    language: 'de',
    byApp: true,
    options: { ...phone, colorScheme: 'dark', locale: 'en-US', javaScriptEnabled: false },
  },
];

/** Set to a folder, every page that is looked at is also kept there as a picture. */
const pictures = process.env.WALK_PICTURES;

describe.skipIf(needs('chromium'))('the hosted pages of a running server', () => {
  const chromium = useChromium();
  const world = useWorld({ LOCKOUT_FREE_ATTEMPTS: '2', LOCKOUT_ADDRESS_FREE_ATTEMPTS: '1000' });

  it.each(variants)(
    'lead through sign-in, consent, devices and sign-out: $name',
    async (variant) => {
      const tab = await chromium.open(variant.options);
      const walk = walker(tab, variant, world());
      await signInAndConsent(walk);
      await chooseAccount(walk);
      await chooseAmongSeveral(walk);
      await connectDevice(walk);
      await signOut(walk);
      await meetErrors(walk);
      await tab.close();
    },
    90_000,
  );
});

interface Walk {
  readonly page: Page;
  readonly world: World;
  readonly script: boolean;
  /** The request of the app, in the language of this walk. */
  begin(params?: Record<string, string>): Promise<void>;
  /** Looks at the page that is shown. */
  look(name: string, language?: string): Promise<void>;
  press(selector: string): Promise<void>;
  signIn(email: string, secret?: string): Promise<void>;
}

function walker({ page, complaints }: Tab, variant: Variant, world: World): Walk {
  const asked = variant.byApp ? { ui_locales: variant.language } : {};
  const browserLanguage = variant.options.locale?.slice(0, 2) ?? 'en';
  const script = variant.options.javaScriptEnabled !== false;
  const press = async (selector: string) => {
    await page.locator(selector).click();
  };
  return {
    page,
    world,
    script,
    press,
    begin: async (params = {}) => {
      await page.goto(world.authorizeUrl({ ...asked, ...params }));
    },
    async signIn(email, secret = password) {
      await page.locator('#identifier').fill(email);
      await page.locator('#password').fill(secret);
      await press('form[action$="/login"] button[type=submit]');
    },
    async look(name, language = variant.language) {
      const what = `${variant.name} ${name}`;
      await keepPicture(page, `${name}.${variant.name}`);
      expect(await page.locator('html').getAttribute('lang'), what).toBe(
        language === 'browser' ? browserLanguage : language,
      );
      // Without script, axe waits for ever; the same pages are looked at with script as well.
      if (script) expect(await accessibilityFaults(page), what).toEqual([]);
      expect(await sidewaysScroll(page), what).toBe(0);
      expect(complaints(), what).toEqual([]);
    },
  };
}

async function keepPicture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

async function signInAndConsent(walk: Walk): Promise<void> {
  const { page, world } = walk;
  await walk.begin();
  await walk.look('login');
  await walk.signIn(world.person.email ?? '', 'wrong');
  await walk.look('login-refused');
  for (let attempt = 0; attempt < 3; attempt += 1) await walk.signIn('nobody@example.com', 'wrong');
  await walk.look('login-locked');
  await walk.signIn(world.person.email ?? '');
  await walk.look('consent');
  await walk.press('button[form=deny]');
  await page.waitForURL(`${world.party}/callback?**error=access_denied**`);

  await walk.begin({ prompt: 'login consent' });
  await walk.look('login-again');
  await walk.signIn(world.person.email ?? '');
  await walk.press('button[form=allow]');
  await page.waitForURL(`${world.party}/callback?**code=**`);
  await page.goBack();
  if (page.url().startsWith(world.party)) await page.goBack();
  await walk.look('lost-finished', 'browser');
}

async function chooseAccount(walk: Walk): Promise<void> {
  const { page, world } = walk;
  await walk.begin({ prompt: 'select_account' });
  await walk.look('select-account');
  await walk.press('button.choice[value]:has(strong)');
  await walk.press('button[form=allow]');
  await page.waitForURL(`${world.party}/callback?**code=**`);

  await walk.begin({ prompt: 'select_account' });
  await walk.press('button[value=another]');
  await walk.look('login-another');
  await walk.signIn(world.other.email ?? '');
  await page.waitForSelector('button[form=allow]');
  expect(await page.locator('.person').textContent()).toContain('grace@example.com');
  await walk.press('button[form=allow]');
  await page.waitForURL(`${world.party}/callback?**code=**`);
}

/** Both are signed in: the page lists them, one is signed out there, and the other goes on without a password. */
async function chooseAmongSeveral(walk: Walk): Promise<void> {
  const { page, world } = walk;
  await walk.begin({ prompt: 'select_account' });
  await walk.look('select-account-several');
  expect(await page.locator('.choice small').allTextContents()).toEqual([
    'grace@example.com',
    'ada.lovelace@example.com',
  ]);
  await walk.press('li:nth-child(2) button[name=choice]');
  expect(await page.locator('.person').textContent()).toContain('ada.lovelace@example.com');
  await walk.press('form[action$="/switch-account"] button');
  await walk.look('select-account-switch');
  await walk.press('li:nth-child(1) button[name=sign_out]');
  await page.waitForSelector('li:nth-child(2) button[value=another]');
  await walk.press('li:nth-child(1) button[name=choice]');
  expect(await page.locator('.person').textContent()).toContain('grace@example.com');
  await walk.press('button[form=allow]');
  await page.waitForURL(`${world.party}/callback?**code=**`);
}

async function connectDevice(walk: Walk): Promise<void> {
  const { page, world } = walk;
  const refused = await world.deviceCode();
  await page.goto(refused.verificationUri);
  await walk.look('device-input', 'browser');
  await page.locator('#user_code').fill('WRONG-CODE');
  await walk.press('button.button');
  await walk.look('device-unknown', 'browser');
  await page.locator('#user_code').fill(refused.userCode.toLowerCase());
  await walk.press('button.button');
  await walk.look('device-confirm', 'browser');
  await walk.press('button[name=abort]');
  await walk.look('device-denied', 'browser');

  const wanted = await world.deviceCode();
  await page.goto(wanted.complete);
  if (!walk.script) {
    await walk.look('device-continue', 'browser');
    await walk.press('form[data-passing-on] button');
  }
  await page.waitForSelector('button[name=confirm]');
  await walk.press('button[name=confirm]');
  await walk.look('device-consent', 'browser');
  await walk.press('button[form=allow]');
  await walk.look('device-done', 'browser');
}

async function signOut(walk: Walk): Promise<void> {
  const { page, world } = walk;
  await page.goto(`${world.issuer}/end-session`);
  await walk.look('logout', 'browser');
  const leave = new URLSearchParams({
    client_id: world.app.id,
    post_logout_redirect_uri: `${world.party}/bye`,
  });
  await page.goto(`${world.issuer}/end-session?${leave}`);
  await walk.look('logout-client', 'browser');
  await walk.press('button[value=yes]');
  await page.waitForURL(`${world.party}/bye`);
  await page.goto(`${world.issuer}/end-session`);
  if (!walk.script) await walk.press('form[data-passing-on] button');
  await page.waitForURL(`${world.issuer}/end-session/success`);
  await walk.look('logout-done', 'browser');
}

async function meetErrors(walk: Walk): Promise<void> {
  const { page, world } = walk;
  await walk.begin({ client_id: 'nobody' });
  await walk.look('error-client');
  await walk.begin({ redirect_uri: 'https://evil.example/' });
  await walk.look('error-redirect');
  await page.goto(`${world.issuer}/nowhere`);
  await walk.look('error-not-found', 'browser');
  await page.goto(`${world.issuer}/interaction/gone`);
  await walk.look('lost-expired', 'browser');
  await page.context().clearCookies();
  await page.goto(`${world.issuer}/interaction/gone`);
  await walk.look('lost-cookies', 'browser');
  await page.goto(`${world.issuer}/`);
  await walk.look('home', 'browser');
  await walk.begin({ prompt: 'consent' });
  await page.context().clearCookies();
  await walk.signIn('ada@example.com', 'x');
  await walk.look('form-expired', 'browser');
}
