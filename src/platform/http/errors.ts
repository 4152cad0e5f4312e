// The one place that turns any error into an answer: problem+json, OAuth JSON or a page, by area and Accept.
import type Koa from 'koa';
import type { Context, Middleware } from 'koa';
import { isDatabaseUnavailable } from '../database/postgres.ts';
import { AppError, failure } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { isCleanPath } from './input.ts';
import { requestOf } from './request-id.ts';
import type { Site } from './site.ts';

/** Who reads the answer: programs of the API, OAuth clients, those who want a plain sentence, or people (or their JSON). */
export type Area = 'api' | 'protocol' | 'sentence' | 'people';

export interface ErrorDeps {
  log: Log;
  /** Called with the path as sent, base path included. */
  areaOf(path: string): Area;
  /** Renders the error page; when it throws, a plain page without any template is sent. */
  renderErrorPage(ctx: Context, error: AppError): void;
}

/** Everything under /api is the API, the given endpoints speak OAuth or in sentences, the rest is for people. */
export function areasOf(
  site: Site,
  protocolPaths: readonly string[],
  sentenceRoot?: string,
): (path: string) => Area {
  const protocol = new Set(protocolPaths.map((path) => `${site.basePath}${path}`));
  const api = `${site.basePath}/api/`;
  const sentences = sentenceRoot === undefined ? undefined : `${site.basePath}${sentenceRoot}`;
  return (path) => {
    if (path.startsWith(api)) return 'api';
    if (protocol.has(path)) return 'protocol';
    return sentences !== undefined && path.startsWith(sentences) ? 'sentence' : 'people';
  };
}

/** Stands right inside securityHeaders; everything below may throw. Also answers what nobody answered: 404. */
export function renderErrors(deps: ErrorDeps): Middleware {
  return async (ctx, next) => {
    try {
      if (!isCleanPath(ctx.path)) throw failure('request_invalid');
      await next();
      if (ctx.status === 404 && ctx.body == null && ctx.respond !== false && !ctx.headerSent) {
        throw failure('not_found');
      }
    } catch (error) {
      sendError(ctx, error, deps);
    }
  };
}

/** Errors that surface after our middleware (a broken stream, a vanished client) never reach Koa's own text. */
export function takeOverKoaErrors(app: Koa, deps: ErrorDeps): void {
  app.on('error', (error: unknown) => deps.log.warn('The answer broke off', { error }));
  app.context.onerror = function onerror(this: Context, error: unknown) {
    if (error === null || error === undefined) return;
    if (this.headerSent || !this.writable) {
      deps.log.debug('The connection ended before the answer', { error });
      this.res.destroy();
      return;
    }
    sendError(this, error, deps);
    this.res.statusCode = this.status;
    this.res.end(typeof this.body === 'string' ? this.body : '');
  };
}

export function sendError(ctx: Context, thrown: unknown, deps: ErrorDeps): void {
  const error = toAppError(thrown);
  requestOf(ctx).outcome = error.code;
  record(ctx, error, thrown, deps.log);
  if (ctx.headerSent) {
    ctx.res.destroy();
    return;
  }
  for (const name of LEFTOVERS) ctx.res.removeHeader(name);
  ctx.body = null;
  ctx.status = error.status;
  ctx.res.setHeader('Cache-Control', 'no-store');
  const retryAfter = error.details.retryAfterSeconds ?? (error.status === 503 ? 5 : undefined);
  if (retryAfter !== undefined) ctx.res.setHeader('Retry-After', String(Math.ceil(retryAfter)));
  answerIn(ctx, error, deps);
}

/** What a half-made answer may have left behind. */
const LEFTOVERS = ['Content-Type', 'Content-Length', 'Content-Encoding', 'ETag', 'Last-Modified', 'Location'];

function answerIn(ctx: Context, error: AppError, deps: ErrorDeps): void {
  const area = deps.areaOf(safePath(ctx));
  const requestId = requestOf(ctx).id;
  const wantsPage = area === 'people' && ctx.accepts('html', 'json', 'application/problem+json') === 'html';
  if (wantsPage) sendPage(ctx, error, deps);
  else if (area === 'sentence') sendSentence(ctx, error);
  else if (area === 'protocol') sendJson(ctx, 'application/json', oauthBody(error, requestId));
  else sendJson(ctx, 'application/problem+json', problemBody(error, requestId));
}

