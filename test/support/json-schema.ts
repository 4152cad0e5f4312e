// A small validator of JSON Schema 2020-12, written apart from what makes our schemas, so that a test can believe it.

type Schema = Readonly<Record<string, unknown>>;

const understood = new Set([
  ...[
    'type',
    'properties',
    'required',
    'additionalProperties',
    'items',
    'enum',
    'const',
    'anyOf',
    'allOf',
    '$ref',
  ],
  ...['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'pattern', 'format'],
  ...['description', 'default'],
]);

/** What is wrong with the value, each as `path: problem`; empty when it fits. A keyword that is not understood is a problem. */
export function problemsOf(value: unknown, schema: Schema, root: unknown, path = '$'): string[] {
  const inner = (given: unknown, one: unknown, at = path) => problemsOf(given, one as Schema, root, at);
  const problems = Object.keys(schema)
    .filter((keyword) => !understood.has(keyword))
    .map((keyword) => `${path}: unknown keyword ${keyword}`);
  const say = (problem: string) => problems.push(`${path}: ${problem}`);

  if (typeof schema.$ref === 'string') problems.push(...inner(value, resolve(root, schema.$ref)));
  for (const one of list(schema.allOf)) problems.push(...inner(value, one));
  if (Array.isArray(schema.anyOf) && schema.anyOf.every((one) => inner(value, one).length > 0))
    say('fits none of anyOf');
  if (Array.isArray(schema.enum) && !schema.enum.includes(value))
    say(`${JSON.stringify(value)} is none of the enum`);
  if ('const' in schema && schema.const !== value) say(`is not ${JSON.stringify(schema.const)}`);
  const types = typeof schema.type === 'string' ? [schema.type] : list(schema.type);
  if (types.length > 0 && !types.some((type) => isOf(type, value)))
    say(`${JSON.stringify(value)} is not ${types.join(' or ')}`);

  if (typeof value === 'string') {
    if (value.length < Number(schema.minLength ?? 0)) say('is too short');
    if (value.length > Number(schema.maxLength ?? Number.POSITIVE_INFINITY)) say('is too long');
    if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern, 'u').test(value))
      say(`does not match ${schema.pattern}`);
    if (
      schema.format === 'date-time' &&
      !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value)
    )
      say('is no date-time');
    if (schema.format === 'uri' && !URL.canParse(value)) say('is no uri');
  }
  if (typeof value === 'number') {
    if (value < Number(schema.minimum ?? Number.NEGATIVE_INFINITY)) say('is too small');
    if (value > Number(schema.maximum ?? Number.POSITIVE_INFINITY)) say('is too large');
  }
  if (Array.isArray(value) && schema.items !== undefined) {
    for (const [index, item] of value.entries())
      problems.push(...inner(item, schema.items, `${path}[${index}]`));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const properties = (schema.properties ?? {}) as Record<string, Schema>;
    for (const name of list(schema.required)) if (!(String(name) in value)) say(`lacks ${name}`);
    for (const [name, own] of Object.entries(value)) {
      const known = properties[name];
      if (known !== undefined) problems.push(...inner(own, known, `${path}.${name}`));
      else if (schema.additionalProperties === false) say(`has ${name} besides`);
      else if (typeof schema.additionalProperties === 'object')
        problems.push(...inner(own, schema.additionalProperties, `${path}.${name}`));
    }
  }
  return problems;
}

/** The names of an object that its schema says nothing about: an answer must not hold more than is documented. */
export function undocumented(value: unknown, schema: Schema, root: unknown, path = '$'): string[] {
  if (typeof schema.$ref === 'string') return undocumented(value, resolve(root, schema.$ref), root, path);
  if (Array.isArray(value)) {
    return value.flatMap((item, index) =>
      undocumented(item, (schema.items ?? {}) as Schema, root, `${path}[${index}]`),
    );
  }
  if (typeof value !== 'object' || value === null || schema.properties === undefined) return [];
  const properties = schema.properties as Record<string, Schema>;
  return Object.entries(value).flatMap(([name, own]) =>
    properties[name] === undefined
      ? [`${path}.${name}`]
      : undocumented(own, properties[name], root, `${path}.${name}`),
  );
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function resolve(root: unknown, ref: string): Schema {
  let here = root as Record<string, unknown>;
  for (const part of ref.replace(/^#\//, '').split('/')) here = here?.[part] as Record<string, unknown>;
  if (here === undefined) throw new Error(`${ref} leads nowhere`);
  return here;
}

function isOf(type: unknown, value: unknown): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}
