// POST /api/auth/token: a key in, a token out, in one request without OAuth. What the token endpoint says, in other words.
import type { ApiKeys, KnownKey } from '../api-keys/api-keys.ts';
import type { Apis } from '../apis/apis.ts';
import { compilePermissions } from '../lib/permission.ts';
import type { Oidc } from '../oidc/oidc.ts';
import { type PlainHandler, type PlainRequest, problemReply, type Reply } from '../platform/api/plain.ts';
import { type AppError, failure } from '../platform/errors.ts';
import { toAppError } from '../platform/http/errors.ts';
import { parsePart } from '../platform/http/input.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { type TokenAnswer, TokenWish } from './schema.ts';

export const TOKEN_PATH = '/api/auth/token';

export interface KeyAuthDeps {
  issuer: string;
  managementAudience: string;
  apiKeys: Pick<ApiKeys, 'authenticate' | 'effective'>;
  apis: Pick<Apis, 'list'>;
  oidc: Pick<Oidc, 'tokenForKey'>;
  log: Log;
}

/** Looked through for the one API that a key is for. */
const MOST_APIS = 200;

export function createTokenHandler(deps: KeyAuthDeps): PlainHandler {
  async function isFor(key: KnownKey, api: { audience: string; permissions: readonly { name: string }[] }) {
    const effective = await deps.apiKeys.effective(key, api.audience);
    if (effective === undefined || effective.apis?.includes(api.audience) === false) return false;
    const all = compilePermissions(api.permissions.map(({ name }) => name));
    return effective.permissions.intersect(all).texts.length > 0;
  }

  /** The only API at which the key may do anything; undefined when there are several, and the token endpoint says what then. */
  async function onlyApi(key: KnownKey): Promise<string | undefined> {
    const { items } = await deps.apis.list({ limit: MOST_APIS, cursor: null });
    const found: string[] = [];
    for (const api of items) if (await isFor(key, api)) found.push(api.audience);
    return found.length === 1 ? found[0] : undefined;
  }

  async function answer({ headers, method, body, address }: PlainRequest): Promise<TokenAnswer> {
    if (method !== 'POST') throw failure('method_not_allowed');
    const { 'x-api-key': key, 'user-agent': userAgent = null } = headers;
    if (key === undefined || headers.authorization !== undefined) throw failure('authentication_required');
    const wish = wishOf(headers['content-type'], body);
    // Looked up once more by the token endpoint, from memory, which counts and records it as every other use.
    const found = await deps.apiKeys.authenticate(String(key), { address });
    const resource = wish.audience ?? ('key' in found ? await onlyApi(found.key) : undefined);
    const { reply } = await deps.oidc.tokenForKey(
      String(key),
      { resource, scope: wish.scope },
      { address, userAgent },
    );
    const said: unknown = JSON.parse(reply.body ?? '{}');
    if (reply.status !== 200) throw refusalOf(reply, said);
    // `as`: the token response (RFC 6749 §5.1), which this server has just written.
    const { access_token, token_type, expires_in, scope } = said as Record<string, string> & {
      expires_in: number;
    };
    return {
      token: access_token ?? '',
      token_type: token_type ?? '',
      expires_in,
      permissions: scope ?? '',
    };
  }

  return async (request) => {
    try {
      const body = JSON.stringify(await answer(request));
      return { status: 200, headers: { 'Content-Type': 'application/json; charset=utf-8', ...unkept }, body };
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.status >= 500) deps.log.warn('A token for a key could not be made', { error: thrown });
      return problemReply(error, request.requestId, headersOf(error, deps.issuer));
    }
  };
}

const unkept = { 'Cache-Control': 'no-store' };

function headersOf({ code }: AppError, issuer: string): Record<string, string> {
  if (code === 'method_not_allowed') return { Allow: 'POST' };
  return code === 'authentication_required' ? { 'WWW-Authenticate': `ApiKey realm="${issuer}"` } : {};
}

/** No body is a wish for all that the key may. */
function wishOf(type: string | undefined, body: string): TokenWish {
  if (body === '') return {};
  if (!/^application\/json\s*(?:;|$)/i.test(type ?? '')) {
    throw failure('content_type_unsupported', { accepted: 'application/json' });
  }
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw failure('body_malformed', {}, cause);
  }
  return parsePart('body', TokenWish, value) as TokenWish; // what its schema has just parsed
}

function refusalOf(reply: Reply, said: unknown): AppError {
  if (reply.status === 401) return failure('authentication_required');
  if (reply.status === 429) {
    return failure('rate_limited', { retryAfterSeconds: Number(reply.headers['Retry-After'] ?? 1) });
  }
  // `as`: an error response (RFC 6749 §5.2), likewise.
  const { error, error_description: why = '' } = said as { error?: string; error_description?: string };
  return failure('request_invalid', { fields: { [error === 'invalid_scope' ? 'scope' : 'audience']: why } });
}
