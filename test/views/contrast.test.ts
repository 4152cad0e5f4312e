// Every text and every edge that matters can be seen (WCAG 2.2, 1.4.3 and 1.4.11), in each scheme and with any accent.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { accentPalette, contrast, parseColour } from '../../src/lib/colour.ts';

const assets = join(import.meta.dirname, '..', '..', 'views', 'assets');

type Colours = Readonly<Record<string, string>>;

/** The custom properties of the first rule of a style sheet. */
function coloursIn(name: string): Colours {
  const css = readFileSync(join(assets, name), 'utf8');
  const rule = /:root[^{]*\{([^}]*)\}/.exec(css)?.[1] ?? '';
  return Object.fromEntries(
    [...rule.matchAll(/--([a-z-]+):\s*([^;]+);/g)].map(([, key = '', value = '']) => [key, value]),
  );
}

function withAccent(accent: string, scheme: 'light' | 'dark'): Colours {
  const { button, onButton, buttonHover, link } = accentPalette(accent)[scheme];
  const shades = { button, 'on-button': onButton, 'button-hover': buttonHover, link };
  const own = scheme === 'dark' ? coloursIn('dark.css') : {};
  return { ...coloursIn('app.css'), ...own, ...shades };
}

function solid(colours: Colours, name: string): string {
  const value = colours[name] ?? '';
  const other = /^var\(--([a-z-]+)\)$/.exec(value)?.[1];
  return other === undefined ? value : solid(colours, other);
}

/** `--selected` and `--hover`: a share of one colour over another. */
function over(colours: Colours, name: string, background: string): string {
  const [, from = '', share = '0'] = /in srgb, var\(--([a-z]+)\) (\d+)%/.exec(colours[name] ?? '') ?? [];
  const [a, b] = [parseColour(solid(colours, from)), parseColour(solid(colours, background))];
  if (a === undefined || b === undefined) throw new Error(`${name} over ${background}`);
  const part = Number(share) / 100;
  const mixed = [0, 1, 2].map((at) => Math.round((a[at as 0] ?? 0) * part + (b[at as 0] ?? 0) * (1 - part)));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

const texts = [
  ...['page', 'card', 'sunken'].flatMap((on) => ['ink', 'muted', 'link'].map((text) => [text, on] as const)),
  ...['page', 'card'].flatMap((on) => ['danger', 'good', 'warn'].map((text) => [text, on] as const)),
  ['danger', 'danger-soft'],
  ['warn', 'warn-soft'],
  ['good', 'good-soft'],
  ['on-button', 'button'],
  ['on-button', 'button-hover'],
] as const;

const accents = ['#1f6f5c', '#000000', '#ffffff', '#ffcc00', '#ff0000', '#0000ff', '#808080', '#8a1c4a'];
const cases = accents.flatMap((accent) =>
  (['light', 'dark'] as const).map((scheme) => [accent, scheme] as const),
);

describe.each(cases)('with the accent %s, in the %s scheme', (accent, scheme) => {
  const colours = withAccent(accent, scheme);

  it('text can be read', () => {
    for (const [text, on] of texts) {
      const ratio = contrast(solid(colours, text), solid(colours, on));
      expect(ratio, `${text} on ${on}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('text can be read where something is chosen or pointed at', () => {
    for (const background of ['page', 'card']) {
      for (const layer of ['selected', 'hover']) {
        const behind = over(colours, layer, background);
        for (const text of ['ink', 'muted']) {
          const ratio = contrast(solid(colours, text), behind);
          expect(ratio, `${text} on ${layer} on ${background}`).toBeGreaterThanOrEqual(4.5);
        }
      }
    }
  });

  it('fields, buttons and the focus can be seen', () => {
    for (const edge of ['field-line', 'button', 'link']) {
      for (const on of ['page', 'card']) {
        expect(contrast(solid(colours, edge), solid(colours, on)), `${edge} on ${on}`).toBeGreaterThanOrEqual(
          3,
        );
      }
    }
  });
});

describe.each(['light', 'dark'] as const)('with more contrast, in the %s scheme', (scheme) => {
  const colours = { ...withAccent('#ffcc00', scheme), ...coloursIn('contrast.css') };

  it('every text has the contrast of black on white, or nearly', () => {
    for (const [text, on] of texts) {
      if (on.endsWith('-soft') || ['danger', 'good', 'warn'].includes(text)) continue;
      const ratio = contrast(solid(colours, text), solid(colours, on));
      expect(ratio, `${text} on ${on}`).toBeGreaterThanOrEqual(7);
    }
    expect(contrast(solid(colours, 'field-line'), solid(colours, 'card'))).toBeGreaterThanOrEqual(7);
  });
});
