// The account pages in a real browser: signed in by keyboard alone, narrow and wide, with and without script, enlarged, and
// without anything that jumps.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { accessibilityFaults, focused, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { password } from '../support/people.ts';
import { needs } from '../support/tools.ts';
import { useWorld, type World } from './world.ts';

const phone = { viewport: { width: 360, height: 740 } };
const desk = { viewport: { width: 1280, height: 900 } };

/** Set to a folder, every page that is looked at is also kept there as a picture. */
const pictures = process.env.WALK_PICTURES;

async function keepPicture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

async function signIn(page: Page, { issuer, person }: World, path = '/account'): Promise<void> {
  await page.goto(`${issuer}${path}`);
  await page.locator('#identifier').fill(person.email ?? '');
  await page.locator('#password').fill(password);
  await page.locator('form[action$="/login"] button[type=submit]').click();
  await page.waitForURL(`${issuer}${path}`);
}

/** The addresses of the navigation: every section that is there is looked at. */
const sectionsOf = (page: Page): Promise<string[]> =>
  page
    .locator('nav.side a, nav.tiles a')
    .evaluateAll((links) => [...new Set(links.map((link) => link.getAttribute('href') ?? ''))]);

/** Counts what moves after it was drawn, from the first moment on. */
const WATCH_SHIFTS = `window.shifted = 0;
  new PerformanceObserver((list) => { for (const { value } of list.getEntries()) window.shifted += value; })
    .observe({ type: 'layout-shift', buffered: true });`;

describe.skipIf(needs('chromium'))('the account pages', () => {
  const chromium = useChromium();
  const world = useWorld();

  it.each([
    {
      name: 'phone-dark-de',
      isScripted: true,
      options: { ...phone, locale: 'de-AT', colorScheme: 'dark' as const },
    },
    {
      name: 'phone-light-en',
      isScripted: false,
      options: { ...phone, locale: 'en-GB', javaScriptEnabled: false },
    },
    { name: 'desk-light-en', isScripted: true, options: { ...desk, locale: 'en-GB' } },
  ])(
    'have no accessibility fault, no faulty script and nothing that jumps: $name',
    async ({ name, isScripted, options }) => {
      const { page, complaints, close } = await chromium.open(options);
      if (isScripted) await page.addInitScript(WATCH_SHIFTS);
      await signIn(page, world());
      const paths = await sectionsOf(page);
      expect(paths).toEqual(
        expect.arrayContaining(['/account/apps', '/account/appearance', '/account/security']),
      );
      for (const path of paths) {
        await page.goto(`${world().issuer}${path}`);
        if (isScripted) expect(await page.evaluate('window.shifted'), path).toBe(0);
        await keepPicture(page, `account-${name}${path.replaceAll('/', '-')}`);
        // Without script axe does not run either.
        if (isScripted) expect(await accessibilityFaults(page), path).toEqual([]);
        expect(await sidewaysScroll(page), path).toBe(0);
        expect(await page.locator('h1').count(), path).toBe(1);
        expect(await page.locator('form[action$="/account/sign-out"]').isVisible(), path).toBe(true);
      }
      expect(complaints()).toEqual([]);
      await close();
    },
    120_000,
  );

  it('have every component in every state on one page, in each scheme and direction, with a name for each key', async () => {
    const { page, complaints, close } = await chromium.open(phone);
    await page.goto(`${world().issuer}/dev/design`);
    const links = await page
      .locator('nav.places a')
      .evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''));
    expect(links).toHaveLength(6);
    for (const link of [...links, '/dev/design?theme=contrast&dir=rtl']) {
      await page.goto(`${world().issuer}${link}`);
      await keepPicture(page, `design-${link.replace(/.*[?]/, '')}`);
      expect(await accessibilityFaults(page), link).toEqual([]);
      expect(await sidewaysScroll(page), link).toBe(0);
    }
    expect(await page.locator('html').getAttribute('dir')).toBe('rtl');
    expect(complaints()).toEqual([]);
    await close();
  }, 60_000);

  it('fit a window of 320 pixels, as one of 1280 pixels is when it is enlarged fourfold', async () => {
    const { page, close } = await chromium.open({ viewport: { width: 320, height: 480 } });
    await signIn(page, world());
    for (const path of await sectionsOf(page)) {
      await page.goto(`${world().issuer}${path}`);
      expect(await sidewaysScroll(page), path).toBe(0);
    }
    await close();
  }, 60_000);

  it('have nothing to press that is smaller than 24 pixels', async () => {
    const { page, close } = await chromium.open(phone);
    await signIn(page, world());
    for (const path of await sectionsOf(page)) {
      await page.goto(`${world().issuer}${path}`);
      const small = await page.locator('a, button, input:not([type=hidden]), select').evaluateAll((all) =>
        all
          .filter((one) => one.checkVisibility() && !one.closest('p, label'))
          .map((one) => ({ box: one.getBoundingClientRect(), html: one.outerHTML.slice(0, 120) }))
          .filter(({ box }) => box.width > 1 && (box.width < 24 || box.height < 24))
          .map(({ html }) => html),
      );
      expect(small, path).toEqual([]);
    }
    await close();
  }, 60_000);

  it('are used by keyboard alone: in, to the colours, and out again', async () => {
    const { page, close } = await chromium.open(desk);
    const { issuer, other } = world();
    await page.goto(`${issuer}/account/appearance`);
    expect(await focused(page)).toBe('identifier');
    await page.keyboard.type(other.email ?? '');
    await page.keyboard.press('Tab');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${issuer}/account/appearance`);
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe('content');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('appearance');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    for (const field of ['language', 'zone', 'Save']) {
      await page.keyboard.press('Tab');
      expect(await focused(page)).toBe(field);
    }
    await page.keyboard.press('Enter');
    await page.getByRole('status').filter({ hasText: 'Your changes are saved.' }).waitFor();
    expect(page.url()).toBe(`${issuer}/account/appearance`);
    expect(await page.evaluate('getComputedStyle(document.documentElement).colorScheme')).toBe('dark');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Sign out');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
    await close();
  }, 60_000);
});
