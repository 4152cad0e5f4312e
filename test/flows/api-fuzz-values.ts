// What a fuzzer sends: values that fit a schema, values that nearly do, and values that nobody should send.
import fc from 'fast-check';

type Schema = Readonly<Record<string, unknown>>;

/** What ids and other words of the server there are to be met: `any`, and by the name of a field. */
export interface Words {
  readonly any: readonly string[];
  readonly byName: Readonly<Record<string, readonly string[]>>;
}

const LONG = 5000;
const nastyTexts = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  '\u202e\u0000',
  '🔑'.repeat(200),
  'İ',
  '\n\r\t',
  'x'.repeat(LONG),
  "' or 1=1 --",
  '{{7*7}}<%= 7 %>',
  '%00%ff',
  '../../etc/passwd',
  '..',
  '.',
  '__proto__',
  'constructor',
  '*',
  '*:*:*',
  'a:b:c:d:e',
  '::',
  '@owner',
  '-1',
  'NaN',
  '1e400',
  '0x10',
  '9'.repeat(400),
  'null',
  'true',
  '[]',
  '2026-02-30T25:61:61Z',
  '+275761-01-01T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
  '::ffff:127.0.0.1',
  '10.0.0.0/33',
  '0.0.0.0/0',
  'javascript:alert(1)',
  'http://[::1',
  'gth_AAAA',
];
const nastyNumbers = [
  0,
  -0,
  -1,
  0.5,
  1e-9,
  1e21,
  -1e21,
  1e308,
  2 ** 31,
  2 ** 31 - 1,
  2 ** 53,
  2 ** 53 - 1,
  2 ** 63,
  -(2 ** 63),
];

export const nastyText = fc.oneof(
  fc.constantFrom(...nastyTexts),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 300 }),
);

const huge = fc.constantFrom<unknown>(
  'x'.repeat(30_000),
  Array(2000).fill('a'),
  Array(300).fill({}),
  nested(20),
);

function nested(levels: number): unknown {
  return levels === 0 ? 'deep' : { in: [nested(levels - 1)] };
}

export const nasty: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: nastyText },
  { weight: 3, arbitrary: fc.constantFrom<unknown>(...nastyNumbers) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(null, true, false, [], {}, [null], [[]], [{}], { a: {} }),
  },
  { weight: 1, arbitrary: huge },
  { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
);

/** Fits the schema most of the time; now and then a value in it is one that nobody should send. */
export function valueFor(schema: Schema, root: unknown, words: Words, name = ''): fc.Arbitrary<unknown> {
  const good = fitting(schema, root, words, name);
  return fc.oneof({ weight: 14, arbitrary: good }, { weight: 1, arbitrary: nasty });
}

function fitting(schema: Schema, root: unknown, words: Words, name: string): fc.Arbitrary<unknown> {
  const inner = (one: unknown, of = name) => valueFor((one ?? {}) as Schema, root, words, of);
  if (typeof schema.$ref === 'string') return fitting(resolve(root, schema.$ref), root, words, name);
  if (Array.isArray(schema.anyOf)) return fc.oneof(...schema.anyOf.map((one) => inner(one)));
  if (Array.isArray(schema.allOf)) return inner(schema.allOf[0]);
  if (Array.isArray(schema.enum)) return fc.constantFrom(...schema.enum);
  if ('const' in schema) return fc.constant(schema.const);
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  return fc.oneof(...types.map((type) => ofType(String(type), schema, root, words, name)));
}

function ofType(
  type: string,
  schema: Schema,
  root: unknown,
  words: Words,
  name: string,
): fc.Arbitrary<unknown> {
  const inner = (one: unknown, of = name) => valueFor((one ?? {}) as Schema, root, words, of);
  if (type === 'null') return fc.constant(null);
  if (type === 'boolean') return fc.boolean();
  if (type === 'integer' || type === 'number') return numberOf(schema, type === 'integer');
  if (type === 'string') return textOf(schema, words, name);
  if (type === 'array') {
    const [minLength, maxLength] = [Number(schema.minItems ?? 0), Math.min(Number(schema.maxItems ?? 4), 4)];
    return fc.array(inner(schema.items), { minLength, maxLength: Math.max(minLength, maxLength) });
  }
  return type === 'object' ? objectOf(schema, words, inner) : nasty;
}

function objectOf(
  schema: Schema,
  words: Words,
  inner: (schema: unknown, name?: string) => fc.Arbitrary<unknown>,
) {
  const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>);
  const known = fc.record(Object.fromEntries(properties.map(([name, own]) => [name, inner(own, name)])), {
    requiredKeys: ((schema.required ?? []) as string[]).filter((name) =>
      properties.some(([own]) => own === name),
    ),
  });
  const isOpen = typeof schema.additionalProperties === 'object';
  const names = fc.oneof(fc.constantFrom(...words.any), nastyText);
  const more = fc.dictionary(names, isOpen ? inner(schema.additionalProperties) : nasty, { maxKeys: 3 });
  return fc
    .tuple(
      known,
      fc.oneof({ weight: isOpen ? 1 : 20, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: more }),
    )
    .map(([some, others]) => ({ ...others, ...some }));
}

function numberOf(schema: Schema, whole: boolean): fc.Arbitrary<unknown> {
  const min = Number(schema.minimum ?? -1000);
  const max = Math.min(Number(schema.maximum ?? Math.max(min + 1000, 1_000_000)), 2 ** 53 - 1);
  const near = fc.constantFrom(min, max, min - 1, max + 1);
  const within = whole
    ? fc.integer({ min: Math.ceil(min), max: Math.floor(max) })
    : fc.double({ min, max, noNaN: true });
  return fc.oneof({ weight: 4, arbitrary: within }, { weight: 1, arbitrary: near });
}

function textOf(schema: Schema, words: Words, name: string): fc.Arbitrary<string> {
  const own = words.byName[name];
  const word = fc.constantFrom(...(own ?? words.any));
  if (schema.format === 'date-time') return someDate;
  if (schema.format === 'uri') return fc.oneof(fc.webUrl(), word);
  if (schema.format === 'email') return fc.oneof(fc.emailAddress(), word);
  if (typeof schema.pattern === 'string') return fc.oneof(matching(schema.pattern), word);
  return fc.oneof(
    { weight: 5, arbitrary: word },
    { weight: 2, arbitrary: fc.string({ minLength: Number(schema.minLength ?? 0), maxLength: 30 }) },
    { weight: 1, arbitrary: nastyText },
  );
}

const someDate = fc
  .date({ min: new Date('2020-01-01T00:00:00Z'), max: new Date('2040-01-01T00:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString());

/** Not every pattern can be turned round. */
function matching(pattern: string): fc.Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern, 'u'));
  } catch {
    return fc.string({ maxLength: 20 });
  }
}

function resolve(root: unknown, ref: string): Schema {
  let here = root as Record<string, unknown>;
  for (const part of ref.replace(/^#\//, '').split('/')) here = here[part] as Record<string, unknown>;
  return here;
}
