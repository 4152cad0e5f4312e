// Renders every hosted page in every state to static HTML, so that people can look at them: node scripts/preview-pages.ts [folder]

import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accentPalette } from '../src/lib/colour.ts';
import { createDates } from '../src/lib/dates.ts';
import { createI18n, type I18n } from '../src/platform/i18n.ts';
import { createViews, type Views } from '../src/platform/views.ts';
import { sections } from '../src/self-service/sections.ts';
import { type Sample, samples } from './preview-samples.ts';

const folder = join(import.meta.dirname, '..', 'views');

export interface PreviewSettings {
  locale: string;
  dir?: 'ltr' | 'rtl';
  accentColor?: string;
  logoUrl?: string | null;
  nonce?: string;
  basePath?: string;
  theme?: 'system' | 'light' | 'dark' | 'contrast';
}

export interface Preview {
  i18n: I18n;
  views: Views;
}

export function createPreview(): Preview {
  return {
    i18n: createI18n({ directories: [join(folder, 'messages')] }),
    views: createViews({ directories: [folder] }),
  };
}

/** One page as html, with the locals that the server gives every template. Throws when a message is missing. */
export function renderSample(preview: Preview, sample: Sample, settings: PreviewSettings): string {
  const t = strictTranslator(preview.i18n, settings.locale);
  const accentColor = settings.accentColor ?? '#1f6f5c';
  const branding = { productName: 'Gatehouse', accentColor, logoUrl: settings.logoUrl ?? null };
  const frame = sample.nav !== undefined && {
    nav: sample.nav,
    frame: {
      person: { name: 'Ada Lovelace', email: 'ada@example.com', zone: 'Europe/Vienna' },
      sections,
      within: sample.within && sections.find(({ name }) => name === sample.nav),
      done: sample.done && `account.done.${sample.done}`,
    },
  };
  const locals = {
    ...frame,
    theme: settings.theme ?? 'system',
    ...createDates()(settings.locale, 'Europe/Vienna'),
    t,
    locale: settings.locale,
    dir: settings.dir ?? preview.i18n.direction(settings.locale),
    nonce: settings.nonce ?? 'preview',
    asset: (path: string) => `assets/${path}`,
    path: (path: string) => `${settings.basePath ?? ''}${path}`,
    csrfField: '<input type="hidden" name="csrf" value="preview">',
    branding: { ...branding, palette: accentPalette(accentColor) },
    title: sample.titleKey === null ? branding.productName : t(sample.titleKey),
    model: worded(sample.model, t),
    requestId: 'req_preview',
  };
  return preview.views.render(sample.view, locals, frame ? { layout: 'layouts/account' } : {});
}

/** Writes all pages in one language and answers the names of the files. */
export async function writePreview(into: string, settings: PreviewSettings): Promise<string[]> {
  const preview = createPreview();
  await mkdir(into, { recursive: true });
  await cp(join(folder, 'assets'), join(into, 'assets'), { recursive: true });
  const names: string[] = [];
  for (const sample of samples) {
    const name = `${sample.name}.${settings.dir ?? settings.locale}.html`;
    await writeFile(join(into, name), renderSample(preview, sample, settings));
    names.push(name);
  }
  return names;
}

function strictTranslator(i18n: I18n, locale: string): ReturnType<I18n['translator']> {
  const t = i18n.translator(locale);
  return (key, values) => {
    if (!i18n.has(key)) throw new Error(`There is no message ${key}`);
    return t(key, values);
  };
}

// The error page gets its words from the server; the samples only name their keys.
function worded(model: Record<string, unknown>, t: (key: string) => string): Record<string, unknown> {
  const { headingKey, messageKey, ...rest } = model;
  if (typeof headingKey !== 'string' || typeof messageKey !== 'string') return model;
  return { ...rest, heading: t(headingKey), message: t(messageKey) };
}

if (import.meta.main) {
  const into = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'gatehouse-pages-')));
  const names: string[] = [];
  for (const settings of [{ locale: 'en' }, { locale: 'de' }, { locale: 'en', dir: 'rtl' as const }]) {
    names.push(...(await writePreview(into, settings)));
  }
  const items = names.map((name) => `<li><a href="${name}">${name}</a></li>`).join('\n');
  await writeFile(
    join(into, 'index.html'),
    `<!DOCTYPE html><title>Pages</title><ul style="columns: 20rem">${items}</ul>`,
  );
  console.log(`${names.length} pages in ${join(into, 'index.html')}`);
}
