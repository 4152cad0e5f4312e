// The outermost step: gives each request its id and address, and runs everything inside that origin.
import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { withOrigin } from '../origin.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createTimings, type Timings } from '../telemetry/timings.ts';
import { createClientAddress } from './client-ip.ts';
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
  readonly timings: Timings;
}

// Kept on Node's request, because the engine makes its own Koa context for the same request.
const FACTS = Symbol('request facts');
type Carrier = IncomingMessage & { [FACTS]?: RequestFacts };

const SANE_ID = /^[A-Za-z0-9][A-Za-z0-9._:+=/-]{0,127}$/;
const USER_AGENT_LENGTH = 512;

export function requestContext(deps: { site: Site; trustedProxies: readonly string[] }): Middleware {
  const addressOf = createClientAddress(deps.trustedProxies);
  return (ctx, next) => {
    const { req, res } = ctx;
    const facts = newFacts(incomingId(req) ?? randomUUID(), addressOf(req));
    (req as Carrier)[FACTS] = facts;
    res.setHeader('X-Request-ID', facts.id);
    overwriteForwarded(req, deps.site, facts.address);
    const userAgent = req.headers['user-agent']?.slice(0, USER_AGENT_LENGTH) ?? null;
    const { id, address, timings } = facts;
    return withOrigin({ requestId: id, address, userAgent, timings }, next);
  };
}

/** Counts every answer by route pattern, method and status. Stands right inside requestContext; everything inside it must answer and not throw. */
export function observeRequests(deps: {
  metrics: Pick<Metrics, 'observeRequest'>;
  log: Pick<Log, 'debug'>;
}): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } finally {
      const { route: known, startedAt } = requestOf(ctx);
      const { method, status } = ctx;
      const route = known ?? 'other';
      const seconds = (performance.now() - startedAt) / 1000;
      deps.metrics.observeRequest({ route, method, status, seconds });
      // The route's pattern and not its path, which may hold an id; never the query.
      deps.log.debug('answered', { method, route, status, milliseconds: Math.round(seconds * 1000) });
    }
  };
}

/** The facts of the request under way; works with our Koa context, the engine's, and a bare `{ req }`. */
export function requestOf(ctx: { req: IncomingMessage }): RequestFacts {
  const carrier = ctx.req as Carrier;
  carrier[FACTS] ??= newFacts(randomUUID(), null);
  return carrier[FACTS];
}

/** Made when first asked for: a token request never needs one. */
export function nonceOf(ctx: { req: IncomingMessage }): string {
  const facts = requestOf(ctx);
  facts.nonce ??= randomBytes(16).toString('base64url');
  return facts.nonce;
}

function newFacts(id: string, address: string | null): RequestFacts {
  return {
    id,
    address,
    startedAt: performance.now(),
    route: undefined,
    backTo: undefined,
    nonce: undefined,
    timings: createTimings(false),
  };
}

function incomingId(req: IncomingMessage): string | undefined {
  const id = req.headers['x-request-id'];
  return typeof id === 'string' && SANE_ID.test(id) ? id : undefined;
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
