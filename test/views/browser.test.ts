// The pages in real Chromium: accessible in both schemes, within their content policy, useful with and without script.

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPreview, renderSample } from '../../scripts/preview-pages.ts';
import { samples } from '../../scripts/preview-samples.ts';
import { accessibilityFaults, focused, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { needs } from '../support/tools.ts';

const root = join(import.meta.dirname, '..', '..');
const policy =
  "default-src 'none'; style-src 'self' 'nonce-n1'; script-src 'nonce-n1'; img-src 'self' data: https:";
const phone = { viewport: { width: 360, height: 740 } };
const desk = { viewport: { width: 1280, height: 800 } };

describe.skipIf(needs('chromium'))('the hosted pages in a browser', () => {
  const chromium = useChromium();
  let server: Server;
  let origin = '';
  const posts: string[] = [];

  beforeAll(async () => {
    server = servePages(posts);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server?.closeAllConnections();
    server?.close();
  });

  const open = async (options: BrowserContextOptions): Promise<{ page: Page; complaints: string[] }> => {
    const { page } = await chromium.open(options);
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    return { page, complaints };
  };

  it.each([
    ['on a phone, dark, in German', 'de', { ...phone, colorScheme: 'dark' }],
    ['on a desk, light, in English', 'en', { ...desk, colorScheme: 'light' }],
  ] as const)(
    'have no accessibility fault and fit the window %s',
    async (_case, locale, options) => {
      const { page, complaints } = await open(options);
      const seen = new Set<string>();
      for (const { name, view } of samples) {
        await page.goto(`${origin}/${name}?${locale}`);
        // Each state in one scheme: contrast is computed in contrast.test.ts.
        const first = !seen.has(view);
        if (first === (locale === 'en')) expect(await accessibilityFaults(page), name).toEqual([]);
        seen.add(view);
        expect(await sidewaysScroll(page), name).toBe(0);
      }
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    180_000,
  );

  it('are used by keyboard alone, in reading order', async () => {
    const { page } = await open(desk);
    await page.goto(`${origin}/login?en`);
    const visited: string[] = [];
    for (let step = 0; step < 5; step += 1) {
      visited.push(await focused(page));
      await page.keyboard.press('Tab');
    }
    expect(visited).toEqual(['identifier', 'password', 'Show', 'Sign in', 'Back to Harbour Notes']);
    await page.context().close();
  });

  it('show a typed password on demand, and send it once however often the button is pressed', async () => {
    const { page } = await open(desk);
    await page.goto(`${origin}/login?en`);
    await page.getByLabel('Email address or user name').fill('ada');
    await page.getByLabel('Password', { exact: true }).fill('correct horse');
    await page.getByRole('button', { name: 'Show password' }).click();
    expect(await page.locator('#password').getAttribute('type')).toBe('text');
    posts.length = 0;
    await page.getByRole('button', { name: 'Sign in' }).dblclick();
    await expect.poll(() => posts.length).toBeGreaterThan(0);
    await page.waitForTimeout(200);
    expect(posts).toEqual(['csrf=preview&identifier=ada&password=correct+horse']);
    await page.context().close();
  });

  it('work without script: no dead button is shown and the pressed button is sent', async () => {
    const { page } = await open({ ...desk, javaScriptEnabled: false });
    await page.goto(`${origin}/login?en`);
    expect(await page.locator('.reveal').isVisible()).toBe(false);
    await page.goto(`${origin}/device-confirm?en`);
    posts.length = 0;
    await page.getByRole('button', { name: 'No, stop' }).click();
    await expect.poll(() => posts).toEqual(['csrf=preview&xsrf=x&user_code=WDJB-MJHT&abort=yes']);
    await page.context().close();
  });

  it('start at the first field that needs attention', async () => {
    const { page } = await open(desk);
    await page.goto(`${origin}/setup-errors?en`);
    expect(await focused(page)).toBe('email');
    expect(await page.locator('#email').getAttribute('aria-describedby')).toBe('email-error email-hint');
    await page.context().close();
  });
});

/** The sample pages under the policy that the server sends; a post is noted and answered after a moment. */
function servePages(posts: string[]): Server {
  const preview = createPreview();
  return createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
    if (request.method === 'POST') {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        posts.push(body);
        setTimeout(() => response.end('ok'), 100);
      });
      return;
    }
    const asset = /^\/assets\/([a-z-]+\.(?:css|js|svg))$/.exec(pathname)?.[1];
    if (asset !== undefined) {
      response.setHeader(
        'Content-Type',
        { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' }[
          asset.slice(asset.lastIndexOf('.') + 1)
        ] ?? '',
      );
      response.end(readFileSync(join(root, 'views/assets', asset)));
      return;
    }
    const sample = samples.find(({ name }) => name === pathname.slice(1));
    if (sample === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Content-Security-Policy', policy);
    response.end(renderSample(preview, sample, { locale: search === '?de' ? 'de' : 'en', nonce: 'n1' }));
  });
}
