// Counts what a request waits for at PostgreSQL: each statement, and a connection of the pool when none is free.
import type { Knex } from 'knex';
import { beginMeasure } from '../telemetry/timings.ts';

type Callback = (error: unknown, result: unknown) => void;

/** A connection of `pg`; knex calls it with a statement and what to call at its end. */
export interface Connection {
  query(...args: unknown[]): unknown;
}

/** For `pool.afterCreate`: every statement on the connection counts for the request that sends it. */
export function timeStatements(connection: Connection): void {
  const query = connection.query.bind(connection);
  connection.query = (...args) => {
    const [statement, callback] = args;
    // Streams and cursors come without one: they end in their own ways, and serve no request.
    const end = typeof callback === 'function' ? beginMeasure('database') : undefined;
    if (end === undefined) return query(...args);
    const ended: Callback = (error, result) => {
      end(Boolean(error));
      (callback as Callback)(error, result); // a function, as seen two lines above; pg calls it with these
    };
    return query(statement, ended);
  };
}

/** Below it there was a free connection, and nothing to tell of. */
const NO_WAIT_MILLISECONDS = 1;

export function timeWaitForConnection(db: Knex): void {
  const client = db.client as { acquireConnection(): Promise<unknown> }; // knex types its client as any
  const acquire = client.acquireConnection.bind(client);
  client.acquireConnection = async () => {
    const end = beginMeasure('database');
    const startedAt = performance.now();
    try {
      const connection = await acquire();
      if (performance.now() - startedAt >= NO_WAIT_MILLISECONDS) end?.(false);
      return connection;
    } catch (error) {
      end?.(true);
      throw error;
    }
  };
}
