// The message catalogues: every sentence on a page, by key, in each language; and which language a person reads.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Translate = (key: string, values?: Readonly<Record<string, string | number>>) => string;

export interface I18n {
  readonly locales: readonly string[];
  /** An unknown key comes back as it is, so that a missing sentence is seen and breaks nothing. Nothing is escaped here. */
  translator(locale: string): Translate;
  /** `ui_locales` (OpenID Connect Core §3.1.2.1) first, then Accept-Language, then English. */
  negotiate(uiLocales: string | undefined, acceptLanguage: string | undefined): string;
  has(key: string): boolean;
  direction(locale: string): 'ltr' | 'rtl';
}

type Catalogue = ReadonlyMap<string, string>;

const FALLBACK = 'en';
const RIGHT_TO_LEFT = new Set(['ar', 'dv', 'fa', 'he', 'ps', 'ur', 'yi']);

/** `directories`: the built-in one first; later ones override single keys. Throws when a language is not complete. */
export function createI18n(deps: { directories: readonly string[] }): I18n {
  const catalogues = loadCatalogues(deps.directories);
  const fallback = catalogues.get(FALLBACK) ?? new Map<string, string>();
  const byTag = new Map([...catalogues.keys()].map((locale) => [locale.toLowerCase(), locale]));
  const translators = new Map(
    [...catalogues].map(([locale, catalogue]) => [locale, translatorOf(catalogue, fallback)]),
  );
  return {
    locales: [...catalogues.keys()],
    translator: (locale) => translators.get(locale) ?? translatorOf(fallback, fallback),
    negotiate: (uiLocales, acceptLanguage) =>
      bestOf(uiLocales?.split(' ') ?? [], byTag) ?? bestOf(wanted(acceptLanguage ?? ''), byTag) ?? FALLBACK,
    has: (key) => fallback.has(key),
    direction: (locale) => (RIGHT_TO_LEFT.has(locale.split('-')[0] ?? '') ? 'rtl' : 'ltr'),
  };
}

function translatorOf(catalogue: Catalogue, fallback: Catalogue): Translate {
  return (key, values) => {
    const text = catalogue.get(key) ?? fallback.get(key);
    if (text === undefined) return key;
    if (values === undefined) return text;
    return text.replace(PLACEHOLDER, (all, name: string) =>
      Object.hasOwn(values, name) ? String(values[name]) : all,
    );
  };
}

const PLACEHOLDER = /\{([A-Za-z0-9_]+)\}/g;

/** Exact tag first, then its language alone: `de-AT` reads `de`. */
function bestOf(tags: readonly string[], byTag: ReadonlyMap<string, string>): string | undefined {
  for (const tag of tags) {
    const lower = tag.trim().toLowerCase();
    const found = byTag.get(lower) ?? byTag.get(lower.split('-')[0] ?? '');
    if (found !== undefined) return found;
  }
  return undefined;
}

/** RFC 9110 §12.5.4: by weight, in the order given where weights are equal; weight 0 means never. */
function wanted(acceptLanguage: string): string[] {
  return acceptLanguage
    .slice(0, 512)
    .split(',')
    .map((part) => {
      const [tag = '', ...parameters] = part.trim().split(';');
      const weight = parameters.map((p) => /^\s*q=([\d.]+)\s*$/i.exec(p)?.[1]).find((q) => q !== undefined);
      return { tag, weight: weight === undefined ? 1 : Number(weight) };
    })
    .filter(({ tag, weight }) => tag !== '' && tag !== '*' && weight > 0)
    .sort((a, b) => b.weight - a.weight)
    .map(({ tag }) => tag);
}

function loadCatalogues(directories: readonly string[]): Map<string, Catalogue> {
  const catalogues = new Map<string, Map<string, string>>();
  for (const directory of directories) {
    for (const [locale, entries] of readDirectory(directory)) {
      const catalogue = catalogues.get(locale) ?? new Map<string, string>();
      for (const [key, text] of entries) catalogue.set(key, text);
      catalogues.set(locale, catalogue);
    }
  }
  const mistakes = incomplete(catalogues);
  if (mistakes.length > 0) throw new Error(`The message catalogues do not agree:\n${mistakes.join('\n')}`);
  return catalogues;
}

function readDirectory(directory: string): [string, [string, string][]][] {
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return files.map((file) => {
    const path = join(directory, file);
    const entries = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>);
    const texts = entries.map(([key, text]): [string, string] => {
      if (typeof text !== 'string') throw new Error(`${path}: ${key} is not a text`);
      return [key, text];
    });
    return [file.slice(0, -'.json'.length), texts];
  });
}

function incomplete(catalogues: ReadonlyMap<string, Catalogue>): string[] {
  const keys = new Set([...catalogues.values()].flatMap((catalogue) => [...catalogue.keys()]));
  const reference = catalogues.get(FALLBACK);
  const mistakes: string[] = [];
  for (const [locale, catalogue] of catalogues) {
    for (const key of keys) {
      const text = catalogue.get(key);
      if (text === undefined) mistakes.push(`${locale}: ${key} is missing`);
      else if (placeholders(text) !== placeholders(reference?.get(key) ?? text)) {
        mistakes.push(`${locale}: ${key} has other placeholders than ${FALLBACK}`);
      }
    }
  }
  return mistakes;
}

function placeholders(text: string): string {
  return [...new Set(text.match(PLACEHOLDER) ?? [])].sort().join(' ');
}
