// What is wrong with which field, from a failed zod parse, for error answers that name the field.
import type { z } from 'zod';

/** The first message per path; the path of the whole value is the empty text. */
export function fieldsOf(error: z.ZodError): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const issue of error.issues) fields[issue.path.map(String).join('.')] ??= issue.message;
  return fields;
}
