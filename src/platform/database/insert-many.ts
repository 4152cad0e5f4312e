// Many rows at once, whatever their number: COPY, which reads them for a fraction of what a statement costs.
import type { Writable } from 'node:stream';
import { from } from 'pg-copy-streams';
import type { Db } from './postgres.ts';

/** In the caller's transaction. All rows have the columns of the first one; a value is text, a number, a truth, a Date or null. */
export async function insertMany<Row extends object>(
  trx: Db,
  table: string,
  rows: readonly Row[],
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  if (!trx.isTransaction) throw new Error('what writes many rows is a transaction');
  const columns = Object.keys(first) as (keyof Row & string)[]; // its own keys
  const instants = new Map<Date, string>();
  const lines = rows.map((row) => columns.map((column) => fieldOf(row[column], instants)).join('\t'));
  const client = trx.client as TransactionClient; // knex types its client as any
  const connection = await client.acquireConnection();
  const sql = `copy ${table} (${columns.join(', ')}) from stdin`;
  client.emit('query', { sql, bindings: [] });
  await new Promise<void>((resolve, reject) => {
    connection
      .query(from(sql))
      .once('error', reject)
      .once('finish', resolve)
      .end(`${lines.join('\n')}\n`);
  });
}

interface TransactionClient {
  /** Knex tells of its own statements in this way, too. */
  emit(name: 'query', statement: { sql: string; bindings: readonly unknown[] }): void;
  /** The one of the transaction, which is not given back. */
  acquireConnection(): Promise<{ query<Stream extends Writable>(stream: Stream): Stream }>;
}

const SPECIAL = /[\\\t\n\r]/;

function fieldOf(value: unknown, instants: Map<Date, string>): string {
  if (value === null || value === undefined) return String.raw`\N`;
  if (value instanceof Date) return instantOf(value, instants);
  const text = String(value);
  return SPECIAL.test(text) ? text.replace(/[\\\t\n\r]/g, (one) => ESCAPED[one] ?? one) : text;
}

/** The rows of one act have the same ones. */
function instantOf(date: Date, known: Map<Date, string>): string {
  const text = known.get(date) ?? date.toISOString();
  known.set(date, text);
  return text;
}

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };
