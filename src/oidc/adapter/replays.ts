// Replay detection as insert-if-absent, in place of the engine's find-then-save.
import { createHash } from 'node:crypto';
import type { Provider } from 'oidc-provider';
import type { StateStore } from './adapter.ts';

/**
 * The engine finds and then saves a replay marker, so two parallel uses of one DPoP proof or client assertion both pass.
 * Insert-if-absent lets exactly one through (RFC 9449 §11.1, RFC 7523 §3).
 */
export function makeReplayDetectionAtomic(provider: Provider, store: StateStore): void {
  const unique = (issuer: string, jti: string, expiresAt: number): Promise<boolean> => {
    const id = createHash('sha256').update(`${issuer} ${jti}`).digest('base64url');
    return store.unseen(id, Math.max(1, expiresAt - Math.floor(Date.now() / 1000)));
  };
  Object.defineProperty(provider.ReplayDetection, 'unique', { value: unique });
}
