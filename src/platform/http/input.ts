// Runs a schema over one part of a request and turns its complaints into field messages.
import { z } from 'zod';
import { failure } from '../errors.ts';

export type Part = 'params' | 'query' | 'body';

/** Unknown fields are refused unless the schema says otherwise: a misspelt option must not pass as absent. */
export function strictly(schema: z.ZodType | undefined): z.ZodType | undefined {
  const isPlainObject = schema instanceof z.ZodObject && schema.def.catchall === undefined;
  return isPlainObject ? schema.strict() : schema;
}

export function parsePart(part: Part, schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return refuseAnything(part, value);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw failure('request_invalid', { fields: fieldMessages(part, result.error) });
}

export function fieldMessages(part: string, error: z.ZodError): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const issue of error.issues) {
    const name = issue.path.length === 0 ? part : issue.path.map(String).join('.');
    fields[name] ??= issue.message;
  }
  return fields;
}

/** A route without a schema for this part takes nothing there. */
function refuseAnything(part: Part, value: unknown): undefined {
  if (value === undefined || typeof value !== 'object' || value === null) {
    if (value === undefined) return undefined;
    throw failure('request_invalid', { fields: { [part]: 'Nothing is expected here.' } });
  }
  const [first] = Object.keys(value);
  if (first === undefined) return undefined;
  throw failure('request_invalid', { fields: { [first]: `Not expected in the ${part}.` } });
}
