// The page on which a person chooses an organization: narrow and wide, with and without script, and by keyboard alone.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { accessibilityFaults, focused, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { password } from '../support/people.ts';
import { createOrganization } from '../support/roles.ts';
import { needs } from '../support/tools.ts';
import { useWorld, type World } from './world.ts';

const phone = { viewport: { width: 360, height: 740 } };
const desk = { viewport: { width: 1280, height: 900 } };
const LONG = 'Landesverband der Donaudampfschifffahrtsgesellschaftskapitäne und Leuchtturmwärter e. V.';

/** Set to a folder, every page that is looked at is also kept there as a picture. */
const pictures = process.env.WALK_PICTURES;

async function keepPicture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

async function signIn(page: Page, world: World, params: Record<string, string> = {}): Promise<void> {
  await page.goto(world.authorizeUrl(params));
  await page.locator('#identifier').fill(world.person.email ?? '');
  await page.locator('#password').fill(password);
  await page.locator('form[action$="/login"] button[type=submit]').click();
}

describe.skipIf(needs('chromium'))('the page for choosing an organization', () => {
  const chromium = useChromium();
  const world = useWorld();

  beforeAll(async () => {
    const { services, person } = world();
    for (const name of ['Harbour Works', 'Acme', 'Acme', LONG]) {
      await createOrganization(services, [person], name);
    }
    // The server process hears of it at its next look for changes.
    await delay(2500);
  }, 60_000);

  it.each([
    { name: 'phone-light-en-script', language: 'en', options: { ...phone, locale: 'en-GB' } },
    {
      name: 'phone-dark-de-noscript',
      language: 'de',
      options: { ...phone, locale: 'de-AT', colorScheme: 'dark' as const, javaScriptEnabled: false },
    },
    {
      name: 'desk-dark-en-script',
      language: 'en',
      options: { ...desk, locale: 'en-GB', colorScheme: 'dark' as const },
    },
    {
      name: 'desk-light-de-noscript',
      language: 'de',
      options: { ...desk, locale: 'de-AT', javaScriptEnabled: false },
    },
  ])('leads to the consent page of the one that is chosen: $name', async ({ name, language, options }) => {
    const { page, complaints, close } = await chromium.open(options);
    await signIn(page, world());
    await page.waitForSelector('button[value=none]');
    await keepPicture(page, `select-organization.${name}`);

    expect(await page.locator('html').getAttribute('lang')).toBe(language);
    expect(await page.locator('.choice strong').allTextContents()).toEqual([
      'Acme',
      'Acme',
      'Harbour Works',
      LONG,
    ]);
    // Two of one name are told apart by their short names.
    expect(new Set(await page.locator('.choice:has(strong) small').allTextContents()).size).toBe(2);
    expect(await sidewaysScroll(page)).toBe(0);
    if (!name.endsWith('noscript')) expect(await accessibilityFaults(page)).toEqual([]);
    expect(complaints()).toEqual([]);

    await page.locator('button.choice', { hasText: 'Harbour Works' }).click();
    await page.waitForSelector('button[form=allow]');
    await keepPicture(page, `select-organization-consent.${name}`);
    expect(await page.locator('.facts').textContent()).toContain('Harbour Works');
    expect(await sidewaysScroll(page)).toBe(0);
    await page.locator('button[form=allow]').click();
    await page.waitForURL(`${world().party}/callback?**code=**`);
    await close();
  });

  it('can be used by keyboard alone, in the order that it is read', async () => {
    const { page, close } = await chromium.open(phone);
    await signIn(page, world());
    await page.waitForSelector('button[value=none]');
    const visited: string[] = [];
    for (let stop = 0; stop < 7; stop += 1) {
      await page.keyboard.press('Tab');
      visited.push((await page.evaluate('document.activeElement.textContent.trim()')) as string);
      expect(await page.evaluate(`getComputedStyle(document.activeElement).outlineStyle !== 'none'`)).toBe(
        true,
      );
    }
    expect(visited[0]).toBe('Use another account');
    expect(visited[3]).toContain('Harbour Works');
    expect(visited[5]).toContain('No organization');
    expect(visited[6]).toBe('Back to Harbour Notes');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await page.waitForSelector('button[form=allow]');
    expect(await page.locator('.facts').textContent()).not.toContain('Organization');
    expect(await focused(page)).not.toBe('choice');
    await close();
  });

  it('survives a double click', async () => {
    const { page, close } = await chromium.open(phone);
    await signIn(page, world());
    await page.locator('button.choice', { hasText: 'Harbour Works' }).dblclick();
    await page.waitForSelector('button[form=allow]');
    await close();
  });
});
