// A browser in words, from what it says of itself: Firefox on Windows. Only ever shown, never believed.

// Each says that it is those below it, too.
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\bOPR\/|\bOpera\b/, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS|Chromium|HeadlessChrome)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];

export interface SeenBrowser {
  readonly browser?: string | undefined;
  readonly system?: string | undefined;
}

type Words = (key: string, values?: Readonly<Record<string, string | number>>) => string;

/** Names of products, the same in every language; undefined for what is no browser that is known here. */
export function browserOf(userAgent: string | null): SeenBrowser | undefined {
  if (userAgent === null) return undefined;
  const first = (table: typeof BROWSERS) => table.find(([pattern]) => pattern.test(userAgent))?.[1];
  const [browser, system] = [first(BROWSERS), first(SYSTEMS)];
  return browser === undefined && system === undefined ? undefined : { browser, system };
}

/** In the language of whoever reads it: `Firefox on Windows`. */
export function browserIn(t: Words, userAgent: string | null): string | undefined {
  const { browser, system } = browserOf(userAgent) ?? {};
  return browser !== undefined && system !== undefined
    ? t('browser.on', { browser, system })
    : (browser ?? system);
}
