// Notices within a second that PostgreSQL is away or silent, lets nobody wait for it, and notices when it is back.
import { Socket } from 'node:net';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { failure } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { isDatabaseUnavailable, isExhausted } from './unavailable.ts';

/** A connection of `pg`; knex calls it with a statement and what to call at its end. */
export interface PgConnection {
  query(...args: unknown[]): unknown;
  /** Knex throws a connection that carries this away instead of handing it out again. */
  __knex__disposed?: unknown;
  readonly connection: { readonly stream: Socket };
}

export interface Breaker {
  /** For the connection settings: every socket of the pool, those that still connect among them. */
  socket(): Socket;
  /** For `pool.afterCreate`. */
  watch(connection: PgConnection): void;
  /** Takes over how the pool hands out connections. */
  attach(db: Knex): void;
  stop(): void;
}

// Counted in ticks and not by the clock: a process that was itself held up for seconds has missed answers that are there.
const TICK_MILLISECONDS = 100;
/** After so long without any answer while somebody waits for one, PostgreSQL is asked. */
const SILENT_TICKS = 3;
/** Time for that question, which needs a new connection; longer where connecting has taken long before. */
const PROBE_TICKS = 6;
const LONGEST_PROBE_TICKS = 30;
/** Pause between the questions while it is away. */
const PAUSE_TICKS = 2;
const EXHAUSTED_PAUSE_MILLISECONDS = 30_000;

type Probed = 'primary' | 'standby' | 'answers' | Error;

interface Target {
  url: string;
  applicationName: string;
}

export function createBreaker(deps: Target & { log: Log }): Breaker {
  const sockets = new Set<Socket>();
  const waiters = new Set<(reason: Error) => void>();
  let waiting = 0;
  let heard = 0;
  let silentTicks = 0;
  let awaySince: number | undefined;
  let quickestConnect = Number.POSITIVE_INFINITY;
  // Before the first answer nothing is refused: whoever starts wants to know why there is none.
  let known = false;
  let probing = false;
  let stopped = false;
  let exhaustedSaid = Number.NEGATIVE_INFINITY;
  let ticker: NodeJS.Timeout | undefined;

  const begin = () => {
    waiting += 1;
    ticker ??= startTicker();
  };
  const end = (error: unknown) => {
    waiting -= 1;
    if (isExhausted(error)) sayExhausted(error);
    else if (isDatabaseUnavailable(error)) suspect();
    else {
      heard += 1;
      known = true;
    }
  };

  /** No reason to turn everybody away: what is only read may well be served. */
  function sayExhausted(error: unknown): void {
    heard += 1;
    if (performance.now() - exhaustedSaid < EXHAUSTED_PAUSE_MILLISECONDS) return;
    exhaustedSaid = performance.now();
    deps.log.error('PostgreSQL has run out of disk or memory; requests that need more are refused', {
      error,
    });
  }

  function startTicker(): NodeJS.Timeout {
    silentTicks = 0;
    let heardBefore = heard;
    const timer = setInterval(() => {
      silentTicks = heard === heardBefore ? silentTicks + 1 : 0;
      heardBefore = heard;
      if (waiting === 0) stopTicker();
      else if (silentTicks >= SILENT_TICKS) suspect();
    }, TICK_MILLISECONDS);
    return timer.unref();
  }

  function stopTicker(): void {
    clearInterval(ticker);
    ticker = undefined;
  }

  /** One question at a time; while PostgreSQL is away, again and again. */
  function suspect(): void {
    if (!known || probing || stopped) return;
    probing = true;
    void judge().finally(() => {
      probing = false;
      silentTicks = 0;
    });
  }

  /** TCP, TLS, password and question go to and fro about ten times. */
  const probeTicks = () => {
    const far = Number.isFinite(quickestConnect) ? (20 * quickestConnect) / TICK_MILLISECONDS : 0;
    return Math.min(LONGEST_PROBE_TICKS, Math.max(PROBE_TICKS, Math.ceil(far)));
  };

  async function judge(): Promise<void> {
    const heardBefore = heard;
    let answer = await probe(deps, probeTicks());
    const lives = answer === 'primary' || answer === 'answers' || heard !== heardBefore;
    if (stopped || (lives && answer !== 'standby')) return;
    leave(answer);
    while (answer !== 'primary' && !stopped) {
      await ticks(PAUSE_TICKS);
      answer = await probe(deps, probeTicks());
    }
    if (!stopped) comeBack();
  }

  function leave(reason: Probed): void {
    awaySince = performance.now();
    const why = reason instanceof Error ? { error: reason } : { reason: 'it is a read-only standby' };
    deps.log.error('PostgreSQL is away; requests that need it are refused until it is back', why);
    const error = unavailable();
    for (const reject of waiters) reject(error);
    // What is under way fails now, a commit as well: whether it was done nobody knows, so nobody is told that it was.
    for (const socket of sockets) socket.destroy(error);
  }

  function comeBack(): void {
    const seconds = Math.round((performance.now() - (awaySince ?? 0)) / 100) / 10;
    awaySince = undefined;
    deps.log.info('PostgreSQL is back', { awaySeconds: seconds });
  }

  function watch(connection: PgConnection): void {
    const query = connection.query.bind(connection);
    connection.query = (...args) => {
      const [statement, callback] = args;
      // Streams and cursors come without one and end in their own ways.
      if (typeof callback !== 'function') return query(...args);
      begin();
      return query(statement, (error: unknown, result: unknown) => {
        end(error);
        // The late answer would be taken for that of the next statement.
        if (isReadTimeout(error)) dispose(connection, error);
        callback(error, result);
      });
    };
  }

  /** A connection of the pool; refused at once while PostgreSQL is away, and as soon as it goes away. */
  function acquire<T>(take: () => Promise<T>, giveBack: (connection: T) => void): Promise<T> {
    if (awaySince !== undefined) return Promise.reject(unavailable());
    return new Promise((resolve, reject) => {
      begin();
      waiters.add(reject);
      take().then(
        (connection) => {
          waiting -= 1;
          if (waiters.delete(reject) && awaySince === undefined) resolve(connection);
          else giveBack(connection);
        },
        (error: unknown) => {
          waiters.delete(reject);
          waiting -= 1;
          // A pool that is used up says nothing about PostgreSQL.
          if (!isPoolFull(error) && isDatabaseUnavailable(error)) suspect();
          reject(error);
        },
      );
    });
  }

  return {
    socket() {
      const socket = new Socket();
      sockets.add(socket);
      const begun = performance.now();
      socket.once('connect', () => {
        quickestConnect = Math.min(quickestConnect, performance.now() - begun);
      });
      return socket.once('close', () => sockets.delete(socket));
    },
    watch,
    attach(db) {
      // Knex types its client as any; these two are how it hands out connections, to transactions as well.
      const client = db.client as {
        acquireConnection(): Promise<object>;
        releaseConnection(c: object): unknown;
      };
      const take = client.acquireConnection.bind(client);
      client.acquireConnection = () => acquire(take, (connection) => client.releaseConnection(connection));
    },
    stop() {
      stopped = true;
      stopTicker();
    },
  };
}

