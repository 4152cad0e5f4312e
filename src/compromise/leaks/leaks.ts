// Strings that somebody found in public: which of them are keys of ours, and the end of those that are.
import { hash } from 'node:crypto';
import { type ApiKeys, asOperator } from '../../api-keys/api-keys.ts';
import type { Audit } from '../../audit/audit.ts';
import { API_KEY_PATTERN } from '../../lib/api-key-format.ts';
import { endFamily, familyFrom } from '../family.ts';

export interface FoundString {
  readonly token: string;
  readonly type: string;
  readonly url?: string | undefined;
  readonly source?: string | undefined;
}

export interface Leaks {
  /** Whether it is, or was, a key of ours. Said again, nothing happens twice. */
  take(found: FoundString, reporterKeyId: string): Promise<boolean>;
}

const REASON = 'leaked';
const MOST_REMEMBERED = 100;
const WITHIN = new RegExp(API_KEY_PATTERN.source.slice(1, -1), 'g');

export function createLeaks(deps: {
  apiKeys: Pick<ApiKeys, 'authenticate' | 'familyOf' | 'revoke'>;
  audit: Pick<Audit, 'append' | 'list'>;
  onReport: 'revoke' | 'record';
}): Leaks {
  const { apiKeys, audit } = deps;
  const as = asOperator({ kind: 'system', id: null });

  async function isKnown(keyId: string, where: string): Promise<boolean> {
    const search = { type: 'api-key.leak-reported', targetKind: 'api-key', targetId: keyId };
    const { items } = await audit.list(search, { limit: MOST_REMEMBERED, cursor: null });
    return items.some(({ details }) => details.where === where);
  }

  return {
    async take({ token, type, url = '', source = 'unknown' }, reporterKeyId) {
      // From nowhere: the list of addresses says who may use a key, not who may lose one.
      const found = await apiKeys.authenticate(token, { address: null });
      const keyId = 'key' in found ? found.key.id : found.keyId;
      // The id is told only where the whole string was right: a string that merely looks like a key is none.
      if (keyId === undefined) return false;
      const family = await familyFrom(apiKeys, keyId, as);
      const revoked = deps.onReport === 'revoke' ? await endFamily(apiKeys, family, REASON, as) : [];
      const place = withoutKeys(url, token);
      // A digest, for the address itself may be shortened when it is written.
      const where = hash('sha256', `${source} ${place}`, 'hex').slice(0, 32);
      if (revoked.length === 0 && (await isKnown(keyId, where))) return true;
      await audit.append({
        type: 'api-key.leak-reported',
        actor: as.by,
        outcome: 'success',
        accountId: family.key.accountId,
        target: { kind: 'api-key', id: keyId },
        reason: REASON,
        details: {
          url: place,
          source: withoutKeys(source, token),
          stringType: withoutKeys(type, token),
          where,
          reporterKeyId,
          revoked: revoked.length,
        },
      });
      return true;
    },
  };
}

/** The address where it stood may itself have it. */
function withoutKeys(text: string, token: string): string {
  return text.replaceAll(token, '[key]').replaceAll(WITHIN, '[key]').slice(0, 2000);
}
