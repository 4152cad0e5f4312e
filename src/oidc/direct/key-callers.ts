// An API key as the client that calls. Towards strangers every refusal is the same answer (RFC 6749 §5.2); whoever has the
// right string of a key that is not good any more leaves an event.
import type { ApiKeys } from '../../api-keys/api-keys.ts';
import type { KnownKey } from '../../api-keys/schema.ts';
import type { Audit } from '../../audit/audit.ts';
import { apiKeyIdOf } from '../../lib/api-key-format.ts';
import type { ApiKeySecretId } from '../../lib/ids.ts';
import type { Presented } from './credentials.ts';
import { clientRefused, type Refusal, usedUp } from './reply.ts';

export interface KeyCaller {
  readonly key: KnownKey;
  readonly secretId: ApiKeySecretId;
  /** When the string retires, in milliseconds. */
  readonly secretEndsAt: number;
  /** It, or a key above it, brings limits of its own. */
  readonly hasLimits: boolean;
}

export interface KeyCallers {
  authenticate(
    presented: Extract<Presented, { by: 'key' }>,
    from: { address: string | null; userAgent: string | null; route: string },
  ): Promise<KeyCaller | { readonly refused: Refusal; readonly keyId?: string }>;
}

export function createKeyCallers(deps: {
  apiKeys: Pick<ApiKeys, 'authenticate' | 'takePermits' | 'used'>;
  audit: Pick<Audit, 'append' | 'refuse'>;
}): KeyCallers {
  const { apiKeys, audit } = deps;

  function refused(keyId: string, route: string, reason: string): Promise<void> {
    return audit.append({
      type: 'request.refused',
      actor: { kind: 'client', id: keyId },
      outcome: 'denied',
      clientId: keyId,
      reason,
      details: { route },
    });
  }

  return {
    async authenticate({ key: text, named }, { route, ...use }) {
      const found = await apiKeys.authenticate(text, use);
      // The id beside the string has to be its own.
      const isNamed = named === undefined || named === apiKeyIdOf(text);
      if ('refused' in found || !isNamed) {
        const keyId = 'refused' in found && isNamed ? found.keyId : undefined;
        if (keyId === undefined) audit.refuse('client_authentication', 'invalid_client');
        else await refused(keyId, route, 'refused' in found ? found.refused : 'unknown');
        return { refused: clientRefused };
      }
      const taken = await apiKeys.takePermits(found.key);
      const verdict = taken.at(-1);
      if (verdict?.allowed === false) {
        audit.refuse('rate_limit', 'api-key');
        return { refused: usedUp('key', verdict.resetSeconds), keyId: found.key.id };
      }
      apiKeys.used(found.key, use);
      return { ...found, hasLimits: taken.length > 0 };
    },
  };
}