/** Asks over a connection of its own: those of the pool may be the ones that hang. */
async function probe(target: Target, limitTicks: number): Promise<Probed> {
  const socket = new Socket();
  const client = new Client({
    connectionString: target.url,
    application_name: `${target.applicationName} probe`,
    stream: () => socket,
  });
  client.on('error', () => {});
  const late = ticks(limitTicks).then(() => new Error('PostgreSQL does not answer'));
  const answer = ask(client).catch((error: Error) => (isFromServer(error) ? 'answers' : error));
  try {
    return await Promise.race([answer, late]);
  } finally {
    socket.destroy();
  }
}

async function ask(client: Client): Promise<Probed> {
  await client.connect();
  const { rows } = await client.query<{ standby: boolean }>('select pg_is_in_recovery() as standby');
  return rows[0]?.standby === true ? 'standby' : 'primary';
}

/** It refuses us, for too many connections say, but it is there, and may well serve the ones we have. */
function isFromServer(error: Error): boolean {
  const { code } = error as { code?: unknown };
  return (
    typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(57P0|08)/.test(code) && code !== 'EPIPE'
  );
}

function ticks(count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    const timer = setInterval(() => {
      left -= 1;
      if (left > 0) return;
      clearInterval(timer);
      resolve();
    }, TICK_MILLISECONDS).unref();
  });
}

function dispose(connection: PgConnection, reason: unknown): void {
  connection.__knex__disposed = reason;
  connection.connection.stream.destroy();
}

function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}

function isPoolFull(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Timeout acquiring a connection');
}

function unavailable(): Error {
  return failure('database_unavailable', { retryAfterSeconds: 5 });
}
