// The accent colour is an operator's choice; whatever it is, the pages stay readable.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accentPalette, contrast, parseColour, readableOn } from '../../src/lib/colour.ts';

const anyColour = fc.integer({ min: 0, max: 0xffffff }).map((n) => `#${n.toString(16).padStart(6, '0')}`);

describe('colour', () => {
  it('measures contrast as WCAG does', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
    expect(contrast('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
    expect(contrast('#abc', '#aabbcc')).toBe(1);
  });

  it('reads short and long hex colours and nothing else', () => {
    expect(parseColour('#fff')).toEqual([255, 255, 255]);
    expect(parseColour('#1F6F5C')).toEqual([31, 111, 92]);
    for (const wrong of ['red', '1f6f5c', '#12345', '#12345g', '#fff;}', '']) {
      expect(parseColour(wrong)).toBeUndefined();
    }
    expect(() => accentPalette('red')).toThrow('Not a hex colour');
  });

  it('finds a readable text colour on any colour', () => {
    fc.assert(fc.property(anyColour, (colour) => contrast(readableOn(colour), colour) >= 4.5));
  });

  it('keeps buttons and links readable in both schemes for any accent', () => {
    fc.assert(
      fc.property(anyColour, (accent) => {
        const palette = accentPalette(accent);
        for (const [shades, surfaces] of [
          [palette.light, ['#ffffff', '#f4f3ef']],
          [palette.dark, ['#1d2120', '#262b29']],
        ] as const) {
          expect(contrast(shades.onButton, shades.button)).toBeGreaterThanOrEqual(4.5);
          expect(contrast(shades.onButton, shades.buttonHover)).toBeGreaterThanOrEqual(4.5);
          for (const surface of surfaces) {
            expect(contrast(shades.link, surface)).toBeGreaterThanOrEqual(4.5);
            expect(contrast(shades.button, surface)).toBeGreaterThanOrEqual(3);
          }
        }
      }),
    );
  });

  it('leaves an accent alone that is already readable', () => {
    expect(accentPalette('#1f6f5c').light.button).toBe('#1f6f5c');
  });
});
