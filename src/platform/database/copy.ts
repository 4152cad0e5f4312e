// One connection for whole tables: COPY streams out and in, under settings with which the same value is the same text everywhere.
import type { Readable, Writable } from 'node:stream';
import { Client } from 'pg';
import { from, to } from 'pg-copy-streams';

export interface CopyConnection {
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** The rows of a query in PostgreSQL's own text format, one line each (COPY … TO STDOUT). */
  readRows(select: string): Readable;
  /** Takes lines of that format; ended when PostgreSQL has accepted them all. `table` and columns are quoted here. */
  writeRows(table: string, columns: readonly string[]): Writable;
  close(): Promise<void>;
}

/** `schema`: works in that schema and sees no other. */
export interface CopySettings {
  readonly url: string;
  readonly applicationName: string;
  readonly schema?: string;
}

// What the text of a time, an interval, bytes or a float looks like depends on these; a dump must not.
const TEXT_SETTINGS = `
  set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set bytea_output = 'hex';
  set extra_float_digits = 1; set client_encoding = 'UTF8'; set statement_timeout = 0;
  set idle_in_transaction_session_timeout = 0; set lock_timeout = '30s'; set synchronize_seqscans = off`;
const CONNECT_TIMEOUT_MILLISECONDS = 10_000;

export async function openCopyConnection(settings: CopySettings): Promise<CopyConnection> {
  const client = new Client({
    connectionString: settings.schema === undefined ? settings.url : inSchema(settings.url, settings.schema),
    application_name: settings.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MILLISECONDS,
    keepAlive: true,
  });
  // A lost connection also fails the query or stream under way, and that is what the caller hears.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(TEXT_SETTINGS);
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  return {
    async query<Row extends object>(sql: string, values: readonly unknown[] = []) {
      const { rows } = await client.query<Row>(sql, [...values]);
      return rows;
    },
    readRows: (select) => client.query(to(`copy (${select}) to stdout`)),
    writeRows: (table, columns) =>
      client.query(from(`copy ${quoted(table)} (${columns.map(quoted).join(', ')}) from stdin`)),
    close: () => client.end().catch(() => {}),
  };
}

/** An address whose connections work in that schema only; whatever knows nothing of schemas works there unchanged. */
export function inSchema(url: string, schema: string): string {
  const changed = new URL(url);
  const before = changed.searchParams.get('options');
  const option = `-c search_path=${schema}`;
  changed.searchParams.set('options', before === null ? option : `${before} ${option}`);
  return changed.href;
}

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
