// What was refused, for the ledger: one event a minute for each key and reason, and bare counts of what nobody knows.
import type { Audit } from '../audit/audit.ts';
import type { UsageKind } from '../usage/usage.ts';
import type { ErrorCode } from '../vocabulary/errors.ts';

export interface RefusedUse {
  readonly code: ErrorCode;
  readonly keyId: string | null;
  readonly tokenId: string | null;
  readonly clientId: string | null;
  readonly accountId: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Refusals {
  note(use: RefusedUse, kind: UsageKind): Promise<void>;
}

interface Noted {
  readonly until: number;
  /** Refused since, without an event of its own. */
  more: number;
}

const QUIET_MILLISECONDS = 60_000;
const MOST_NOTED = 10_000;

export function createRefusals({ audit }: { audit: Pick<Audit, 'append' | 'refuse'> }): Refusals {
  let noted = new Map<string, Noted>();

  /** How many there were since the last event; undefined while it is too early for another one. */
  function due(key: string): number | undefined {
    const now = performance.now();
    const last = noted.get(key);
    if (last !== undefined && now < last.until) {
      last.more += 1;
      return undefined;
    }
    if (noted.size >= MOST_NOTED) noted = new Map();
    noted.set(key, { until: now + QUIET_MILLISECONDS, more: 0 });
    return last?.more ?? 0;
  }

  return {
    async note({ code, keyId, tokenId, clientId, accountId, details }, kind) {
      const whose = keyId ?? clientId;
      if (whose === null) {
        audit.refuse(kind === 'forward-auth' ? 'forward_auth' : 'verify', code);
        return;
      }
      const more = due(`${whose} ${code}`);
      if (more === undefined) return;
      await audit.append({
        type: code === 'credential_in_url' ? 'api-key.exposed' : 'credential.refused',
        actor: accountId === null ? { kind: 'client', id: whose } : { kind: 'account', id: accountId },
        outcome: 'denied',
        accountId,
        clientId: clientId ?? keyId,
        target: keyId === null ? null : { kind: 'api-key', id: keyId },
        reason: code,
        details: { ...details, ...(tokenId === null ? {} : { tokenId }), ...(more === 0 ? {} : { more }) },
      });
    },
  };
}
