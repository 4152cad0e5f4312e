// A key in the address of a request: addresses are written to logs and histories, so it is refused there and the leak is told.
import type { Audit } from '../../audit/audit.ts';
import { apiKeyIdOf } from '../../lib/api-key-format.ts';
import type { Authenticating } from './authenticate.ts';

export interface ExposedKeys {
  /** Costs next to nothing for addresses that hold none. */
  mayHold(address: string): boolean;
  /** Whether the address, path and query, holds something that looks like a key; a good one leaves an event. */
  in(address: string): Promise<boolean>;
}

const LOOKS_LIKE_KEY = /gth_[0-9a-hjkmnp-tv-z]{26}_[0-9A-Za-z]{38}/g;
/** Each costs a look-up. */
const MOST_LOOKED_UP = 3;

export function createExposedKeys(deps: {
  apiKeys: Pick<Authenticating, 'authenticate'>;
  audit: Pick<Audit, 'append' | 'refuse'>;
}): ExposedKeys {
  async function report(text: string, path: string): Promise<void> {
    // From nowhere: the list of addresses says who may use a key, not who may lose one.
    const found = await deps.apiKeys.authenticate(text, { address: null });
    const keyId = 'key' in found ? found.key.id : found.keyId;
    if (keyId === undefined) {
      deps.audit.refuse('client_authentication', 'credential_in_url');
      return;
    }
    const accountId = 'key' in found ? found.key.accountId : null;
    await deps.audit.append({
      type: 'api-key.exposed',
      actor: { kind: 'client', id: keyId },
      outcome: 'denied',
      accountId,
      clientId: keyId,
      target: { kind: 'api-key', id: keyId },
      reason: 'credential_in_url',
      details: { path },
    });
  }

  return {
    mayHold: (address) => decoded(address).includes('gth_'),

    async in(address) {
      const plain = decoded(address);
      const path = (plain.split('?')[0] ?? '').replaceAll(LOOKS_LIKE_KEY, '[key]');
      const texts = new Set(plain.match(LOOKS_LIKE_KEY)?.filter((text) => apiKeyIdOf(text) !== undefined));
      for (const text of [...texts].slice(0, MOST_LOOKED_UP)) await report(text, path);
      return texts.size > 0;
    },
  };
}

/** All that a key is made of, however it is written; the rest is left as it is. */
function decoded(address: string): string {
  if (!address.includes('%')) return address;
  return address.replaceAll(/%[2-7][0-9a-f]/gi, (part) => decodeURIComponent(part));
}
