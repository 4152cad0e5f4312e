// Answers of the protocol as the engine gives them: the same headers, the same bodies.
import type { Reply } from '../../platform/api/reply.ts';

/** An answer, and what the request log and the ledger's counts say of it. */
export interface Answered {
  readonly reply: Reply;
  /** Who asked, once that was proved. */
  readonly clientId?: string | undefined;
  readonly accountId?: string | null;
  /** The code that was refused with. */
  readonly outcome?: string | undefined;
}

// What the engine says to a request without an Origin (lib/shared/cors.js), which is all that is answered here.
const open = { Vary: 'Origin', 'Access-Control-Allow-Origin': '*' };
const headers = {
  ...open,
  'Content-Type': 'application/json; charset=utf-8',
  'Cache-Control': 'no-store',
  'Access-Control-Expose-Headers': 'DPoP-Nonce,WWW-Authenticate',
};
const aboutTokens = { ...headers, 'Access-Control-Expose-Headers': 'WWW-Authenticate' };

/** A token response (RFC 6749 §5.1). */
export function issued(body: string): Reply {
  return { status: 200, headers, body };
}

export function introspected(body: string): Reply {
  return { status: 200, headers: aboutTokens, body };
}

/** RFC 7009 §2.2: the status says it all. */
export const revoked: Reply = {
  status: 200,
  headers: { ...aboutTokens, 'Content-Type': 'text/plain; charset=utf-8' },
  body: '',
};

export interface Refusal {
  readonly status: 400 | 401 | 429;
  /** The code of OAuth. */
  readonly error: string;
  readonly description: string;
  /** Tells apart what has one code in OAuth. */
  readonly code?: string;
  readonly retryAfterSeconds?: number;
}

/** RFC 6749 §5.2: one answer for unknown, wrong, ended and disabled. */
export const clientRefused: Refusal = {
  status: 401,
  error: 'invalid_client',
  description: 'client authentication failed',
};

export const severalMethods: Refusal = {
  status: 400,
  error: 'invalid_request',
  description: 'client authentication must only be provided using one mechanism',
};

/** As the limits of addresses answer (platform/http/errors.ts). */
export function usedUp(whose: 'key' | 'client', retryAfterSeconds: number): Refusal {
  return {
    status: 429,
    error: 'temporarily_unavailable',
    description: `The limit of this ${whose} is used up for now.`,
    code: 'rate_limited',
    retryAfterSeconds,
  };
}

export function refusal(refused: Refusal, more: { realm?: string | undefined } = {}): Reply {
  const { status, error, description, code, retryAfterSeconds } = refused;
  const body = JSON.stringify({ error, error_description: description, code });
  const extra: Record<string, string> = {};
  if (retryAfterSeconds !== undefined) extra['Retry-After'] = String(Math.ceil(retryAfterSeconds));
  if (status === 401 && more.realm !== undefined) {
    extra['WWW-Authenticate'] =
      `Basic realm="${more.realm}", error="${error}", error_description="${description}"`;
  }
  return { status, headers: { ...headers, ...extra }, body };
}
