// Cursors and pages.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor, pageOf } from '../../src/lib/page.ts';

const storable = fc.string().filter((text) => !text.includes('\0'));

describe('cursors', () => {
  it('come back as they were made', () => {
    fc.assert(
      fc.property(fc.array(storable, { minLength: 1, maxLength: 3 }), (parts) => {
        expect(decodeCursor(encodeCursor(parts), parts.length)).toEqual(parts);
      }),
    );
  });

  it('never throw, whatever is sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        decodeCursor(text, 1);
      }),
    );
  });

  it.each([
    ['another number of parts', encodeCursor(['a', 'b'])],
    ['parts that are not text', Buffer.from('[1]').toString('base64url')],
    ['something that is not a list', Buffer.from('{"length":1}').toString('base64url')],
    ['null bytes, which PostgreSQL refuses', encodeCursor(['a\0b'])],
    ['lone surrogates', Buffer.from('["\\ud800"]').toString('base64url')],
    ['text that is not base64url', 'a b'],
    ['an empty cursor', ''],
    ['a huge cursor', encodeCursor(['x'.repeat(5000)])],
  ])('are refused with %s', (_what, cursor) => {
    expect(decodeCursor(cursor, 1)).toBeUndefined();
  });
});

describe('a page', () => {
  const cursorOf = (row: { id: string }) => [row.id];
  const rows = ['a', 'b', 'c'].map((id) => ({ id }));

  it('names the last item it shows when there is more', () => {
    const page = pageOf(rows, 2, cursorOf);
    expect(page.items.map((row) => row.id)).toEqual(['a', 'b']);
    expect(decodeCursor(page.nextCursor ?? '', 1)).toEqual(['b']);
  });

  it('has no next cursor when all rows fit', () => {
    expect(pageOf(rows, 3, cursorOf).nextCursor).toBeNull();
    expect(pageOf([], 3, cursorOf)).toEqual({ items: [], nextCursor: null });
  });
});
