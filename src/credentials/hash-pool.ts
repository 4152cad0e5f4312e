// A bounded place for slow hashing: few at once, few waiting, none waiting long. A flood of sign-ins is refused here at
// once, so that it starves neither the thread pool (files, DNS, the engine's signatures) nor the memory.

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
  const queue = new Set<Waiting>();
  let running = 0;

  const state = () => ({ running, waiting: queue.size });
  const isFull = () => running >= settings.hashConcurrency && queue.size >= settings.hashQueue;

  /** False: no place came free in time. */
  async function enter(): Promise<boolean> {
    if (running < settings.hashConcurrency) {
      running += 1;
      return true;
    }
    return new Promise((resolve) => {
      const waiting: Waiting = {
        start: () => resolve(true),
        timer: setTimeout(() => {
          queue.delete(waiting);
          resolve(false);
        }, settings.hashQueueSeconds * 1000),
      };
      queue.add(waiting);
      observe(state(), false);
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
    observe(state(), false);
  }

  return {
    isFull,
    state,
    async run(task) {
      if (isFull() || !(await enter())) {
        observe(state(), true);
        return { kind: 'busy' };
      }
      observe(state(), false);
      const started = performance.now();
      try {
        return { kind: 'done', value: await task(), milliseconds: performance.now() - started };
      } finally {
        leave();
      }
    },
  };
}
