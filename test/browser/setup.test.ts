// The set-up page in a browser: the link from the console, a weak password, the administrator, and the dead link.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessibilityFaults, focused, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { useDatabase } from '../support/database.ts';
import { type ServerProcess, spawnServer } from '../support/gatehouse.ts';
import { needs } from '../support/tools.ts';

describe.skipIf(needs('chromium'))('the set-up page', () => {
  const chromium = useChromium();
  const database = useDatabase();
  const running: { server?: ServerProcess; keys?: string } = {};

  beforeAll(async () => {
    running.keys = await mkdtemp(join(tmpdir(), 'gatehouse-keys-'));
    running.server = await spawnServer({
      DATABASE_URL: database.databaseUrl(),
      KEYS_DIRECTORY: join(running.keys, 'keys'),
    });
  }, 60_000);
  afterAll(async () => {
    await running.server?.end();
    if (running.keys) await rm(running.keys, { recursive: true, force: true });
  });

  it('is reached by the link of the console, once', async () => {
    const links = () => running.server?.output().match(/http:\/\/\S*\/setup\?token=[\w-]+/g) ?? [];
    await expect.poll(links).toHaveLength(1);
    const [link = ''] = links();
    const narrow = { viewport: { width: 360, height: 740 } };
    const { page, complaints, close } = await chromium.open({ ...narrow, locale: 'de-DE' });
    const second = await page.context().newPage();
    const look = async (name: string) => {
      const folder = process.env.WALK_PICTURES;
      if (folder) await page.screenshot({ path: join(folder, `${name}.setup.png`), fullPage: true });
      expect(await accessibilityFaults(page), name).toEqual([]);
      expect(await sidewaysScroll(page), name).toBe(0);
      expect(complaints(), name).toEqual([]);
    };

    await page.goto(link.replace(/token=.*/, 'token=wrong'));
    expect(await page.locator('h1').textContent()).toBe('Dieser Link funktioniert nicht');
    await look('setup-wrong-link');

    await second.goto(link);
    await page.goto(link);
    await look('setup');
    await page.locator('#email').fill('root@example.com');
    await page.locator('#password').fill('short');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#password-error');
    expect(await page.locator('#password-error').textContent()).toContain('15');
    expect(await page.locator('#email').inputValue()).toBe('root@example.com');
    expect(await focused(page)).toBe('password');
    await look('setup-weak');

    await page.locator('#password').fill('wide meadow under seven lanterns');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.tile.good');
    await look('setup-done');

    await second.locator('#email').fill('second@example.com');
    await second.locator('#password').fill('wide meadow under eight lanterns');
    await second.keyboard.press('Enter');
    await second.waitForFunction(`document.title.includes('nicht') || document.title.includes('Fehler')`);
    expect(await second.locator('code').first().textContent()).toBe('setup_link_invalid');
    await page.goto(link);
    expect(await page.locator('code').first().textContent()).toBe('setup_link_invalid');
    expect(await database.db('accounts').count()).toEqual([{ count: '1' }]);
    await close();
  }, 60_000);
});
