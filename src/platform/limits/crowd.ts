// A line for pages: few are worked on at once, the others wait their turn before anything is spent on them. So a crowd at
// the door takes its time from one another, and not from programs that ask for keys or what a token is worth.
import type { IncomingMessage } from 'node:http';
import { failure } from '../errors.ts';

export interface Crowd {
  /** Runs it when it is its turn. Throws server_busy when the line is full, or the turn does not come in time. */
  run<T>(task: () => Promise<T>): Promise<T>;
}

export interface CrowdSettings {
  places: number;
  line: number;
  patienceMilliseconds: number;
}

export function createCrowd(settings: CrowdSettings): Crowd {
  const line = new Set<() => void>();
  let inside = 0;

  /** A place that becomes free goes to the next in line, and is never free in between. */
  function leave(): void {
    const [next] = line;
    if (next === undefined) inside -= 1;
    else next();
  }

  async function enter(): Promise<void> {
    if (inside < settings.places) {
      inside += 1;
      return;
    }
    if (line.size >= settings.line) throw failure('server_busy', { retryAfterSeconds: 5 });
    await new Promise<void>((resolve, reject) => {
      const called = () => {
        clearTimeout(timer);
        line.delete(called);
        resolve();
      };
      const timer = setTimeout(() => {
        line.delete(called);
        reject(failure('server_busy', { retryAfterSeconds: 5 }));
      }, settings.patienceMilliseconds);
      line.add(called);
    });
  }

  return {
    async run(task) {
      await enter();
      try {
        return await task();
      } finally {
        leave();
      }
    },
  };
}

/**
 * Resolves when all of the request is here, or more than is read ahead; to false when it broke off. To be awaited before a
 * place is taken: whoever sends a form byte by byte would otherwise keep it from everybody else. Takes nothing of it away.
 */
export async function hasArrived(request: IncomingMessage): Promise<boolean> {
  const isHere = () =>
    request.complete || request.destroyed || request.readableLength >= request.readableHighWaterMark;
  if (!isHere()) await untilHere(request, isHere);
  return request.complete || !request.destroyed;
}

function untilHere(request: IncomingMessage, isHere: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!isHere()) {
        // Nothing is taken; it only asks to be told of more.
        request.read(0);
        return;
      }
      for (const name of events) request.off(name, look);
      resolve();
    };
    for (const name of events) request.on(name, look);
    look();
  });
}

const events = ['readable', 'end', 'close', 'error'];
