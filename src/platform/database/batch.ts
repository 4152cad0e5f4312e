// One statement for many callers: what is asked while statements are under way goes out together in the next one.
import { AsyncLocalStorage } from 'node:async_hooks';
import { failure } from '../errors.ts';
import { beginMeasure } from '../telemetry/timings.ts';

export interface BatchSettings<In, Out> {
  /** Answers one output per input, in their order. With one input alone it may wait for locks; with more it must not. */
  run(inputs: readonly In[]): Promise<readonly Out[]>;
  /** Inputs with the same key never share a statement. */
  keyOf?: (input: In) => string;
  /** How many statements may be under way at once. */
  inFlight: number;
  /** How long the next statement waits, where the last one had several callers, until as many are there again. */
  companyMilliseconds: number;
}

export interface Batch<In, Out> {
  /** Resolves when the statement that carried it is committed. */
  run(input: In): Promise<Out>;
  /** How many inputs wait for their statement to go out. */
  waiting(): number;
  /** Resolves when everything accepted so far is answered. */
  drained(): Promise<void>;
}

interface Waiting<In, Out> {
  input: In;
  /** Ends the wait of the request that asked, where it is counted. */
  end: ((failed: boolean) => void) | undefined;
  resolve(output: Out): void;
  reject(reason: unknown): void;
}

const MAX_INPUTS = 500;
/** Beyond this the database is too slow to be waited for: better a quick "busy" than a long queue. */
const MAX_WAITING = 10_000;

export function createBatch<In, Out>(settings: BatchSettings<In, Out>): Batch<In, Out> {
  let waiting: Waiting<In, Out>[] = [];
  let underWay = 0;
  let lastSize = 0;
  /** What the largest statement of late carried: with as many, the next one goes out without waiting any longer. */
  let expected = 0;
  let gathering = false;
  let patience: NodeJS.Timeout | undefined;
  const idle: (() => void)[] = [];
  // A statement of many requests belongs to none of them: neither their trace nor their origin may follow it.
  const outside = AsyncLocalStorage.snapshot();

  /** A lone caller goes out at once; where the last statement had company, a short wait costs less than a statement. */
  function gather(): void {
    if (gathering || waiting.length === 0 || underWay >= settings.inFlight) return;
    gathering = true;
    const wait = lastSize > 1 && settings.companyMilliseconds > 0;
    if (wait && waiting.length < expected) patience = setTimeout(depart, settings.companyMilliseconds);
    else setImmediate(depart);
  }

  function isComplete(): boolean {
    return patience !== undefined && waiting.length >= expected;
  }

  function departNow(): void {
    clearTimeout(patience);
    patience = undefined;
    setImmediate(depart);
  }

  function depart(): void {
    gathering = false;
    patience = undefined;
    const batch = takeNext();
    lastSize = batch.length;
    expected = Math.max(batch.length, expected - 1);
    underWay += 1;
    void flush(batch).finally(() => {
      underWay -= 1;
      gather();
      if (underWay === 0 && waiting.length === 0) for (const wake of idle.splice(0)) wake();
    });
    gather();
  }

  function takeNext(): Waiting<In, Out>[] {
    const { keyOf } = settings;
    if (keyOf === undefined) return waiting.splice(0, MAX_INPUTS);
    const keys = new Set<string>();
    const [batch, later]: [Waiting<In, Out>[], Waiting<In, Out>[]] = [[], []];
    for (const one of waiting) {
      const key = keyOf(one.input);
      const fits = batch.length < MAX_INPUTS && !keys.has(key);
      if (fits) keys.add(key);
      (fits ? batch : later).push(one);
    }
    waiting = later;
    return batch;
  }

  async function flush(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const outputs = await settings.run(batch.map(({ input }) => input));
      // One output per input is what `run` promises.
      for (const [at, { resolve, end }] of batch.entries()) {
        end?.(false);
        resolve(outputs[at] as Out);
      }
    } catch (error) {
      if (batch.length > 1 && concernsOneInput(error)) return flushOneByOne(batch);
      for (const { reject, end } of batch) {
        end?.(true);
        reject(error);
      }
    }
  }

  // What PostgreSQL refuses to one caller must not fail thirty others.
  async function flushOneByOne(batch: readonly Waiting<In, Out>[]): Promise<void> {
    for (const one of batch) await flush([one]);
  }

  return {
    run(input) {
      if (waiting.length >= MAX_WAITING) {
        return Promise.reject(failure('server_busy', { retryAfterSeconds: 1 }));
      }
      const end = beginMeasure('database');
      return new Promise<Out>((resolve, reject) => {
        waiting.push({ input, resolve, reject, end });
        if (!gathering) outside(gather);
        else if (isComplete()) outside(departNow);
      });
    },
    waiting: () => waiting.length,
    async drained() {
      if (underWay === 0 && waiting.length === 0) return;
      await new Promise<void>((resolve) => idle.push(resolve));
    },
  };
}

/**
 * Data exceptions, broken constraints, a row met twice (classes 22, 23 and 21), and locks that somebody else holds
 * (deadlock, 40P01; `nowait`, 55P03) lie with one input; everything else concerns all of them.
 */
function concernsOneInput(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(2[123]|40|55P03)/.test(String(error.code));
}
