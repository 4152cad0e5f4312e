// A newcomer's walk through the demo in real Chromium, with JavaScript and without it.
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { accessibilityFaults, useChromium } from '../support/chromium.ts';
import { needs } from '../support/tools.ts';
import { useDemo } from './demo-world.ts';

/** DEMO_SHOTS=<folder> keeps a picture of every page, for whoever wants to look at them. */
const shots = process.env.DEMO_SHOTS;

describe.skipIf(needs('chromium'))('the demo in a browser', () => {
  const demo = useDemo();
  const chromium = useChromium();

  it.each([
    ['with JavaScript, on a desk', { javaScriptEnabled: true, viewport: { width: 1280, height: 900 } }],
    [
      'without JavaScript, on a phone in the dark',
      { javaScriptEnabled: false, viewport: { width: 360, height: 740 }, colorScheme: 'dark' },
    ],
  ] as const)(
    'signs in, calls the API, asks for more, refreshes and signs out %s',
    async (name, options) => {
      const { page, complaints, close } = await chromium.open({ locale: 'en-GB', ...options });
      const shoot = picture(page, name.replaceAll(/\W+/g, '-'));
      await walk(page, demo, async (step) => {
        await shoot(step);
        if (options.javaScriptEnabled) expect(await accessibilityFaults(page), step).toEqual([]);
      });
      expect(complaints()).toEqual([]);
      await close();
    },
    60_000,
  );
});

async function walk(page: Page, demo: ReturnType<typeof useDemo>, shoot: (name: string) => Promise<void>) {
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click();
  // A press does not wait for the page that it leads to, so what is expected there is waited for.
  const notice = (text: string) => page.getByRole('status').filter({ hasText: text }).waitFor();

  await page.goto(demo.app);
  await shoot('1-start');
  await page.getByRole('link', { name: 'Sign in with Gatehouse' }).click();
  await page.getByLabel('Email address or user name').waitFor();
  await shoot('2-sign-in');
  await page.getByLabel('Email address or user name').fill('demo@example.com');
  await page.getByLabel('Password', { exact: true }).fill(demo.password);
  await press('Sign in');
  await page.getByText('Read your notes').waitFor();
  await shoot('3-consent');
  expect(await page.getByText('Write new notes for you').count()).toBe(0);
  await press('Allow');
  await page.getByRole('heading', { level: 1, name: 'Hello, Dana Example', exact: true }).waitFor();
  await shoot('4-signed-in');

  await press('Read my notes');
  await notice('Welcome to your notes.');
  await shoot('5-notes');
  await press('Write a note');
  await notice('the permission notes:write is missing');
  await shoot('6-refused');
  await page.getByRole('link', { name: 'Ask for this permission' }).click();
  // The page shows the whole of what will be allowed, not only what is new.
  await page.getByText('Read your notes').waitFor();
  await page.getByText('Write new notes for you').waitFor();
  await shoot('7-consent-again');
  await press('Allow');
  await page.getByRole('heading', { level: 1, name: 'Hello, Dana Example', exact: true }).waitFor();
  await press('Write a note');
  await notice('201 Created');

  await press('Refresh now');
  await notice('New tokens');
  await shoot('8-refreshed');
  await press('Sign out');
  await page.waitForURL((url) => !url.href.startsWith(demo.app) || url.pathname === '/signed-out');
  await shoot('9-sign-out');
  if (!page.url().startsWith(demo.app)) await press('Sign out');
  await page.waitForURL(`${demo.app}/signed-out`);
  await shoot('10-signed-out');
  await page.getByRole('link', { name: 'Sign in with Gatehouse' }).click();
  // The session at Gatehouse ended, too: the password is asked for again.
  await page.getByLabel('Password', { exact: true }).waitFor();
}

const picture = (page: Page, folder: string) => async (name: string) => {
  if (shots !== undefined) await page.screenshot({ path: `${shots}/${folder}/${name}.png`, fullPage: true });
};
