// Bounds every use of Redis and stops asking one that does not answer, until a probe is answered again.
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../telemetry/log.ts';
import { measure } from '../telemetry/timings.ts';
import type { RedisClient } from './connection.ts';
import { Late, reasonOf, SILENCE, saysAway } from './failures.ts';

export type RedisState = 'up' | 'down';

export interface Breaker {
  use<T>(run: (client: RedisClient) => Promise<T>): Promise<{ value: T } | undefined>;
  state(): RedisState;
  onState(listener: (state: RedisState) => void): void;
  stop(): void;
}

interface BreakerDeps {
  client: RedisClient;
  /** Where Redis is, for the log. */
  place: string;
  log: Log;
  timeoutMilliseconds: number;
  /** Resolves when Redis does what we need of it. */
  probe(): Promise<unknown>;
}

/** One late answer or a connection that is back at once is no loss, and worth no line in the log. */
const DOUBT_MILLISECONDS = 500;
const FIRST_CONNECTION_MILLISECONDS = 2_000;
const PROBE_PAUSE_MILLISECONDS = 100;
const HEARTBEAT_MILLISECONDS = 1_000;
/** After so many probes without any answer the way there is perhaps cut: a new connection. */
const SILENT_PROBES = 2;

export function createBreaker(deps: BreakerDeps): Breaker {
  const { client, log, place } = deps;
  const listeners: ((state: RedisState) => void)[] = [];
  // In doubt nobody uses Redis, as when it is lost; but nobody is told yet.
  let usable = false;
  let state: RedisState = 'down';
  let saidLost = false;
  let stopped = false;
  let probing = false;
  let reason = 'there is no connection yet';

  const become = (next: RedisState) => {
    if (state === next) return;
    state = next;
    for (const listener of listeners) listener(next);
  };
  const lost = () => {
    if (stopped) return;
    if (!saidLost) log.warn('Redis is lost: the server goes on without it', { redis: place, reason });
    saidLost = true;
    become('down');
  };
  const back = () => {
    usable = true;
    become('up');
    if (saidLost) log.info('Redis is back', { redis: place });
    saidLost = false;
  };

  const probeUntilBack = async (patienceMilliseconds: number) => {
    probing = true;
    const patience = setTimeout(lost, patienceMilliseconds).unref();
    for (let silent = 0; !stopped; ) {
      const answer = client.status === 'ready' ? await ask(deps.probe) : { failed: undefined };
      if (answer === 'fine') break;
      if (answer.failed !== undefined) reason = answer.failed;
      silent = answer.failed === SILENCE ? silent + 1 : 0;
      if (silent >= SILENT_PROBES && !stopped) client.disconnect(true);
      await delay(PROBE_PAUSE_MILLISECONDS, undefined, { ref: false });
    }
    clearTimeout(patience);
    probing = false;
    if (!stopped) back();
  };

  const doubt = (why: string) => {
    usable = false;
    if (probing || stopped) return;
    reason = why;
    void probeUntilBack(DOUBT_MILLISECONDS);
  };

  // Every failure of a connection is followed by `close`; the error itself is only the reason.
  client.on('error', (error: unknown) => {
    reason = reasonOf(error);
  });
  client.on('close', () => doubt('the connection was closed'));
  void probeUntilBack(FIRST_CONNECTION_MILLISECONDS);

  const use = async <T>(run: (client: RedisClient) => Promise<T>): Promise<{ value: T } | undefined> => {
    if (!usable) return undefined;
    try {
      return { value: await measure('redis', () => within(deps.timeoutMilliseconds, run(client))) };
    } catch (error) {
      if (!saysAway(error)) throw error;
      doubt(reasonOf(error));
      return undefined;
    }
  };

  // Silence is noticed although nobody asks, and most often before somebody does.
  const heartbeat = setInterval(() => void use(deps.probe).catch(() => {}), HEARTBEAT_MILLISECONDS).unref();

  return {
    use,
    state: () => state,
    onState: (listener) => void listeners.push(listener),
    stop: () => {
      stopped = true;
      usable = false;
      clearInterval(heartbeat);
    },
  };
}

async function ask(probe: () => Promise<unknown>): Promise<'fine' | { failed: string }> {
  try {
    await probe();
    return 'fine';
  } catch (error) {
    return { failed: reasonOf(error) };
  }
}

/** When this process was busy for longer than the limit, the answer is here already: it gets its turn before the verdict. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(() => reject(new Late(SILENCE))), milliseconds);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
