// Hot statements go to `pg` themselves: planned once per connection by their name, and not built by knex at each call, which
// costs as much as `pg` does.
import type { Db } from './postgres.ts';

export interface Prepared {
  /** For each text a name of its own: a connection keeps the plan under it. */
  readonly name: string;
  readonly text: string;
}

/** `sql` with `?` for its values, as everywhere else. */
export function prepared(name: string, sql: string): Prepared {
  let number = 0;
  return { name, text: sql.replaceAll('?', () => `$${++number}`) };
}

/** On a connection of the pool by itself; not for a transaction, which knex keeps from being used after its end. */
export async function runPrepared<Row>(
  db: Db,
  statement: Prepared,
  values: readonly unknown[],
): Promise<Row[]> {
  if (db.isTransaction) throw new Error('a prepared statement stands by itself');
  const client = db.client as PoolClient; // knex types its client as any
  const { name, text } = statement;
  client.emit('query', { sql: text, bindings: values });
  const connection = await client.acquireConnection();
  try {
    return await new Promise((resolve, reject) => {
      connection.query({ name, text, values }, (error: unknown, result: { rows: Row[] }) => {
        if (error) reject(error);
        else resolve(result.rows);
      });
    });
  } finally {
    client.releaseConnection(connection);
  }
}

interface PoolClient {
  /** Knex tells of its own statements in this way, too. */
  emit(name: 'query', statement: { sql: string; bindings: readonly unknown[] }): void;
  acquireConnection(): Promise<PooledConnection>;
  releaseConnection(connection: PooledConnection): unknown;
}

interface PooledConnection {
  query(statement: object, done: unknown): unknown;
}
