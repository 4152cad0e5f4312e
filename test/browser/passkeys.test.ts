// Passkeys in a real browser with a virtual authenticator: made on the account pages, used alone and as a second factor.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../src/accounts/accounts.ts';
import { accessibilityFaults, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { createPerson, password } from '../support/people.ts';
import { needs } from '../support/tools.ts';
import { useWorld } from './world.ts';

const phone = { viewport: { width: 360, height: 740 }, locale: 'en-GB' };
const desk = { viewport: { width: 1280, height: 900 }, locale: 'de-AT' };

/** Set to a folder, every page that is looked at is also kept there as a picture. */
const pictures = process.env.WALK_PICTURES;

async function look(page: Page, name: string, hasScript = true): Promise<void> {
  if (pictures !== undefined) {
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  }
  expect(await sidewaysScroll(page)).toBe(0);
  if (hasScript) expect(await accessibilityFaults(page)).toEqual([]);
}

interface Authenticator {
  readonly id: string;
  readonly cdp: CDPSession;
}

interface Kind {
  readonly hasResidentKey?: boolean;
  readonly hasUserVerification?: boolean;
  readonly isUserVerified?: boolean;
  readonly transport?: 'internal' | 'usb';
}

async function plugIn(page: Page, more: Kind = {}): Promise<Authenticator> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  return { cdp, id: await add(cdp, more) };
}

async function add(cdp: CDPSession, more: Kind = {}): Promise<string> {
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...more,
    },
  });
  return authenticatorId;
}

/** Whether somebody is there who touches it. */
async function behave({ cdp, id }: Authenticator, { present }: { present: boolean }): Promise<void> {
  await cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: present });
}

const button = (page: Page) => page.locator('form[data-passkey] button[type=button]');

describe.skipIf(needs('chromium'))('passkeys in a browser', () => {
  const chromium = useChromium();
  const world = useWorld();

  async function signIn(page: Page, person: Account): Promise<void> {
    await page.locator('#identifier').fill(person.email ?? '');
    await page.locator('#password').fill(password);
    await page.locator('form[action$="/login"] button[type=submit]').click();
  }

  async function openSecurity(page: Page, person: Account): Promise<void> {
    await page.goto(`${world().issuer}/account/security`);
    await signIn(page, person);
    await page.waitForSelector('section[aria-labelledby=factors]');
  }

  async function makePasskey(page: Page, name: string): Promise<void> {
    await page.goto(`${world().issuer}/account/security/passkeys`);
    await page.locator('#name').fill(name);
    await button(page).click();
  }

  /** The first one brings recovery codes; and whoever has a second factor is asked for it from then on. */
  async function makeFirstPasskey(page: Page, name: string): Promise<void> {
    await makePasskey(page, name);
    await page.waitForSelector('#recovery-codes');
    // It was proved by being made, and the session counts it.
    await page.locator('main a.button').click();
    await page.waitForSelector('section[aria-labelledby=factors]');
  }

  const namesOn = (page: Page) => page.locator('section[aria-labelledby=factors] bdi').allTextContents();

  it('are made on the account pages and count at once; several, with names of their own', async () => {
    const person = await createPerson(world().services);
    const { page, complaints, close } = await chromium.open(phone);
    await openSecurity(page, person);
    await look(page, 'security-nothing.phone');
    const first = await plugIn(page);

    await page.goto(`${world().issuer}/account/security/passkeys`);
    await look(page, 'security-passkey.phone');
    await makePasskey(page, 'My laptop 💻');
    await page.waitForSelector('#recovery-codes');
    expect(await page.locator('#recovery-codes li').count()).toBe(10);
    await look(page, 'security-codes-new.phone');
    await page.locator('main a.button').click();
    await page.waitForSelector('section[aria-labelledby=factors]');
    expect(await namesOn(page)).toEqual(['My laptop 💻']);

    // That one is on this device already, and the browser says so.
    await makePasskey(page, '');
    await page.waitForSelector('[data-problem]:not([hidden])');
    expect(await page.locator('[data-problem]').textContent()).toContain('on that device already');
    await look(page, 'security-passkey-known.phone');
    await first.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: first.id });
    await add(first.cdp, { transport: 'usb' });
    await makePasskey(page, '');
    await page.waitForSelector('section[aria-labelledby=factors]');
    expect(await namesOn(page)).toEqual(['My laptop 💻', 'Security key']);
    await look(page, 'security-two.phone');

    await page.locator('a', { hasText: 'Rename' }).last().click();
    await page.locator('#name').fill('Blue key');
    await page.locator('main .form button[type=submit]').click();
    await page.waitForSelector('section[aria-labelledby=factors]');
    expect(await namesOn(page)).toEqual(['My laptop 💻', 'Blue key']);
    await page.locator('a', { hasText: 'Remove' }).first().click();
    await look(page, 'security-remove.phone');
    await page.locator('button.danger').click();
    await page.waitForSelector('section[aria-labelledby=factors]');
    expect(await namesOn(page)).toEqual(['Blue key']);
    expect(complaints()).toEqual([]);
    await close();
  }, 60_000);

  it('are enough by themselves, by the button and in the field', async () => {
    const person = await createPerson(world().services);
    const { page, complaints, close } = await chromium.open(desk);
    await openSecurity(page, person);
    const authenticator = await plugIn(page);
    await makeFirstPasskey(page, '');
    await look(page, 'security-one.desk');

    // Nobody touches it: the page waits, as ever.
    await page.context().clearCookies();
    await behave(authenticator, { present: false });
    await page.goto(world().authorizeUrl());
    expect(await page.locator('#identifier').getAttribute('autocomplete')).toBe('username webauthn');
    await page.waitForSelector('form[data-passkey=get] button:not([hidden])');
    await look(page, 'login-passkey.desk');
    await behave(authenticator, { present: true });
    await button(page)
      .click()
      .catch(() => undefined);
    await page.waitForSelector('button[form=allow]');
    expect(await page.locator('main').textContent()).toContain(person.email);

    // And with nothing pressed at all: chosen from what the browser offers in the field.
    await page.context().clearCookies();
    await page.goto(world().authorizeUrl());
    await page.waitForSelector('button[form=allow]');
    expect(complaints()).toEqual([]);
    await close();
  }, 60_000);

  it('are a second factor without a fingerprint, and nothing alone', async () => {
    const person = await createPerson(world().services);
    const { page, close } = await chromium.open(desk);
    await openSecurity(page, person);
    await plugIn(page, {
      transport: 'usb',
      hasResidentKey: false,
      hasUserVerification: false,
      isUserVerified: false,
    });
    await makeFirstPasskey(page, 'Old key');
    expect(await namesOn(page)).toEqual(['Old key']);

    await page.context().clearCookies();
    await page.goto(world().authorizeUrl());
    await button(page).click();
    await page.waitForSelector('[data-problem]:not([hidden])');
    await look(page, 'login-passkey-cancelled.desk');
    await signIn(page, person);
    await page.waitForURL((url) => !url.pathname.endsWith('/login'));
    await button(page).click();
    await page.waitForSelector('button[form=allow]');
    await close();
  }, 60_000);

  it('say without script that they need it', async () => {
    const { page, close } = await chromium.open({ ...phone, javaScriptEnabled: false });
    await page.goto(world().authorizeUrl());
    expect(await page.locator('noscript').first().innerHTML()).toContain('Passkeys need JavaScript');
    expect(await button(page).isVisible()).toBe(false);
    await look(page, 'login-noscript.phone', false);
    await close();
  });
});
