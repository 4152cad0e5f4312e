// The page of the management API in a real browser: narrow and wide, light and dark, with and without script.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { accessibilityFaults, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { needs } from '../support/tools.ts';

/** Set to a folder, every page that is looked at is also kept there as a picture. */
const pictures = process.env.WALK_PICTURES;

const variants = [
  { name: 'desk-light', width: 1280, colorScheme: 'light', locale: 'en-GB', javaScriptEnabled: true },
  { name: 'phone-dark', width: 360, colorScheme: 'dark', locale: 'de-AT', javaScriptEnabled: false },
  { name: 'phone-light', width: 360, colorScheme: 'light', locale: 'en-GB', javaScriptEnabled: false },
] as const;

describe.skipIf(needs('chromium'))('the page of the management API', () => {
  const chromium = useChromium();
  const gatehouse = useGatehouse();

  it.each(variants)(
    'is whole, clean and fits: $name',
    async ({ name, width, ...options }) => {
      const { page, complaints, close } = await chromium.open({
        ...options,
        viewport: { width, height: 800 },
      });
      const response = await page.goto(`${gatehouse.issuer}/api/docs`);
      expect(response?.status()).toBe(200);
      if (pictures !== undefined) {
        mkdirSync(pictures, { recursive: true });
        await page.screenshot({ path: join(pictures, `api-docs-${name}.png`) });
        await page.locator('#changeAccount').scrollIntoViewIfNeeded();
        await page.screenshot({ path: join(pictures, `api-docs-${name}-operation.png`) });
      }
      expect(await sidewaysScroll(page)).toBe(0);
      if (options.javaScriptEnabled) expect(await accessibilityFaults(page)).toEqual([]);
      expect(complaints()).toEqual([]);

      const document = await fetch(`${gatehouse.issuer}/api/v1/openapi.json`);
      const { paths } = (await document.json()) as { paths: object };
      const text = await page.locator('main').innerText();
      for (const path of Object.keys(paths)) expect(text).toContain(path);
      await close();
    },
    90_000,
  );

  it('has links that lead somewhere, and no id twice', async () => {
    const html = await (await fetch(`${gatehouse.issuer}/api/docs`)).text();
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    const targets = [...html.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(targets.filter((id) => !ids.includes(id))).toEqual([]);
  });
});
