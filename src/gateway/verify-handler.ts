// POST /api/v1/verify without Koa: caller, limit, question, answer. The steps and refusals are those of the route's pipeline.
import type { IncomingHttpHeaders } from 'node:http';
import { addressPrefix } from '../lib/ip.ts';
import { type PlainHandler, type PlainRequest, problemReply, type Reply } from '../platform/api/plain.ts';
import type { Caller } from '../platform/api/route.ts';
import { type AppError, failure } from '../platform/errors.ts';
import { toAppError } from '../platform/http/errors.ts';
import { jsonOf, parsePart, strictly } from '../platform/http/input.ts';
import type { Limits, LimitVerdict } from '../platform/limits/rate-limit.ts';
import { createRecognised } from '../platform/limits/recognised.ts';
import type { Log } from '../platform/telemetry/log.ts';
import { VerifyBody, type VerifyView } from './schema.ts';

export const VERIFY_PERMISSION = 'api-keys:verify';

export interface VerifyHandlerDeps {
  issuer: string;
  limits: Limits;
  log: Log;
  authenticate(headers: IncomingHttpHeaders): Promise<Caller | undefined>;
  verify(body: VerifyBody, caller: Caller): Promise<VerifyView>;
  noteRefusal(refusal: AppError, caller: Caller | undefined): void | Promise<void>;
}

type Headers = Record<string, string>;

const question = strictly(VerifyBody);

export function createVerifyHandler(deps: VerifyHandlerDeps): PlainHandler {
  const recognised = createRecognised();

  async function callerOf({ headers, address }: PlainRequest): Promise<Caller | undefined> {
    const { authorization, 'x-api-key': key } = headers;
    if (key === undefined && authorization === undefined) return undefined;
    const credential = `${key ?? ''} ${authorization ?? ''}`;
    const isKnown = recognised.has(credential);
    if (!isKnown) await take('api-credential', addressKey(address), {});
    const caller = await deps.authenticate(headers);
    if (caller === undefined) recognised.forget(credential);
    else if (!isKnown) recognised.add(credential);
    return caller;
  }

  async function take(name: 'verify' | 'api-credential', key: string, headers: Headers): Promise<void> {
    const verdict = await deps.limits.take(name, key);
    if (verdict === undefined) return;
    Object.assign(headers, limitHeaders(name, verdict));
    if (!verdict.allowed) throw failure('rate_limited', { retryAfterSeconds: verdict.resetSeconds });
  }

  function refusalOf(caller: Caller | undefined, headers: Headers): AppError | undefined {
    if (caller?.permissions.includes(VERIFY_PERMISSION)) return undefined;
    const rest = caller === undefined ? '' : `, error="insufficient_scope", scope="${VERIFY_PERMISSION}"`;
    headers['WWW-Authenticate'] = `Bearer realm="${deps.issuer}"${rest}`;
    if (caller === undefined) return failure('authentication_required');
    return failure('permission_denied', { permission: VERIFY_PERMISSION });
  }

  async function answer(request: PlainRequest, headers: Headers): Promise<Reply> {
    const caller = await callerOf(request);
    if (caller !== undefined) request.noteCaller(caller);
    const refusal = refusalOf(caller, headers);
    await take('verify', caller === undefined ? addressKey(request.address) : `caller:${caller.id}`, headers);
    if (caller === undefined || refusal !== undefined) {
      const refused = refusal ?? failure('authentication_required');
      await deps.noteRefusal(refused, caller);
      throw refused;
    }
    const asked = parsePart('body', question, jsonOf(request.body));
    // `as`: what its schema has just parsed.
    const view = await deps.verify(asked as VerifyBody, caller);
    return { status: 200, headers, body: JSON.stringify(view) };
  }

  return async (request) => {
    const headers: Headers = {
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': 'no-store',
    };
    try {
      return await answer(request, headers);
    } catch (thrown) {
      const error = toAppError(thrown);
      if (error.status >= 500) deps.log.warn('A question about a credential failed', { error: thrown });
      const { 'Content-Type': _, ...kept } = headers;
      return problemReply(error, request.requestId, kept);
    }
  };
}

function addressKey(address: string | null): string {
  return `address:${address === null ? 'unknown' : addressPrefix(address)}`;
}

function limitHeaders(
  name: string,
  { limit, windowSeconds, remaining, resetSeconds }: LimitVerdict,
): Headers {
  return {
    'RateLimit-Policy': `"${name}";q=${limit};w=${windowSeconds}`,
    RateLimit: `"${name}";r=${remaining};t=${resetSeconds}`,
  };
}
