// What one setting is, and the three ways to write one in the table of schema.ts.
import type { Kind } from './kinds.ts';

/** Reads the value of another setting by its name; only for defaults that follow another setting. */
export type ValueOf = (env: string) => unknown;

export interface Setting<T> {
  readonly env: string;
  readonly kind: Kind<unknown>;
  readonly secret: boolean;
  readonly sentence: string;
  /** `says` is what the documentation shows: the value, or the rule where the default follows another setting. */
  readonly byDefault: { readonly says: string; readonly isRule?: true; value(of: ValueOf): T };
}

export function setting<T>(env: string, kind: Kind<T>, byDefault: T, sentence: string): Setting<T> {
  const says = Array.isArray(byDefault) ? byDefault.join(',') : String(byDefault);
  return { env, kind, secret: false, sentence, byDefault: { says, value: () => byDefault } };
}

/** A setting without a value unless it is given. */
export function optional<T>(env: string, kind: Kind<T>, sentence: string): Setting<T | undefined> {
  return { env, kind, secret: false, sentence, byDefault: { says: '', value: () => undefined } };
}

/** An optional setting that may also be given as NAME_FILE and is never shown. */
export function secret<T>(env: string, kind: Kind<T>, sentence: string): Setting<T | undefined> {
  return { ...optional(env, kind, sentence), secret: true };
}

/** A setting whose default follows another setting, which must not follow one that stands later in the table. */
export function following<T>(
  env: string,
  kind: Kind<T>,
  byDefault: Setting<T>['byDefault'],
  sentence: string,
): Setting<T> {
  return { env, kind, secret: false, sentence, byDefault: { ...byDefault, isRule: true } };
}

export interface SettingTable {
  readonly [name: string]: Setting<unknown> | SettingTable;
}

export type Values<Table> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : Values<Table[Name]>;
};

export function isSetting(entry: Setting<unknown> | SettingTable): entry is Setting<unknown> {
  return typeof entry.env === 'string';
}

/** Every setting of a table, in its order, with the top-level section it stands in. */
export function allSettings(
  table: SettingTable,
  section = '',
): { section: string; setting: Setting<unknown> }[] {
  return Object.entries(table).flatMap(([name, entry]) =>
    isSetting(entry) ? [{ section, setting: entry }] : allSettings(entry, section === '' ? name : section),
  );
}
