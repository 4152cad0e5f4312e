// Where an act comes from (address, user agent, request id), carried by AsyncLocalStorage so that the ledger and the log
// need no parameter in every signature. The HTTP pipeline and the CLI set it once; nothing else does.
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Origin {
  readonly requestId: string | null;
  readonly address: string | null;
  readonly userAgent: string | null;
}

const nowhere: Origin = { requestId: null, address: null, userAgent: null };
const storage = new AsyncLocalStorage<Origin>();

export function withOrigin<T>(origin: Origin, run: () => T): T {
  return storage.run(origin, run);
}

/** The origin of the act under way; all fields null outside a request or command. */
export function currentOrigin(): Origin {
  return storage.getStore() ?? nowhere;
}
