// Runs adapter calls as the engine makes them: inside a request, whose session and route the adapter may look at.
import type { AsyncLocalStorage } from 'node:async_hooks';

export interface EngineRequest {
  readonly session?: { readonly accountId?: string | undefined; readonly oldId?: string };
  readonly route?: string;
  readonly client?: { readonly clientId: string; readonly clientAuthMethod: string };
}

// What `Provider.ctx` reads; the engine does not export it under a name that has types.
const store = 'oidc-provider/lib/helpers/als.js';
const { default: requests } = (await import(store)) as { default: AsyncLocalStorage<object> };

export function inEngineRequest<T>(request: EngineRequest, run: () => Promise<T>): Promise<T> {
  return requests.run({ state: {}, oidc: { entities: {}, ...request } }, run);
}
