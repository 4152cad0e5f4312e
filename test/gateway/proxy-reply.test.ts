// Values of identity headers: whatever stands in them, they stay one header each.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { headerText } from '../../src/gateway/proxy-reply.ts';

it('keeps plain text, and encodes what could end or fold a header', () => {
  expect(headerText('files:read:a notes:*')).toBe('files:read:a notes:*');
  expect(headerText('a\r\nX-Auth-Account: acc_admin')).toBe('a%0D%0AX-Auth-Account: acc_admin');
  expect(headerText('50% Ä ')).toBe('50%25 %C3%84%20');
});

it('can be decoded again, whatever it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = headerText(text);
      expect(encoded).toMatch(/^[\x20-\x7e]*$/);
      expect(encoded.trim()).toBe(encoded);
      expect(decodeURIComponent(encoded)).toBe(text.toWellFormed());
    }),
  );
});
