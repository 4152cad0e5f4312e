// Opaque tokens, API keys, and whatever is counted: asked of the server's verify endpoint, and remembered for a moment.
import { audienceWrong, type Found, tokenExpired, tokenInvalid, unavailable } from './jwt.ts';
import type { Question } from './needs.ts';
import type { Why } from './refusals.ts';
import type { GuardRequest, Identity } from './schema.ts';

export interface RemoteSettings {
  /** The verify endpoint of the server. */
  readonly url: string;
  readonly audience: string;
  /** The credential of this API itself: a key or token that holds `api-keys:verify`. */
  readonly headers: () => Record<string, string> | Promise<Record<string, string>>;
  /** How long a good answer is believed; a revoked key works here for so long at most. */
  readonly cacheSeconds: number;
  readonly fetch: typeof fetch;
  readonly onTrouble: (trouble: Error) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

/** A key or token, and where in the request it stood. */
export interface Credential {
  readonly text: string;
  readonly isKey: boolean;
}

export type AskServer = (
  credential: Credential,
  request: GuardRequest,
  question: Question,
) => Promise<Found | Why>;

const MOST_REMEMBERED = 10_000;
const TIMEOUT_MILLISECONDS = 5_000;

export function createRemote(settings: RemoteSettings): AskServer {
  const remembered = new Map<string, { found: Found; at: number; end: number }>();
  const underWay = new Map<string, Promise<Answer>>();
  const cacheMilliseconds = settings.cacheSeconds * 1000;

  function recall(key: string): Found | undefined {
    const known = remembered.get(key);
    if (known === undefined) return undefined;
    const now = settings.now();
    // A clock that was set back makes nothing young again.
    if (Math.abs(now - known.at) < cacheMilliseconds && now < known.end) return known.found;
    remembered.delete(key);
    return undefined;
  }

  function remember(key: string, answer: Answer): void {
    if (!('found' in answer) || !answer.mayRemember || cacheMilliseconds <= 0) return;
    if (remembered.size >= MOST_REMEMBERED) {
      const oldest = remembered.keys().next();
      if (!oldest.done) remembered.delete(oldest.value);
    }
    const { found } = answer;
    const end = (found.identity.expiresAtSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    remembered.set(key, { found, at: settings.now(), end });
  }

  /** Many requests at once with one credential make one question. */
  async function askOnce(key: string, question: object, isKey: boolean): Promise<Answer> {
    const running = underWay.get(key);
    if (running !== undefined) {
      const answer = await running;
      // What was counted was one request, and this is another one.
      return 'found' in answer && !answer.mayRemember ? ask(settings, question, isKey) : answer;
    }
    const asking = ask(settings, question, isKey).finally(() => underWay.delete(key));
    underWay.set(key, asking);
    const answer = await asking;
    remember(key, answer);
    return answer;
  }

  return async (credential, request, wanted) => {
    const question = questionOf(credential, request, wanted, settings.audience);
    // What uses something up is asked each time.
    if (wanted.meters !== undefined) return resultOf(await ask(settings, question, credential.isKey));
    const key = await hashOf(JSON.stringify(question));
    return recall(key) ?? resultOf(await askOnce(key, question, credential.isKey));
  };
}

function resultOf(answer: Answer): Found | Why {
  return 'found' in answer ? answer.found : answer.why;
}

function questionOf({ text }: Credential, request: GuardRequest, wanted: Question, audience: string) {
  const { address, method, url } = request;
  const path = pathOf(url);
  return {
    credential: text,
    api: audience,
    checksProof: true,
    ...wanted,
    request: {
      method,
      ...(path === undefined ? {} : { path }),
      ...(address === undefined ? {} : { address }),
    },
  };
}

/** With its query only where a key stands in it, which the server then notes: any other would be one more question each. */
function pathOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { pathname, search } = new URL(url);
  return keyInAddress(search) === undefined ? pathname : `${pathname}${search}`;
}

/** Addresses are written to logs by every program that they pass. */
export function keyInAddress(url: string): string | undefined {
  return /gth_\w+/.exec(url)?.[0];
}

interface Good {
  readonly found: Found;
  readonly mayRemember: boolean;
}

type Answer = Good | { readonly why: Why };

async function ask(settings: RemoteSettings, question: object, isKey: boolean): Promise<Answer> {
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
    if (!response.ok) {
      await response.body?.cancel();
      if (response.status === 400) return { why: unaskable };
      throw new Error(sentenceOf(response.status));
    }
    body = (await response.json()) as typeof body;
    if (typeof body?.active !== 'boolean') throw new Error('the answer is not that of a verify endpoint');
  } catch (cause) {
    settings.onTrouble(new Error('the server cannot be asked about a credential', { cause }));
    return { why: unavailable };
  }
  return body.active ? admitted(body) : { why: whyOf(body, isKey) };
}

