// Where an act comes from (address, user agent, request id) and where its time goes, carried by AsyncLocalStorage so that
// the ledger and the log need no parameter in every signature. The HTTP pipeline and the CLI set it once; nothing else does.
import { AsyncLocalStorage } from 'node:async_hooks';

/** What a request waits for outside of this process. */
export type TimedPart = 'database' | 'redis' | 'hashing' | 'signing' | 'outgoing';

export interface Origin {
  readonly requestId: string | null;
  readonly address: string | null;
  readonly userAgent: string | null;
  /** The API key that was presented, or that the token was made with; set when it is known. */
  apiKeyId?: string;
  /** Counts what the request waits for; nothing is counted outside of requests. */
  readonly timings?: {
    add(part: TimedPart, startedAt: number, endedAt: number, failed: boolean): void;
  };
}

const nowhere: Origin = { requestId: null, address: null, userAgent: null };
const storage = new AsyncLocalStorage<Origin>();

export function withOrigin<T>(origin: Origin, run: () => T): T {
  return storage.run(origin, run);
}

/**
 * For work that several acts share, such as one statement that serves many requests: it belongs to none of them, whoever
 * came first. Each of them counts its own wait.
 */
export function withoutOrigin<T>(run: () => T): T {
  return storage.run(nowhere, run);
}

/** Whatever the request does from here on, it does with this key: the ledger has it with each event. */
export function noteKey(apiKeyId: string): void {
  const origin = storage.getStore();
  if (origin !== undefined && origin !== nowhere) origin.apiKeyId = apiKeyId;
}

/** The origin of the act under way; all fields null outside a request or command. */
export function currentOrigin(): Origin {
  return storage.getStore() ?? nowhere;
}
