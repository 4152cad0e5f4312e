// JSON Schema in the words of a person who reads: the type of a value in a line, and the fields of an object.
import type { JsonSchema } from './json-schema.ts';

export interface SchemaField {
  readonly name: string;
  /** Of a parameter: where it stands. */
  readonly place?: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
}

/** `as` below: schemas are made by zod, and their keywords have the shapes of JSON Schema. */
export function fieldsOf(schema: JsonSchema): SchemaField[] {
  if (Array.isArray(schema.anyOf)) return fieldsOfAny(schema.anyOf as JsonSchema[]);
  const properties = (schema.properties ?? {}) as Record<string, JsonSchema>;
  const required = (schema.required ?? []) as string[];
  return Object.entries(properties).map(([name, property]) => ({
    name,
    type: typeOf(property),
    required: required.includes(name),
    description: typeof property.description === 'string' ? property.description : '',
  }));
}

/** Each field once, and none is needed everywhere. */
function fieldsOfAny(choices: readonly JsonSchema[]): SchemaField[] {
  const fields = choices
    .flatMap(fieldsOf)
    .map((field): [string, SchemaField] => [field.name, { ...field, required: false }]);
  return [...new Map(fields).values()];
}

export function typeOf(schema: JsonSchema): string {
  const { $ref, anyOf, enum: values, const: only, type, items, format } = schema;
  if (typeof $ref === 'string') return $ref.slice($ref.lastIndexOf('/') + 1);
  if (Array.isArray(anyOf)) return [...new Set(anyOf.map(typeOf))].join(' or ');
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' or ');
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one })).join(' or ');
  if (type === 'array') return `list of ${typeOf((items ?? {}) as JsonSchema)}`;
  if (type === undefined) return 'anything';
  return `${format === 'date-time' ? 'time' : String(type)}${bounds(schema)}`;
}

function bounds({ minimum, maximum, minLength, maxLength, type }: JsonSchema): string {
  const [least, most] = type === 'string' ? [minLength, maxLength] : [minimum, maximum];
  const unit = type === 'string' ? ' characters' : '';
  if (typeof least === 'number' && typeof most === 'number') return `, ${least} to ${most}${unit}`;
  if (typeof most === 'number') return `, at most ${most}${unit}`;
  return typeof least === 'number' && least > 1 ? `, at least ${least}${unit}` : '';
}
