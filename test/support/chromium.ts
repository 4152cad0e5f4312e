// Chromium for tests: one browser for all files of a worker, pages that note what console and content policy complain about.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium as chromiumType,
  type Page,
} from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { chromium } from './tools.ts';

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Tab {
  readonly page: Page;
  /** Errors of scripts and of the content policy so far; cleared by reading. */
  complaints(): string[];
  close(): Promise<void>;
}

export interface Chromium {
  open(options?: BrowserContextOptions): Promise<Tab>;
}

// Its start is the dearest of it, and contexts share nothing. It ends with the process.
const shared: { browser?: Promise<Browser> } = {};

function launch(): Promise<Browser> {
  const executablePath = chromium();
  if (executablePath === undefined) throw new Error('there is no chromium on this machine');
  return chromiumType.launch({ executablePath, args });
}

/** Call it at the top of a `describe.skipIf(needs('chromium'))`. What it opens is closed with it. */
export function useChromium(): Chromium {
  const contexts: BrowserContext[] = [];
  beforeAll(async () => {
    shared.browser ??= launch();
    await shared.browser;
  }, 60_000);
  afterAll(async () => {
    for (const context of contexts) await context.close();
  });

  return {
    async open(options = {}) {
      const context = await (await shared.browser)?.newContext(options);
      if (!context) throw new Error('the browser runs only while tests run');
      contexts.push(context);
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      const noted: string[] = [];
      page.on('console', (message) => noteComplaint(noted, message.type(), message.text()));
      page.on('pageerror', (error) => noted.push(error.message));
      return { page, complaints: () => noted.splice(0), close: () => context.close() };
    },
  };
}

/** Chromium logs every answer of 400 and above as an error; the pages of those statuses are what is tested. */
function noteComplaint(noted: string[], type: string, text: string): void {
  const isStatus = /^Failed to load resource: the server responded with a status of \d+/.test(text);
  if ((type === 'error' || type === 'warning') && !isStatus) noted.push(text);
}

const axe = readFileSync(
  join(import.meta.dirname, '..', '..', 'node_modules', 'axe-core', 'axe.min.js'),
  'utf8',
);

/** What axe finds, of any weight, as "rule: element". */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ': ' + html.slice(0, 120))))`);
}

/** How far the page can be scrolled sideways, in pixels. */
export const sidewaysScroll = (page: Page): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

/** The id, name or text of the element that has the focus: after the next frame, for a new page sets it with its first. */
export const focused = (page: Page): Promise<string> =>
  page.evaluate(
    `new Promise(requestAnimationFrame).then(() =>
      (({ id, name, textContent }) => id || name || textContent.trim())(document.activeElement ?? {}))`,
  );