/** The caller can do nothing about it: to him it is an outage. */
function sentenceOf(status: number): string {
  if (status === 401) return 'the credential in the settings of the guard is not accepted (401)';
  if (status === 403) return 'the credential in the settings of the guard lacks api-keys:verify (403)';
  return `the server answered ${status}`;
}

/** A part of the request that became part of the question, such as an id in a permission, has a form that nothing has. */
const unaskable: Why = {
  status: 400,
  code: 'request_invalid',
  detail: 'Something in this request has a form that cannot be checked.',
};

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
  constraint?: string;
  retryAfterSeconds?: number;
  limits: Limit[];
  budgets: { meter: string; window: string; usage: number; limit: number | null; resetAt: string | null }[];
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

function whyOf(answer: InactiveAnswer, isKey: boolean): Why {
  const { code, reason, status, permission, constraint, retryAfterSeconds, limits, budgets } = answer;
  const [budget] = budgets;
  const { budgetId: _, ...exceeded } = { budgetId: '', ...budget };
  return {
    status,
    code,
    detail: reason,
    ...(permission === undefined
      ? {}
      : { error: 'insufficient_scope', needs: { permissions: [permission] } }),
    members: {
      ...(permission === undefined ? {} : { permission }),
      ...(constraint === undefined ? {} : { constraint }),
      ...(budget === undefined ? {} : exceeded),
    },
    headers: {
      ...(retryAfterSeconds === undefined ? {} : { 'Retry-After': String(retryAfterSeconds) }),
      ...limitHeaders(limits),
    },
    ...(isKey ? ofBadKey(answer) : ofBadToken(answer)),
  };
}

/** Whoever has the key may be a stranger: what is wrong with it is for the log of the API and the ledger of the server. */
function ofBadKey({ code, status }: InactiveAnswer): Partial<Why> {
  if (status !== 401) return {};
  return {
    code: 'key_invalid',
    detail: 'The API key is not valid here.',
    error: 'invalid_token',
    reason: code,
  };
}

/** In the words for tokens that are verified here. */
function ofBadToken({ code, status }: InactiveAnswer): Partial<Why> {
  if (code === 'api_not_allowed') return { ...audienceWrong, reason: code };
  if (status !== 401) return {};
  return { ...(code === 'credential_expired' ? tokenExpired : tokenInvalid), reason: code };
}

const WINDOW_SECONDS: Readonly<Record<string, number>> = { second: 1, minute: 60, hour: 3600 };

/** draft-ietf-httpapi-ratelimit-headers, as the server itself names them: the key's own first. */
function limitHeaders(limits: readonly Limit[]): Record<string, string> {
  if (limits.length === 0) return {};
  const of = (render: (limit: Limit) => string) =>
    limits.map((limit, index) => `"${index + 1}-${limit.window}";${render(limit)}`).join(', ');
  return {
    RateLimit: of(({ remaining, resetSeconds }) => `r=${remaining};t=${resetSeconds}`),
    'RateLimit-Policy': of(({ window, limit }) => `q=${limit};w=${WINDOW_SECONDS[window] ?? 0}`),
  };
}

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return String.fromCharCode(...new Uint8Array(hash));
}
