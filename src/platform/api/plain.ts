// Answers that are made without Koa: a plain function from request to reply, for what is asked thousands of times a second.
import type { IncomingHttpHeaders } from 'node:http';
import type { Context, Middleware } from 'koa';
import { normalizeAddress } from '../../lib/ip.ts';
import type { AppError } from '../errors.ts';
import { problemBody } from '../http/errors.ts';
import { readText } from '../http/input.ts';
import { requestOf } from '../http/request-id.ts';
import type { Site } from '../http/site.ts';
import type { Reply } from './reply.ts';
import type { Caller } from './route.ts';

export type { Reply } from './reply.ts';

export interface PlainRequest {
  readonly method: string;
  /** Below the issuer's path, as it was sent. */
  readonly path: string;
  /** What follows the question mark. */
  readonly query: string;
  /** X-Forwarded-For, -Proto and -Host are what this server made of them. */
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Where it comes from, as far as TRUSTED_PROXIES may say. */
  readonly address: string | null;
  /** Who is at the other end of the connection. */
  readonly peer: string | null;
  /** X-Forwarded-For as it was sent. */
  readonly forwardedFor: () => string | null;
  readonly requestId: string;
  /** For the request log. */
  noteCaller(caller: Caller): void;
}

/** Answers everything, failures as well. */
export type PlainHandler = (request: PlainRequest) => Promise<Reply>;

/** Problem JSON (RFC 9457), as everywhere in the API. */
export function problemReply(
  error: AppError,
  requestId: string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  const retryAfter = error.details.retryAfterSeconds ?? (error.status === 503 ? 5 : undefined);
  return {
    status: error.status,
    headers: {
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Cache-Control': 'no-store',
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfter)) }),
      ...headers,
    },
    body: JSON.stringify(problemBody(error, requestId)),
  };
}

/** Hands over requests at the path and below it, whatever their method; bodies are read where a limit is given. */
export function plainMiddleware(
  site: Site,
  path: string,
  handler: PlainHandler,
  { bodyLimitBytes }: { bodyLimitBytes?: number } = {},
): Middleware {
  const full = `${site.basePath}${path}`;
  return async (ctx, next) => {
    if (ctx.path !== full && !ctx.path.startsWith(`${full}/`)) return next();
    const body = bodyLimitBytes === undefined ? '' : await readText(ctx, bodyLimitBytes);
    await answer(ctx, site, path, body, handler);
  };
}

/** Hands over POSTs of plain JSON. Whatever is out of the ordinary goes on to the route at the same path, and its answers. */
export function plainPost(
  site: Site,
  path: string,
  handler: PlainHandler,
  { bodyLimitBytes }: { bodyLimitBytes: number },
): Middleware {
  const full = `${site.basePath}${path}`;
  return async (ctx, next) => {
    if (ctx.path !== full || !isOrdinary(ctx, bodyLimitBytes)) return next();
    await answer(ctx, site, path, await readText(ctx, bodyLimitBytes), handler);
  };
}

function isOrdinary({ req, method, querystring }: Context, limitBytes: number): boolean {
  const { headers } = req;
  return (
    method === 'POST' &&
    querystring === '' &&
    headers['content-type'] === 'application/json' &&
    headers['content-encoding'] === undefined &&
    headers['idempotency-key'] === undefined &&
    Number(headers['content-length'] ?? 0) <= limitBytes
  );
}

async function answer(
  ctx: Context,
  site: Site,
  route: string,
  body: string,
  handler: PlainHandler,
): Promise<void> {
  const { req, res } = ctx;
  const facts = requestOf(ctx);
  facts.route = route;
  const reply = await handler({
    method: ctx.method,
    path: ctx.path.slice(site.basePath.length),
    query: ctx.querystring,
    headers: req.headers,
    body,
    address: facts.address,
    peer: normalizeAddress(req.socket.remoteAddress ?? '') ?? null,
    // The headers themselves were overwritten when the request came in; this is read from what arrived.
    forwardedFor: () => req.headersDistinct['x-forwarded-for']?.join(',') ?? null,
    requestId: facts.id,
    noteCaller(caller) {
      facts.clientId = caller.clientId;
      if (caller.kind === 'account') facts.accountId = caller.id;
    },
  });
  for (const [name, value] of Object.entries(reply.headers)) res.setHeader(name, value);
  ctx.body = reply.body ?? '';
  ctx.status = reply.status;
}
