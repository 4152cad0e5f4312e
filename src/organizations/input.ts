// What a request says, checked: shapes, permissions, cursors; and what of a thing it changes.
import type { z } from 'zod';
import { fieldsOf } from '../lib/fields.ts';
import { parseId } from '../lib/ids.ts';
import { decodeCursor } from '../lib/page.ts';
import { parsePermission, permissionText } from '../lib/permission.ts';
import { failure } from '../platform/errors.ts';

export function check<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw failure('request_invalid', { fields: fieldsOf(result.error) });
}

/** Each permission once, in its shortest text. */
export function ceilingOf(texts: readonly string[]): string[] {
  const parsed = texts.map((text, at) => {
    const permission = parsePermission(text);
    if (permission === undefined) {
      const sentence = `${JSON.stringify(text.slice(0, 200))} is not a permission.`;
      throw failure('permission_invalid', { fields: { [`permissions.${at}`]: sentence } });
    }
    return permissionText(permission);
  });
  return [...new Set(parsed)].sort();
}

/** The names of the fields that differ, for the ledger. */
export function changedNames<T extends object>(before: T, change: Partial<T>): string[] {
  const values = new Map<string, unknown>(Object.entries(before));
  return Object.entries(change)
    .filter(([name, value]) => JSON.stringify(values.get(name)) !== JSON.stringify(value))
    .map(([name]) => name);
}

/** The id that the page before ended with; undefined for the first page. */
export function cursorId<Prefix extends 'acc' | 'org' | 'team'>(prefix: Prefix, cursor: string | null) {
  if (cursor === null) return undefined;
  const [id] = decodeCursor(cursor, 1) ?? [];
  const parsed = id === undefined ? undefined : parseId(prefix, id);
  if (parsed === undefined) {
    throw failure('request_invalid', { fields: { cursor: 'The cursor is not one of this list.' } });
  }
  return parsed;
}
