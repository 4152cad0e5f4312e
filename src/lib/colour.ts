// Derives readable button, link and focus colours for light and dark pages from one accent colour.

export interface AccentShades {
  /** Fill of the main button, and its text. */
  button: string;
  onButton: string;
  buttonHover: string;
  /** Text links and the mark: at least 4.5:1 on every page background. */
  link: string;
}

export interface AccentPalette {
  light: AccentShades;
  dark: AccentShades;
}

// The lightest and darkest backgrounds that views/assets/app.css puts text on, per scheme.
const surfaces = {
  light: ['#ffffff', '#f4f3ef'],
  dark: ['#1d2120', '#262b29'],
} as const;

// WCAG 2.2, 1.4.3: text against its background. 1.4.11: a control against what surrounds it.
const textContrast = 4.5;
const controlContrast = 3;

type Rgb = readonly [number, number, number];

/** Reads #rgb or #rrggbb; undefined for everything else. */
export function parseColour(colour: string): Rgb | undefined {
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(colour);
  const long = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  const [, red, green, blue] = short ?? long ?? [];
  if (red === undefined || green === undefined || blue === undefined) return undefined;
  const channel = (hex: string): number => Number.parseInt(short ? hex + hex : hex, 16);
  return [channel(red), channel(green), channel(blue)];
}

/** WCAG contrast ratio of two colours, 1 to 21. */
export function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** White or black, whichever reads on the colour; one of the two always has at least 4.5:1. */
export function readableOn(colour: string): '#ffffff' | '#000000' {
  return contrast(colour, '#ffffff') >= textContrast ? '#ffffff' : '#000000';
}

/** The shades that the layout hands to the style sheet. Throws when the accent is not a hex colour. */
export function accentPalette(accent: string): AccentPalette {
  return {
    light: shades(accent, '#000000', surfaces.light),
    dark: shades(accent, '#ffffff', surfaces.dark),
  };
}

function shades(accent: string, towards: '#000000' | '#ffffff', against: readonly string[]): AccentShades {
  const button = until(accent, towards, against, controlContrast);
  const onButton = readableOn(button);
  // Away from the text colour, so that hovering can only make the label easier to read.
  const buttonHover = mix(button, onButton === '#ffffff' ? '#000000' : '#ffffff', 0.14);
  return { button, onButton, buttonHover, link: until(accent, towards, against, textContrast) };
}

function until(colour: string, towards: string, against: readonly string[], ratio: number): string {
  for (let step = 0; step < 50; step += 1) {
    const candidate = mix(colour, towards, step / 50);
    if (against.every((surface) => contrast(candidate, surface) >= ratio)) return candidate;
  }
  return towards;
}

function mix(from: string, to: string, share: number): string {
  const [a, b] = [rgb(from), rgb(to)];
  const blend = (index: 0 | 1 | 2): string =>
    Math.round(a[index] * (1 - share) + b[index] * share)
      .toString(16)
      .padStart(2, '0');
  return `#${blend(0)}${blend(1)}${blend(2)}`;
}

function luminance(colour: string): number {
  const linear = (value: number): number =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const [red, green, blue] = rgb(colour);
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

function rgb(colour: string): Rgb {
  const parsed = parseColour(colour);
  if (parsed === undefined) throw new Error(`Not a hex colour: ${colour}`);
  return parsed;
}
