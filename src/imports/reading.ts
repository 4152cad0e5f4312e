// The records of a file of people, by the names of their fields.
import { UsageMistake } from '../platform/command.ts';
import { csvParser } from './csv.ts';
import { type Parse, type RawRecord, recordsOf } from './records.ts';
import { type Entry, type Format, fieldNames } from './schema.ts';

export interface Columns {
  /** Names of the file that stand for other fields; '' for what is left out. */
  readonly renamed: ReadonlyMap<string, string>;
}

export function readEntries(
  bytes: AsyncIterable<Uint8Array>,
  format: Format,
  columns: Columns,
): AsyncGenerator<Entry> {
  return format === 'csv' ? readCsv(bytes, columns) : readJsonLines(bytes, columns);
}

/** Throws a UsageMistake for a header that names what there is not: nothing of the file would be what it says. */
async function* readCsv(bytes: AsyncIterable<Uint8Array>, columns: Columns): AsyncGenerator<Entry> {
  let names: readonly string[] | undefined;
  for await (const record of recordsOf(bytes, csvParser())) {
    if (names === undefined) names = headerOf(record, columns);
    else yield entryOf(record, names);
  }
  if (names === undefined)
    throw new UsageMistake('The file is empty: a CSV file begins with a line of names.');
}

function headerOf(record: RawRecord<string[]>, { renamed }: Columns): string[] {
  if ('mistake' in record) throw new UsageMistake(`The line of names is not CSV. ${record.mistake}`);
  const names = record.value.map((name) => renamed.get(name.trim()) ?? name.trim());
  for (const name of names) {
    if (name !== '' && !isField(name)) {
      throw new UsageMistake(
        `There is no field '${name}'. The fields are ${fieldNames.join(', ')} and profile.NAME. ` +
          `Leave it out with --column '${name}='.`,
      );
    }
    if (name !== '' && names.indexOf(name) !== names.lastIndexOf(name)) {
      throw new UsageMistake(`Two columns are named '${name}'.`);
    }
  }
  return names;
}

function isField(name: string): boolean {
  const names: readonly string[] = fieldNames;
  return name.startsWith('profile.') || (names.includes(name) && name !== 'profile');
}

function entryOf(record: RawRecord<string[]>, names: readonly string[]): Entry {
  if ('mistake' in record) return record;
  const { line, value } = record;
  if (value.length !== names.length) {
    return { line, mistake: `There are ${value.length} values for ${names.length} columns.` };
  }
  const fields: Record<string, unknown> = {};
  const profile: Record<string, unknown> = {};
  for (const [at, name] of names.entries()) {
    const text = value[at] ?? '';
    if (name === '' || text === '') continue;
    if (name.startsWith('profile.')) profile[name.slice('profile.'.length)] = text;
    else fields[name] = text;
  }
  if (Object.keys(profile).length > 0) fields.profile = profile;
  return { line, fields };
}

async function* readJsonLines(bytes: AsyncIterable<Uint8Array>, { renamed }: Columns): AsyncGenerator<Entry> {
  for await (const record of recordsOf(bytes, parseLine)) {
    if ('mistake' in record) yield record;
    else yield { line: record.line, fields: rename(record.value, renamed) };
  }
}

const parseLine: Parse<Record<string, unknown>> = (text, at, last) => {
  const newline = text.indexOf('\n', at);
  if (newline < 0 && !last) return { kind: 'more' };
  const end = newline < 0 ? text.length : newline + 1;
  const line = text.slice(at, end).trim();
  if (line === '') return { kind: 'record', value: undefined, end };
  const value = objectIn(line);
  return value === undefined
    ? { kind: 'mistake', sentence: 'The line is not a JSON object.' }
    : { kind: 'record', value, end };
};

function objectIn(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : undefined;
  } catch {
    return undefined;
  }
}

function rename(
  fields: Record<string, unknown>,
  renamed: ReadonlyMap<string, string>,
): Record<string, unknown> {
  if (renamed.size === 0) return fields;
  const entries = Object.entries(fields).map(([name, value]) => [renamed.get(name) ?? name, value]);
  return Object.fromEntries(entries.filter(([name]) => name !== ''));
}
