// Where settings come from: the environment, NAME_FILE, `.env`, and one optional config file. First source wins.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { parse as parseToml } from 'smol-toml';
import { nearest } from './nearest.ts';

export interface ConfigSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where `.env` and `gatehouse.toml` are looked for; undefined reads neither. */
  readonly directory: string | undefined;
}

export interface Given {
  readonly text: string;
  /** For messages: 'environment', '.env', 'gatehouse.toml', or the path of a NAME_FILE. */
  readonly from: string;
}

export interface Names {
  readonly all: readonly string[];
  readonly secret: ReadonlySet<string>;
}

export interface Gathered {
  readonly given: ReadonlyMap<string, Given>;
  readonly mistakes: readonly string[];
  readonly warnings: readonly string[];
}

interface Layer {
  readonly from: string;
  readonly values: Readonly<Record<string, string | undefined>>;
}

interface Notes {
  readonly mistakes: string[];
  readonly warnings: string[];
}

export function gather(sources: ConfigSources, names: Names): Gathered {
  const notes: Notes = { mistakes: [], warnings: [] };
  const environment: Layer = { from: 'environment', values: sources.environment };
  const dotEnv: Layer = { from: '.env', values: readDotEnv(sources.directory, names, notes) };
  const file = configFile(environment, dotEnv, sources.directory, names, notes);
  const given = new Map<string, Given>();
  for (const name of names.all) {
    for (const layer of [environment, dotEnv, file]) {
      const found = valueIn(layer, name, sources.directory, names, notes);
      if (found === undefined) continue;
      given.set(name, found);
      break;
    }
  }
  return { given, ...notes };
}

function valueIn(
  layer: Layer,
  name: string,
  directory: string | undefined,
  names: Names,
  notes: Notes,
): Given | undefined {
  const direct = filled(layer.values[name]);
  const path = names.secret.has(name) ? filled(layer.values[`${name}_FILE`]) : undefined;
  if (direct !== undefined) {
    if (path !== undefined) {
      notes.warnings.push(`${name} and ${name}_FILE are both set; ${name} is used: remove one of them.`);
    }
    return { text: direct, from: layer.from };
  }
  if (path === undefined) return undefined;
  const text = readText(resolve(directory ?? '.', path));
  if (text === undefined || text.trim() === '') {
    notes.mistakes.push(
      `${name}_FILE: "${path}" is missing, empty or unreadable: check the path and its permissions.`,
    );
    return undefined;
  }
  return { text: text.trim(), from: path };
}

function readDotEnv(directory: string | undefined, names: Names, notes: Notes): Layer['values'] {
  const text = directory === undefined ? undefined : readText(resolve(directory, '.env'));
  const values: Record<string, string | undefined> = text === undefined ? {} : parseEnv(text);
  const known = knownNames(names);
  for (const name of Object.keys(values)) {
    const meant = known.includes(name) ? undefined : nearest(name, known);
    if (meant !== undefined) notes.warnings.push(`.env: ${name} is not a setting: did you mean ${meant}?`);
  }
  return values;
}

function configFile(
  environment: Layer,
  dotEnv: Layer,
  directory: string | undefined,
  names: Names,
  notes: Notes,
): Layer {
  const asked = filled(environment.values.GATEHOUSE_CONFIG) ?? filled(dotEnv.values.GATEHOUSE_CONFIG);
  const from = asked ?? 'gatehouse.toml';
  const text =
    directory === undefined && asked === undefined ? undefined : readText(resolve(directory ?? '.', from));
  if (text === undefined) {
    if (asked !== undefined) {
      notes.mistakes.push(`GATEHOUSE_CONFIG: "${asked}" cannot be read: check the path and its permissions.`);
    }
    return { from, values: {} };
  }
  return { from, values: tomlValues(text, from, names, notes) };
}

function tomlValues(text: string, from: string, names: Names, notes: Notes): Record<string, string> {
  const values: Record<string, string> = {};
  const known = new Map(knownNames(names).map((name) => [name.toLowerCase(), name]));
  for (const [key, value] of Object.entries(tomlTable(text, from, notes))) {
    const name = known.get(key);
    const written = plainText(value);
    if (name === undefined) {
      const meant = nearest(key, [...known.keys()]);
      const remedy = meant === undefined ? 'see docs/configuration.md' : `did you mean ${meant}?`;
      notes.mistakes.push(`${from}: ${key} is not a setting: ${remedy}`);
    } else if (written === undefined) {
      notes.mistakes.push(`${from}: ${key} must be a text, number, true, false, or a list of those.`);
    } else {
      values[name] = written;
    }
  }
  return values;
}

function tomlTable(text: string, from: string, notes: Notes): Record<string, unknown> {
  try {
    return parseToml(text);
  } catch (error) {
    // Only the first line: the rest of the parser's message quotes the file, which may hold secrets.
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : 'it is not TOML';
    notes.mistakes.push(`${from}: ${reason}: write one "name = value" on each line.`);
    return {};
  }
}

function plainText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  if (!Array.isArray(value)) return undefined;
  const parts = value.map(plainText);
  return parts.includes(undefined) ? undefined : parts.join(',');
}

function knownNames(names: Names): string[] {
  return [...names.all, ...[...names.secret].map((name) => `${name}_FILE`), 'GATEHOUSE_CONFIG'];
}

/** An empty text means "not set", as `NAME= command` and compose files write it. */
function filled(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim();
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
