// Back-channel logout as the engine signs and sends it, taken out of the request: there it would be one attempt for which
// the person waits. The engine's own call only notes that the client is to be told; the queue sends.
import Provider from 'oidc-provider';
import type { Db } from '../platform/database/postgres.ts';
import type { EndedParticipant } from './adapter/session-clients.ts';

export type SentLogout =
  | { kind: 'delivered' }
  /** The client is gone, disabled, or no longer asks for it. */
  | { kind: 'not_wanted' }
  | { kind: 'failed'; reason: string };

type Send = (this: object, accountId: string, sid: string | null) => Promise<void>;

export interface LogoutSending {
  attach(provider: Provider): void;
  /** One attempt with a token made for it; never rejects. */
  send(provider: Provider, participant: EndedParticipant): Promise<SentLogout>;
}

export function createLogoutSending(deps: {
  db: Db;
  tellEnded: (db: Db, participants: readonly EndedParticipant[]) => Promise<void>;
}): LogoutSending {
  const originals = new WeakMap<Provider, Send>();
  return {
    attach(provider) {
      // Present on every engine client, and missing from the published types.
      const prototype = provider.Client.prototype as unknown as { backchannelLogout: Send };
      originals.set(provider, prototype.backchannelLogout);
      Object.defineProperty(prototype, 'backchannelLogout', {
        async value(this: { clientId: string }, accountId: string, sid: string | null) {
          // A whole sign-out: the notices are written with the end of the session (adapter/sessions.ts).
          if (Provider.ctx?.oidc?.params?.logout) return;
          await deps.tellEnded(deps.db, [{ clientId: this.clientId, accountId, sid }]);
        },
      });
    },

    async send(provider, { clientId, accountId, sid }) {
      try {
        const client = await provider.Client.find(clientId);
        if (!client?.backchannelLogoutUri) return { kind: 'not_wanted' };
        await originals.get(provider)?.call(client, accountId, sid);
        return { kind: 'delivered' };
      } catch (error) {
        return { kind: 'failed', reason: reasonOf(error) };
      }
    },
  };
}

/** In words of ours: what a stranger's server says does not belong into lists and the ledger. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { response, cause } = error as { response?: { status?: unknown }; cause?: unknown };
  if (typeof response?.status === 'number') return `http_${response.status}`;
  if (error.name === 'TimeoutError') return 'timeout';
  const inner = cause instanceof Error ? cause : error;
  if (inner.message.includes('special-use IP address')) return 'address_private';
  const { code } = inner as { code?: unknown };
  return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code.toLowerCase() : 'unreachable';
}
