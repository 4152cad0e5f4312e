// Records with camelCase fields to rows with snake_case columns and back, from one list of the fields.

/** How a field lies in its column: as it is, or as JSON that PostgreSQL must be given as text. */
export type Column = 'plain' | 'json';

export interface Mapping<T> {
  readonly columns: readonly string[];
  rowOf(record: T): Record<string, unknown>;
  recordOf(row: Record<string, unknown>): T;
}

/** Every field of T must be named: one that is forgotten does not compile. */
export function mapping<T extends object>(fields: Readonly<Record<keyof T & string, Column>>): Mapping<T> {
  const pairs = Object.entries<Column>(fields).map(([field, column]) => ({
    field,
    name: field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    isJson: column === 'json',
  }));
  return {
    columns: pairs.map(({ name }) => name),
    rowOf: (record) => {
      const values = new Map(Object.entries(record));
      return Object.fromEntries(
        pairs.map(({ field, name, isJson }) => [name, toColumn(values.get(field), isJson)]),
      );
    },
    // What this mapping wrote has the types of the record: ids, words and times were checked on their way in.
    recordOf: (row) => Object.fromEntries(pairs.map(({ field, name }) => [field, row[name]])) as T,
  };
}

function toColumn(value: unknown, isJson: boolean): unknown {
  return isJson && value !== null ? JSON.stringify(value) : value;
}
