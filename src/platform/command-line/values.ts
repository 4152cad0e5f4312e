// What was typed, read by name: arguments and options as commands ask for them.
import { type Arguments, type Options, UsageMistake } from '../command.ts';

export function readArguments(values: ReadonlyMap<string, unknown>): Arguments {
  const optional = (name: string) => {
    const value = values.get(name);
    return typeof value === 'string' ? value : undefined;
  };
  return { optional, text: (name) => optional(name) ?? missing(`argument ${name}`) };
}

export function readOptions(values: Readonly<Record<string, unknown>>): Options {
  const of = (name: string) => values[name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
  const text = (name: string) => {
    const value = of(name);
    return typeof value === 'string' ? value : undefined;
  };
  return {
    flag: (name) => of(name) === true,
    text,
    required: (name) => text(name) ?? missing(`option --${name}`),
    list(name) {
      const value = of(name);
      return Array.isArray(value) ? value.map(String) : typeof value === 'string' ? [value] : [];
    },
    number(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      if (!/^\d{1,15}$/.test(value)) throw new UsageMistake(`--${name} must be a whole number.`);
      return Number(value);
    },
    object(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      const parsed = value === '' ? {} : parsedJson(value);
      if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
        throw new UsageMistake(`--${name} must be a JSON object such as '{"tier": "gold"}'.`);
      }
      return { ...parsed };
    },
    time(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      const time = new Date(value);
      if (!/^\d{4}-\d\d-\d\d/.test(value) || Number.isNaN(time.getTime())) {
        throw new UsageMistake(
          `--${name} must be a date or time such as 2026-01-31 or 2026-01-31T12:00:00Z.`,
        );
      }
      return time;
    },
  };
}

function missing(what: string): never {
  throw new UsageMistake(`The ${what} is missing.`);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
