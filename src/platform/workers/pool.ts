// Keeps a number of worker processes alive at one port: starts, replaces, rolls and stops them.
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import { AlreadySaid } from '../command.ts';
import type { Log } from '../telemetry/log.ts';
import { isOurs, type PrimaryMessage, type WorkerMessage, type WorkerMetrics } from './messages.ts';

export interface WorkerPool {
  /** The first worker alone, since it may have to prepare the database, then the others. Answers their port. */
  start(): Promise<number>;
  /** A fresh worker for each one, one after the other, each accepting before the old one stops. */
  roll(): Promise<void>;
  /** Resolves when all of them have ended. */
  stop(): Promise<void>;
  /** Of the workers that answer in time. */
  metrics(): Promise<WorkerMetrics[]>;
  /** How many have ended by themselves and were replaced. */
  restarts(): number;
}

export interface WorkerPoolSettings {
  count: number;
  /** The file that each worker runs. */
  file: string;
  /** Over the environment of this process. */
  environment: Record<string, string>;
  graceSeconds: number;
  log: Log;
}

interface Member {
  readonly worker: Worker;
  readonly ready: Promise<number>;
  readonly ended: Promise<number>;
  readonly begun: number;
  leaving: boolean;
}

// Beyond the grace period that a worker gives its own requests.
const LATE_SECONDS = 5;
const METRICS_MILLISECONDS = 2_000;
/** A worker that ends sooner than this was ill from the start: the next one waits, longer each time. */
const HEALTHY_MILLISECONDS = 30_000;
const PAUSES_MILLISECONDS = [0, 500, 1_000, 2_000, 5_000, 10_000];

export function createWorkerPool(settings: WorkerPoolSettings): WorkerPool {
  const { log } = settings;
  const members = new Set<Member>();
  let early = 0;
  let stopping = false;
  let rolling: Promise<void> | undefined;
  let again = false;
  let asked = 0;
  let restarts = 0;

  // Round robin through the primary: its listening socket outlives every worker, so a connection that waits to be
  // accepted is never lost with the worker it waited for. With one socket per worker (SO_REUSEPORT) it would be.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({ exec: settings.file, args: [] });

  function add(): Member {
    const worker = cluster.fork(settings.environment);
    const ended = new Promise<number>((resolve) => {
      worker.once('exit', (code, signal) => resolve(signal === null ? code : 1));
      // One that could not even be started has no number; any other error is about a message.
      worker.on('error', () => worker.process.pid === undefined && resolve(1));
    });
    const ready = new Promise<number>((resolve, reject) => {
      worker.on('message', (message: unknown) => {
        if (isOurs<WorkerMessage>(message) && message.gatehouse === 'ready') resolve(message.port);
      });
      void ended.then((code) => reject(new AlreadySaid('The worker did not start.', code)));
    });
    const lost = watchHandovers(worker);
    void ended.then(lost);
    const member: Member = { worker, ready, ended, begun: performance.now(), leaving: false };
    members.add(member);
    // Whoever starts a worker hears of it as well.
    ready.catch(() => {});
    void ended.then(() => members.delete(member));
    return member;
  }

  /** From when it was ready once, its place is kept filled. */
  function keep(member: Member): void {
    void member.ended.then(async (code) => {
      if (member.leaving || stopping) return;
      early = performance.now() - member.begun < HEALTHY_MILLISECONDS ? early + 1 : 0;
      const pause = PAUSES_MILLISECONDS[Math.min(early, PAUSES_MILLISECONDS.length) - 1] ?? 0;
      log.error('A worker ended; another one takes its place', {
        worker: member.worker.process.pid,
        ended: member.worker.process.signalCode ?? code,
        inMilliseconds: pause,
      });
      await delay(pause, undefined, { ref: false });
      if (stopping) return;
      restarts += 1;
      keep(add());
    });
  }

  async function leave(member: Member, rolled: boolean): Promise<void> {
    member.leaving = true;
    say(member, { gatehouse: 'stop', rolling: rolled });
    const late = (settings.graceSeconds + LATE_SECONDS) * 1000;
    const timer = setTimeout(() => {
      log.warn('A worker did not stop in time and is killed', { worker: member.worker.process.pid });
      member.worker.process.kill('SIGKILL');
    }, late);
    await member.ended;
    clearTimeout(timer);
  }

  async function rollOnce(): Promise<void> {
    const old = [...members].filter((member) => !member.leaving);
    log.info('Rolling restart', { workers: old.length });
    for (const member of old) {
      if (stopping) return;
      // One that has ended by itself was replaced already.
      if (members.has(member) && !(await replace(member))) return;
    }
    log.info('Rolling restart done');
  }

  async function replace(member: Member): Promise<boolean> {
    member.leaving = true;
    const next = add();
    try {
      await next.ready;
    } catch {
      if (stopping) return false;
      log.error('Rolling restart given up: a new worker did not start, the old ones go on');
      member.leaving = false;
      if (!members.has(member)) keep(add());
      return false;
    }
    keep(next);
    await leave(member, true);
    return true;
  }

  async function askMetrics({ worker }: Member, id: number): Promise<WorkerMetrics[]> {
    const answer = Promise.withResolvers<WorkerMetrics[]>();
    const hear = (message: unknown) => {
      if (!isOurs<WorkerMessage>(message) || message.gatehouse !== 'metrics') return;
      if (message.id === id) answer.resolve([message.metrics]);
    };
    worker.on('message', hear);
    const timer = setTimeout(() => answer.resolve([]), METRICS_MILLISECONDS);
    const asking: PrimaryMessage = { gatehouse: 'metrics', id };
    worker.send(asking, (error) => error && answer.resolve([]));
    const metrics = await answer.promise;
    clearTimeout(timer);
    worker.off('message', hear);
    return metrics;
  }

  return {
    async start() {
      const first = add();
      const port = await first.ready;
      keep(first);
      const others = Array.from({ length: stopping ? 0 : settings.count - 1 }, add);
      for (const other of others) keep(other);
      // One that fails now is tried again, as at any later time.
      await Promise.allSettled(others.map((other) => other.ready));
      return port;
    },
    async roll() {
      again = rolling !== undefined;
      rolling ??= (async () => {
        do {
          again = false;
          await rollOnce();
        } while (again && !stopping);
      })().finally(() => {
        rolling = undefined;
      });
      await rolling;
    },
    async stop() {
      stopping = true;
      await Promise.all([...members].map((member) => leave(member, false)));
    },
    async metrics() {
      asked += 1;
      const id = asked;
      const answers = await Promise.all([...members].map((member) => askMetrics(member, id)));
      return answers.flat();
    },
    restarts: () => restarts,
  };
}

function say({ worker }: Member, message: PrimaryMessage): void {
  // One that has just ended cannot hear it any more.
  if (worker.isConnected()) worker.send(message, () => {});
}

/**
 * A worker that is killed between getting a connection and confirming it leaves that connection open in the primary, where
 * nobody will ever answer it. What this returns, called at the worker's end, closes it: its client can try again at once.
 */
function watchHandovers(worker: Worker): () => void {
  const send = worker.process.send.bind(worker.process);
  let last: { close(): void } | undefined;
  // node:cluster hands connections over by this method; what it has confirmed it has closed, and closing again is nothing.
  const watched = (...args: Parameters<typeof send>) => {
    const handle: unknown = args[1];
    if (isHandle(handle)) last = handle;
    return send(...args);
  };
  // `as`: one function for the four ways in which the arguments may be left out.
  worker.process.send = watched as typeof send;
  return () => last?.close();
}

function isHandle(value: unknown): value is { close(): void } {
  return typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function';
}
