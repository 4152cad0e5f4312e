// bcrypt beside the main thread: one worker, started at the first hash that needs it.
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BcryptAnswer, BcryptQuestion } from './bcrypt-worker.ts';

/** As this file is called: `.ts` in the sources, `.js` in what is built of them. */
const WORKER = new URL(`./bcrypt-worker${extname(import.meta.filename)}`, import.meta.url);

interface Asked {
  resolve(matches: boolean): void;
  reject(reason: unknown): void;
}

/** Compares what bcrypt looks at, which is the first 72 bytes. */
export function createBcrypt(): (password: string, hash: string) => Promise<boolean> {
  const asked = new Map<number, Asked>();
  let worker: Worker | undefined;
  let last = 0;

  function start(): Worker {
    const started = new Worker(WORKER);
    started.on('message', ({ id, matches }: BcryptAnswer) => {
      asked.get(id)?.resolve(matches);
      asked.delete(id);
      // What waits for an answer keeps the process alive; a worker without a question does not.
      if (asked.size === 0) started.unref();
    });
    const gone = (reason: unknown) => {
      if (worker === started) worker = undefined;
      for (const { reject } of asked.values()) reject(reason);
      asked.clear();
    };
    started.on('error', gone);
    started.on('exit', (code) => gone(new Error(`the bcrypt thread ended with ${code}`)));
    return started;
  }

  return (password, hash) =>
    new Promise((resolve, reject) => {
      worker ??= start();
      last += 1;
      asked.set(last, { resolve, reject });
      worker.ref();
      worker.postMessage({ id: last, hash, password } satisfies BcryptQuestion);
    });
}
