// A bounded place for slow hashing: few at once, few waiting, none waiting long. A flood of sign-ins is refused here at
// once, so that it starves neither the thread pool (files, DNS, the engine's signatures) nor the memory.
import { beginMeasure } from '../../platform/telemetry/timings.ts';

export interface HashPoolSettings {
  hashConcurrency: number;
  hashQueue: number;
  hashQueueSeconds: number;
}

export interface HashPoolState {
  running: number;
  waiting: number;
}

/** Told at every change; `refused` is true when it was a task that found no place or waited too long. */
export type HashPoolObserver = (state: HashPoolState, refused: boolean) => void;

export type Hashed<T> = { kind: 'done'; value: T; milliseconds: number } | { kind: 'busy' };

export interface HashPool {
  run<T>(task: () => Promise<T>): Promise<Hashed<T>>;
  /** True when `run` would refuse at once: asked before anything else is spent on a sign-in. */
  isFull(): boolean;
  state(): HashPoolState;
}

interface Waiting {
  start(): void;
  timer: NodeJS.Timeout;
}

export function createHashPool(settings: HashPoolSettings, observe: HashPoolObserver = () => {}): HashPool {
  const places = createPlaces(settings, (state) => observe(state, false));
  return {
    isFull: places.isFull,
    state: places.state,
    async run(task) {
      // The wait for a place as well: it is hashing that the request waits for.
      const measured = beginMeasure('hashing');
      if (places.isFull() || !(await places.enter())) {
        observe(places.state(), true);
        measured?.(true);
        return { kind: 'busy' };
      }
      const started = performance.now();
      try {
        return { kind: 'done', value: await task(), milliseconds: performance.now() - started };
      } finally {
        measured?.(false);
        places.leave();
      }
    },
  };
}

function createPlaces(settings: HashPoolSettings, changed: (state: HashPoolState) => void) {
  const queue = new Set<Waiting>();
  let running = 0;
  const state = () => ({ running, waiting: queue.size });

  /** False: no place came free in time. */
  function enter(): Promise<boolean> {
    const free = running < settings.hashConcurrency;
    if (free) running += 1;
    const entered = free ? Promise.resolve(true) : wait();
    changed(state());
    return entered;
  }

  function wait(): Promise<boolean> {
    return new Promise((resolve) => {
      const giveUp = () => {
        queue.delete(waiting);
        resolve(false);
      };
      const timer = setTimeout(giveUp, settings.hashQueueSeconds * 1000);
      const waiting: Waiting = { start: () => resolve(true), timer };
      queue.add(waiting);
    });
  }

  function leave(): void {
    const [next] = queue;
    if (next === undefined) {
      running -= 1;
    } else {
      // The place is handed over, so that nobody who comes just now can take it first.
      queue.delete(next);
      clearTimeout(next.timer);
      next.start();
    }
    changed(state());
  }

  const isFull = () => running >= settings.hashConcurrency && queue.size >= settings.hashQueue;
  return { enter, leave, state, isFull };
}
