// The outermost step: gives each request its id and address, and runs everything inside that origin.
import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { withOrigin } from '../origin.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { redactText } from '../telemetry/redact.ts';
import type { RequestLog } from '../telemetry/request-log.ts';
import { createTimings, type Timings } from '../telemetry/timings.ts';
import type { Trace, Tracing } from '../telemetry/tracing.ts';
import { createClientAddress, createPeerTrust } from './client-ip.ts';
import type { Site } from './site.ts';

export interface RequestFacts {
  readonly id: string;
  readonly address: string | null;
  readonly startedAt: number;
  /** The pattern of the route that answered, for metrics: never the path itself, which anybody can vary. */
  route: string | undefined;
  /** Where a person may go from an error page; a path of this site. */
  backTo: string | undefined;
  nonce: string | undefined;
  /** Who asks, once that is known: for the request log. */
  clientId: string | null;
  accountId: string | null;
  /** The code that the answer refuses with, a fixed word. */
  outcome: string | undefined;
  readonly timings: Timings;
  readonly trace: Trace | undefined;
  /** The id that somebody sent who is not believed. */
  readonly callerRequestId: string | null;
}

// Kept on Node's request, because the engine makes its own Koa context for the same request.
const FACTS = Symbol('request facts');
type Carrier = IncomingMessage & { [FACTS]?: RequestFacts };

const SANE_ID = /^[A-Za-z0-9][A-Za-z0-9._:+=/-]{0,127}$/;
const USER_AGENT_LENGTH = 512;

export function requestContext(deps: {
  site: Site;
  trustedProxies: readonly string[];
  tracing?: Tracing | undefined;
  /** Where a caller is promised its own request id in the answer, whatever it is and whoever it is (AuthZEN 1.0). */
  echoesId?: (path: string) => boolean;
}): Middleware {
  const addressOf = createClientAddress(deps.trustedProxies);
  const isBelieved = createPeerTrust(deps.trustedProxies);
  return (ctx, next) => {
    const { req, res } = ctx;
    const trace = deps.tracing?.begin({
      parent: headerOf(req, 'traceparent'),
      isBelieved: () => isBelieved(req),
    });
    const facts = newFacts(requestIds(req, isBelieved), addressOf(req), trace);
    (req as Carrier)[FACTS] = facts;
    const sentId = deps.echoesId?.(ctx.path) ? headerOf(req, 'x-request-id') : undefined;
    res.setHeader('X-Request-ID', sentId || facts.id);
    overwriteForwarded(req, deps.site, facts.address);
    const userAgent = req.headers['user-agent']?.slice(0, USER_AGENT_LENGTH) ?? null;
    const { id, address, timings } = facts;
    return withOrigin({ requestId: id, address, userAgent, timings }, next);
  };
}

/**
 * Counts every answer by route pattern, method and status, writes its line into the request log and ends its trace. Stands
 * right inside requestContext; everything inside it must answer and not throw.
 */
export function observeRequests(deps: {
  metrics: Pick<Metrics, 'beginRequest' | 'observeRequest'>;
  requestLog: RequestLog;
}): Middleware {
  return async (ctx, next) => {
    deps.metrics.beginRequest();
    try {
      await next();
    } finally {
      const facts = requestOf(ctx);
      const { status } = ctx;
      const answered = {
        // Clients choose the method's name; only known ones become a label or a word of the log.
        method: METHODS.has(ctx.method) ? ctx.method : 'other',
        route: facts.route ?? 'other',
        status,
        outcome: facts.outcome ?? (status >= 500 ? 'failed' : status >= 400 ? 'refused' : 'ok'),
        milliseconds: performance.now() - facts.startedAt,
        timings: facts.timings,
        clientId: facts.clientId,
        accountId: facts.accountId,
        traceId: facts.trace?.traceId ?? null,
        callerRequestId: facts.callerRequestId,
      };
      deps.metrics.observeRequest(answered);
      deps.requestLog(answered);
      facts.trace?.end(answered, facts.id);
    }
  };
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The facts of the request under way; works with our Koa context, the engine's, and a bare `{ req }`. */
export function requestOf(ctx: { req: IncomingMessage }): RequestFacts {
  const carrier = ctx.req as Carrier;
  carrier[FACTS] ??= newFacts({ id: randomUUID(), callerRequestId: null }, null, undefined);
  return carrier[FACTS];
}

/** Made when first asked for: a token request never needs one. */
export function nonceOf(ctx: { req: IncomingMessage }): string {
  const facts = requestOf(ctx);
  facts.nonce ??= randomBytes(16).toString('base64url');
  return facts.nonce;
}

type RequestIds = Pick<RequestFacts, 'id' | 'callerRequestId'>;

function newFacts(ids: RequestIds, address: string | null, trace: Trace | undefined): RequestFacts {
  return {
    id: ids.id,
    callerRequestId: ids.callerRequestId,
    address,
    startedAt: performance.now(),
    route: undefined,
    backTo: undefined,
    nonce: undefined,
    clientId: null,
    accountId: null,
    outcome: undefined,
    timings: createTimings(trace?.sampled ?? false),
    trace,
  };
}

/** The id that came along is this request's own when it is believed; otherwise it is only noted beside it. */
function requestIds(req: IncomingMessage, isBelieved: (req: IncomingMessage) => boolean): RequestIds {
  const sent = headerOf(req, 'x-request-id');
  if (sent === undefined || !SANE_ID.test(sent)) return { id: randomUUID(), callerRequestId: null };
  if (isBelieved(req)) return { id: sent, callerRequestId: null };
  return { id: randomUUID(), callerRequestId: redactText(sent) };
}

function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/**
 * Whatever was forwarded is replaced by what we decided (RFC 9700 §4.13): the scheme and host are the issuer's, the
 * address is the one above. The engine may then run with `proxy = true` and can be told nothing false.
 */
function overwriteForwarded(req: IncomingMessage, site: Site, address: string | null): void {
  req.headers['x-forwarded-proto'] = site.secure ? 'https' : 'http';
  req.headers['x-forwarded-host'] = site.host;
  if (address === null) delete req.headers['x-forwarded-for'];
  else req.headers['x-forwarded-for'] = address;
}
