// Renders every hosted page in every state to static HTML, so that people can look at them: node scripts/preview-pages.ts [folder]

import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ejs from 'ejs';
import { accentPalette } from '../src/lib/colour.ts';
import { type Sample, samples } from './preview-samples.ts';

const views = join(import.meta.dirname, '..', 'views');

export interface PreviewSettings {
  locale: string;
  accentColor?: string;
  logoUrl?: string | null;
  nonce?: string;
}

/** One page as html, with the locals that the server gives every template. */
export async function renderSample(sample: Sample, settings: PreviewSettings): Promise<string> {
  const t = await translator(settings.locale);
  const accentColor = settings.accentColor ?? '#1f6f5c';
  const branding = { productName: 'Gatehouse', accentColor, logoUrl: settings.logoUrl ?? null };
  const locals = {
    t,
    locale: settings.locale,
    dir: settings.locale === 'ar' ? 'rtl' : 'ltr',
    nonce: settings.nonce ?? 'preview',
    asset: (path: string) => `assets/${path}`,
    path: (path: string) => path,
    csrfField: '<input type="hidden" name="csrf" value="preview">',
    branding: { ...branding, palette: accentPalette(accentColor) },
    title: t(sample.titleKey),
    model: worded(sample.model, t),
    requestId: 'req_preview',
  };
  const options = { root: [views], views: [views] };
  const body = await ejs.renderFile(join(views, `${sample.view}.ejs`), locals, options);
  return ejs.renderFile(join(views, 'layouts', 'page.ejs'), { ...locals, body }, options);
}

/** Writes all pages in one language, with an index, and answers the names of the files. */
export async function writePreview(folder: string, settings: PreviewSettings): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  await cp(join(views, 'assets'), join(folder, 'assets'), { recursive: true });
  const names: string[] = [];
  for (const sample of samples) {
    const name = `${sample.name}.${settings.locale}.html`;
    await writeFile(join(folder, name), await renderSample(sample, settings));
    names.push(name);
  }
  return names;
}

type Translate = (key: string, params?: Record<string, unknown>) => string;

async function translator(locale: string): Promise<Translate> {
  // Arabic has no catalogue yet; it shows whether the pages hold up from right to left.
  const file = join(views, 'messages', `${locale === 'ar' ? 'en' : locale}.json`);
  const messages: Record<string, string> = JSON.parse(await readFile(file, 'utf8'));
  return (key, params = {}) => {
    const text = messages[key];
    if (text === undefined) throw new Error(`No message ${key} in ${locale}`);
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
  };
}

// The error page gets its words from the server; the samples only name their keys.
function worded(model: Record<string, unknown>, t: Translate): Record<string, unknown> {
  const { headingKey, messageKey, ...rest } = model;
  if (typeof headingKey !== 'string' || typeof messageKey !== 'string') return model;
  return { ...rest, heading: t(headingKey), message: t(messageKey) };
}

if (import.meta.main) {
  const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'gatehouse-pages-')));
  const names = [];
  for (const locale of ['en', 'de']) names.push(...(await writePreview(folder, { locale })));
  const items = names.map((name) => `<li><a href="${name}">${name}</a></li>`).join('\n');
  await writeFile(
    join(folder, 'index.html'),
    `<!DOCTYPE html><title>Pages</title><ul style="columns: 20rem">${items}</ul>`,
  );
  console.log(`${names.length} pages in ${join(folder, 'index.html')}`);
}
