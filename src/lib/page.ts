// Keyset pagination: opaque cursors over the sort key of the last row, and a page cut from rows fetched with one more than asked.

export interface PageRequest {
  limit: number;
  cursor: string | null;
}

export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

// Longer than any sort key of ours; keeps a hostile cursor from being parsed at length.
const MAXIMUM_CURSOR_LENGTH = 2048;

export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

/** The parts, or undefined when the cursor was not made by `encodeCursor` with this many parts. */
export function decodeCursor(cursor: string, parts: number): string[] | undefined {
  if (cursor.length > MAXIMUM_CURSOR_LENGTH || !/^[\w-]+$/.test(cursor)) return undefined;
  const decoded = parseJson(Buffer.from(cursor, 'base64url').toString());
  if (!Array.isArray(decoded) || decoded.length !== parts) return undefined;
  return decoded.every(isStorableText) ? decoded : undefined;
}

/** `rows` were fetched with `limit + 1`: the extra one only tells that there is a next page. */
export function pageOf<T>(rows: T[], limit: number, cursorOf: (row: T) => readonly string[]): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items, nextCursor: more ? encodeCursor(cursorOf(last)) : null };
}

// PostgreSQL refuses null bytes and lone surrogates in text with an error that would look like a fault of ours.
function isStorableText(part: unknown): part is string {
  return typeof part === 'string' && !part.includes('\0') && part.isWellFormed();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
