// Fields of an input: what is wrong with which, and which were given at all.
import type { z } from 'zod';

/** The first message per path; the path of the whole value is the empty text. */
export function fieldsOf(error: z.ZodError): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const issue of error.issues) fields[issue.path.map(String).join('.')] ??= issue.message;
  return fields;
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Only the fields that hold a value: in a change, `undefined` means "leave it", and must not overwrite what is there. */
export function definedFields<T extends object>(fields: T): Defined<T> {
  // Object.fromEntries forgets the keys; they are those of T.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
