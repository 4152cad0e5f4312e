// The requests of a fuzzer: for an operation of an API document, addresses, headers and bodies that fit it, and others.
import fc from 'fast-check';
import type { ServedOperation, ServedParameter } from '../support/documented.ts';
import { nasty, nastyText, valueFor, type Words } from './api-fuzz-values.ts';

export type Who = 'nobody' | 'stranger' | 'bound' | 'admin';
export interface World {
  words: Words;
  headers: Record<Who, Record<string, string>>;
}
export interface Operation extends ServedOperation {
  method: string;
  path: string;
}
export interface Plan {
  who: Who;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

const jsonType = { 'Content-Type': 'application/json' };
const otherTypes = [
  'text/plain',
  'application/xml',
  'application/json; charset=utf-16',
  '',
  'multipart/form-data',
];
const brokenBodies = [
  '{',
  '[1,',
  '"',
  '\ufeff{}',
  '{"a":1}x',
  `${'['.repeat(5000)}`,
  '{"__proto__":{}}',
  '\0',
  '',
];

export function plansFor(operation: Operation, { words }: World, root: unknown): fc.Arbitrary<Plan> {
  const inPath = operation.parameters.filter(({ in: place }) => place === 'path');
  const inQuery = operation.parameters.filter(({ in: place }) => place === 'query');
  const schema = operation.requestBody?.content['application/json']?.schema;
  const good = schema === undefined ? fc.constant(undefined) : valueFor(schema, root, words);
  const body = fc.oneof(
    { weight: 10, arbitrary: good.map((value) => ({ headers: jsonType, text: textOf(value) })) },
    { weight: 1, arbitrary: nasty.map((value) => ({ headers: jsonType, text: textOf(value) })) },
    { weight: 1, arbitrary: fc.constantFrom(...brokenBodies).map((text) => ({ headers: jsonType, text })) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(...otherTypes)
        .map((type) => ({ headers: { 'Content-Type': type }, text: '{}' })),
    },
    { weight: 1, arbitrary: fc.constant({ headers: jsonType, text: `{"a":"${'x'.repeat(70_000)}"}` }) },
  );
  return fc
    .record({
      who: fc.constantFrom<Who>('nobody', 'stranger', 'bound', 'bound', 'admin', 'admin', 'admin', 'admin'),
      path: fc.record(
        Object.fromEntries(
          inPath.map((one) => [one.name, inAddress(one, words, root).filter((text) => text !== '')]),
        ),
      ),
      query: fc.oneof(
        { weight: 8, arbitrary: queryOf(inQuery, words, root) },
        { weight: 1, arbitrary: oddQuery },
      ),
      ifMatch: fc.oneof(
        { weight: 6, arbitrary: fc.constant('*') },
        {
          weight: 3,
          arbitrary: fc.constantFrom(
            '',
            '"1"',
            '"999"',
            'W/"1"',
            '1',
            '"x"',
            '"1", "2"',
            '"9007199254740993"',
          ),
        },
      ),
      key: fc.option(fc.constantFrom('k1', 'k2', 'x'.repeat(300), '"quoted"'), { freq: 9 }),
      body,
    })
    .map(({ who, path, query, ifMatch, key, body: { headers, text } }) => ({
      who,
      path: `${operation.path.replace(/\{(\w+)\}/g, (_all, name) => encoded(String(path[name])))}${query}`,
      headers: {
        ...(ifMatch === '' ? {} : { 'If-Match': ifMatch }),
        ...(key === null ? {} : { 'Idempotency-Key': key }),
        ...(operation.method === 'GET' ? {} : headers),
      },
      body: operation.method === 'GET' || text === undefined ? undefined : Buffer.from(text),
    }));
}

/** JSON has no infinity, but readers make one of what is too large. */
const textOf = (value: unknown) => JSON.stringify(value)?.replaceAll('"1e400"', '1e400');
const encoded = (text: string) => encodeURIComponent(text.toWellFormed());
const inAddress = ({ name, schema }: ServedParameter, words: Words, root: unknown) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...(words.byName[name] ?? words.any)) },
    { weight: 4, arbitrary: valueFor(schema, root, words, name).map((value) => short(value)) },
    { weight: 1, arbitrary: nastyText },
  );
const short = (value: unknown) =>
  (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, 4000);
const queryOf = (parameters: readonly ServedParameter[], words: Words, root: unknown) =>
  fc
    .record(Object.fromEntries(parameters.map((one) => [one.name, inAddress(one, words, root)])), {
      requiredKeys: parameters.filter(({ required }) => required).map(({ name }) => name),
    })
    .map(
      (values) =>
        `?${Object.entries(values)
          .map(([name, value]) => `${name}=${encoded(value)}`)
          .join('&')}`,
    );
const oddQuery = fc.constantFrom(
  '?',
  '?%',
  '?%zz=1',
  '?a=1&a=2',
  '?__proto__=1',
  '?limit=1&limit=2',
  '?=',
  '?cursor=%00',
  '?limit[]=1',
);
