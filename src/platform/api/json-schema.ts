// The schemas of routes as JSON Schema 2020-12, with those that have a name collected once for all of the document.
import { z } from 'zod';

export type JsonSchema = { readonly [keyword: string]: unknown };

export interface SchemaBook {
  /** What may be sent. */
  input(schema: z.ZodType): JsonSchema;
  /** What may be sent, under a name of its own. */
  body(name: string, schema: z.ZodType): JsonSchema;
  /** What is answered. */
  output(schema: z.ZodType): JsonSchema;
  /** The schemas that have a name, as far as they were met. */
  readonly named: Readonly<Record<string, JsonSchema>>;
}

export function createSchemaBook(): SchemaBook {
  const named: Record<string, JsonSchema> = {};

  function convert(schema: z.ZodType, io: 'input' | 'output'): JsonSchema {
    const made = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      override: ({ jsonSchema }) => simplify(jsonSchema, io),
    });
    const { $schema: _dialect, $defs = {}, id, ...own } = pointedAt(made, io);
    // `as`: made of plain JSON by zod.
    for (const [name, definition] of Object.entries($defs as Record<string, JsonSchema>)) {
      const { id: _id, ...rest } = definition;
      named[name] ??= rest;
    }
    if (typeof id !== 'string') return own;
    named[id] ??= own;
    return { $ref: `#/components/schemas/${id}` };
  }

  return {
    input: (schema) => convert(schema, 'input'),
    body(name, schema) {
      named[name] = convert(schema, 'input');
      return { $ref: `#/components/schemas/${name}` };
    },
    output: (schema) => convert(schema, 'output'),
    named,
  };
}

/** Zod points at definitions beside the schema; in the document they are components. */
function pointedAt(schema: object, io: 'input' | 'output'): Record<string, unknown> {
  const pointed = JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'));
  // `as`: an object stays one.
  return io === 'input' ? (withoutEmptyChoices(pointed) as Record<string, unknown>) : pointed;
}

/** Leaves out what is noise to readers and what would forbid us to add a field to an answer. */
function simplify(schema: Record<string, unknown>, io: 'input' | 'output'): void {
  if (io === 'output' && schema.additionalProperties === false) delete schema.additionalProperties;
  if (schema.format === 'date-time' || schema.format === 'uri') delete schema.pattern;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  delete schema.propertyNames;
}

/** What JSON cannot say (a Date, for callers within the process) is no choice of those who write JSON. */
function withoutEmptyChoices(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyChoices);
  if (typeof value !== 'object' || value === null) return value;
  const inner = Object.entries(value).map(([name, own]): [string, unknown] => [
    name,
    withoutEmptyChoices(own),
  ]);
  const { anyOf, ...rest } = Object.fromEntries(inner);
  if (!Array.isArray(anyOf)) return Object.fromEntries(inner);
  const choices = anyOf.filter((choice) => Object.keys(choice).length > 0);
  return choices.length === 1 ? { ...rest, ...choices[0] } : { ...rest, anyOf: choices };
}
