// Opaque tokens and API keys: asked of the server's verify endpoint, and remembered for a moment.
import { type Found, unavailable } from './jwt.ts';
import type { Why } from './refusals.ts';
import type { GuardRequest, Identity, Needs } from './schema.ts';

export interface RemoteSettings {
  /** The verify endpoint of the server. */
  readonly url: string;
  readonly audience: string;
  /** The credential of this API itself: a key or token that holds `api-keys:verify`. */
  readonly headers: () => Record<string, string> | Promise<Record<string, string>>;
  /** How long a good answer is believed; a revoked key works here for so long at most. */
  readonly cacheSeconds: number;
  readonly fetch: typeof fetch;
  /** Milliseconds. */
  readonly now: () => number;
}

export type AskServer = (credential: string, request: GuardRequest, needs: Needs) => Promise<Found | Why>;

const MOST_REMEMBERED = 10_000;
const TIMEOUT_MILLISECONDS = 5_000;

export function createRemote(settings: RemoteSettings): AskServer {
  const remembered = new Map<string, { found: Found; until: number }>();
  const underWay = new Map<string, Promise<Answer>>();

  function remember(key: string, { found, mayRemember }: Good): void {
    if (!mayRemember || settings.cacheSeconds <= 0) return;
    if (remembered.size >= MOST_REMEMBERED) {
      const oldest = remembered.keys().next();
      if (!oldest.done) remembered.delete(oldest.value);
    }
    const until = settings.now() + settings.cacheSeconds * 1000;
    const end = (found.identity.expiresAtSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    remembered.set(key, { found, until: Math.min(until, end) });
  }

  async function askOnce(key: string, question: object): Promise<Found | Why> {
    const asking = underWay.get(key) ?? ask(settings, question).finally(() => underWay.delete(key));
    underWay.set(key, asking);
    const answer = await asking;
    if (!('found' in answer)) return answer.why;
    remember(key, answer);
    return answer.found;
  }

  return async (credential, request, needs) => {
    const question = questionOf(credential, request, needs, settings.audience);
    // What uses something up is asked each time, and never for two requests at once.
    if (needs.meters !== undefined) {
      const answer = await ask(settings, question);
      return 'found' in answer ? answer.found : answer.why;
    }
    const key = await hashOf(JSON.stringify(question));
    const known = remembered.get(key);
    if (known !== undefined && settings.now() < known.until) return known.found;
    remembered.delete(key);
    return askOnce(key, question);
  };
}

function questionOf(credential: string, request: GuardRequest, needs: Needs, audience: string) {
  const { permissions, constraints, meters } = needs;
  return {
    credential,
    api: audience,
    checksProof: true,
    ...(permissions === undefined ? {} : { permissions }),
    ...(constraints === undefined ? {} : { constraints }),
    ...(meters === undefined ? {} : { meters }),
    ...(request.address === undefined ? {} : { request: { address: request.address } }),
  };
}

interface Good {
  readonly found: Found;
  readonly mayRemember: boolean;
}

type Answer = Good | { readonly why: Why };

async function ask(settings: RemoteSettings, question: object): Promise<Answer> {
  // The shape of VerifyAnswer in the server's API document.
  let body: ActiveAnswer | InactiveAnswer | undefined;
  try {
    const response = await settings.fetch(settings.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(await settings.headers()) },
      body: JSON.stringify(question),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
    });
    // 401 and 403 speak of this API's own credential: the caller can do nothing about it.
    if (!response.ok) return { why: unavailable };
    body = (await response.json()) as typeof body;
  } catch {
    return { why: unavailable };
  }
  if (typeof body?.active !== 'boolean') return { why: unavailable };
  return body.active ? admitted(body) : { why: whyOf(body) };
}

interface ActiveAnswer {
  active: true;
  kind: 'key' | 'token';
  subject: string;
  clientId: string;
  keyId: string | null;
  organizationId: string | null;
  scope: string;
  roles: string[];
  claims: Record<string, unknown>;
  boundTo: string | null;
  expiresAt: string | null;
  reservationId: string | null;
  limits: Limit[];
  budgets: unknown[];
}

interface Limit {
  limit: number;
  window: string;
  remaining: number;
  resetSeconds: number;
}

interface InactiveAnswer {
  active: false;
  code: string;
  reason: string;
  status: number;
  permission?: string;
  retryAfterSeconds?: number;
  limits: Limit[];
  budgets: unknown[];
}

function admitted(answer: ActiveAnswer): Answer {
  const identity: Identity = {
    kind: answer.kind,
    subject: answer.subject,
    clientId: answer.clientId,
    organizationId: answer.organizationId,
    scope: answer.scope === '' ? [] : answer.scope.split(' '),
    roles: answer.roles,
    claims: answer.claims,
    expiresAtSeconds: answer.expiresAt === null ? null : Date.parse(answer.expiresAt) / 1000,
    keyId: answer.keyId,
    reservationId: answer.reservationId,
  };
  // What is counted there must be counted each time.
  const mayRemember = answer.limits.length === 0 && answer.budgets.length === 0;
  return { found: { identity, boundTo: answer.boundTo }, mayRemember };
}

function whyOf({ code, reason, status, permission, retryAfterSeconds, limits }: InactiveAnswer): Why {
  const error =
    status === 401 ? 'invalid_token' : permission === undefined ? undefined : 'insufficient_scope';
  return {
    status,
    code,
    detail: reason,
    ...(error === undefined ? {} : { error }),
    ...(permission === undefined ? {} : { needs: { permissions: [permission] } }),
    headers: {
      ...(retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }),
      ...limitHeaders(limits),
    },
  };
}

const WINDOW_SECONDS: Readonly<Record<string, number>> = { second: 1, minute: 60, hour: 3600 };

/** The RateLimit fields of the IETF draft (draft-ietf-httpapi-ratelimit-headers). */
function limitHeaders(limits: readonly Limit[]): Record<string, string> {
  if (limits.length === 0) return {};
  const of = (render: (limit: Limit) => string) => limits.map(render).join(', ');
  return {
    RateLimit: of(({ window, remaining, resetSeconds }) => `"${window}";r=${remaining};t=${resetSeconds}`),
    'RateLimit-Policy': of(({ window, limit }) => `"${window}";q=${limit};w=${WINDOW_SECONDS[window] ?? 0}`),
  };
}

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return String.fromCharCode(...new Uint8Array(hash));
}