function sendPage(ctx: Context, error: AppError, deps: ErrorDeps): void {
  try {
    deps.renderErrorPage(ctx, error);
    ctx.status = error.status;
  } catch (cause) {
    deps.log.error('The error page could not be rendered', { error: cause });
    ctx.type = 'html';
    ctx.body = barePage(error, requestOf(ctx).id);
  }
}

/** RFC 9457. `title` is fixed by the code, `detail` speaks of this occurrence. */
export function problemBody(error: AppError, requestId: string): Record<string, unknown> {
  const { fields, ...details } = error.details;
  const detail =
    fields === undefined ? undefined : Object.entries(fields).map(([name, why]) => `${name}: ${why}`);
  return {
    ...details,
    type: `urn:gatehouse:error:${error.code}`,
    title: error.message,
    status: error.status,
    code: error.code,
    ...(detail === undefined ? {} : { detail: detail.join(' '), fields }),
    requestId,
  };
}

/** RFC 6749 §5.2 shape; what the engine refuses itself never comes here. */
export function oauthBody(error: AppError, requestId: string): Record<string, unknown> {
  const busy = error.status === 503 || error.status === 429;
  const code =
    error.status < 500 && !busy ? 'invalid_request' : busy ? 'temporarily_unavailable' : 'server_error';
  return { error: code, error_description: error.message, code: error.code, request_id: requestId };
}

export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (isDatabaseUnavailable(thrown)) return failure('database_unavailable', { retryAfterSeconds: 5 }, thrown);
  switch (exposedStatus(thrown)) {
    case undefined:
      return failure('internal_error', {}, thrown);
    case 404:
      return failure('not_found', {}, thrown);
    case 405:
      return failure('method_not_allowed', {}, thrown);
    case 413:
      return failure('body_too_large', {}, thrown);
    case 415:
      return failure('content_type_unsupported', {}, thrown);
    default:
      return failure('request_invalid', {}, thrown);
  }
}

/** 4xx errors of Koa and its neighbours (http-errors), and the URL parser's refusals. */
function exposedStatus(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { status, expose, code } = thrown as Error & { status?: unknown; expose?: unknown; code?: unknown };
  if (code === 'ERR_INVALID_URL') return 400;
  return expose === true && typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}

function record(ctx: Context, error: AppError, thrown: unknown, log: Log): void {
  // Not named `code`: a field of that name is masked, since in this server it is a credential.
  const fields = { problem: error.code, status: error.status, method: ctx.method, path: safePath(ctx) };
  // That PostgreSQL is away is said once, and not again by every request.
  if (error.status < 500 || error.code === 'database_unavailable') log.debug('Request refused', fields);
  else if (error.status === 503) log.warn('Request could not be served', { ...fields, error: thrown });
  else log.error('Request failed', { ...fields, error: thrown });
}

function safePath(ctx: Context): string {
  try {
    return ctx.path ?? '/';
  } catch {
    return '/';
  }
}

/** AuthZEN 1.0 §Error Responses: an error message string, and 400 for whatever is wrong with the request itself. */
function sendSentence(ctx: Context, error: AppError): void {
  const { fields = {} } = error.details;
  const details = Object.entries(fields).map(([name, why]) => `${name}: ${why}`);
  if (error.status === 415) ctx.status = 400;
  ctx.type = 'text/plain; charset=utf-8';
  ctx.body = [error.message, ...details].join(' ');
}

function sendJson(ctx: Context, type: string, body: Record<string, unknown>): void {
  ctx.type = type;
  ctx.body = JSON.stringify(body);
}

/** The last resort: no template, no catalogue, nothing that can fail. Sentences are ours and hold no markup. */
function barePage(error: AppError, requestId: string): string {
  return (
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${error.status}</title>` +
    `<p>${error.message}</p><p>${requestId.replace(/[^\w.:+=/-]/g, '')}</p></html>`
  );
}
