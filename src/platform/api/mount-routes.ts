// The pipeline of the JSON API, the same for every route: authenticate, authorize, limit, parse, run, reply.
import type { IncomingHttpHeaders } from 'node:http';
import type { Router, RouterContext } from '@koa/router';
import type { Context, Middleware } from 'koa';
import type { Permission } from '../../vocabulary/permissions.ts';
import { AppError, failure } from '../errors.ts';
import { parsePart, readJson, readQuery, refuseNullBytes, strictly } from '../http/input.ts';
import { takeFromLimit } from '../http/limit.ts';
import { requestOf } from '../http/request-id.ts';
import type { Site } from '../http/site.ts';
import type { Limits } from '../limits/rate-limit.ts';
import { createRecognised, type Recognised } from '../limits/recognised.ts';
import { noteKey } from '../origin.ts';
import { type Idempotency, idempotencyKeyOf, takesKey } from './idempotency.ts';
import { fixedReply, type Reply, replyOf, sendCsv, sendReply } from './reply.ts';
import { type Caller, pathOf, type Route, type RouteInput, type SignInDemand } from './route.ts';
import { boundElsewhere, namesAnother } from './tenancy.ts';
import { needsVersion, versionOf } from './versions.ts';

export interface RouteDeps {
  site: Site;
  limits: Limits;
  bodyLimitBytes: number;
  /** Undefined when the request carries no valid token; `method` and `url` are what a DPoP proof speaks of. */
  authenticate(
    headers: IncomingHttpHeaders,
    request: { method: string; url: string },
  ): Promise<Caller | undefined>;
  permits(caller: Caller, permission: Permission): boolean | Promise<boolean>;
  /** What their sign-in lacks for a sensitive route; undefined: nothing. */
  signInDemand(caller: Caller): Promise<SignInDemand | undefined>;
  /** Told of a request without a token that is good for it, before it is answered; the caller is unknown without any. */
  noteRefusal(refusal: AppError, caller: Caller | undefined): void | Promise<void>;
  idempotency: Pick<Idempotency, 'once'>;
}

export function mountRoutes(router: Router, routes: readonly Route[], deps: RouteDeps): void {
  const recognised = createRecognised();
  for (const route of routes) {
    const path = pathOf(route);
    const answerRoute = pipeline(route, path, { ...deps, recognised });
    router.register(`${deps.site.basePath}${path}`, [route.method], (ctx) => answerRoute(ctx, ctx.params));
  }
}

/**
 * Answers OPTIONS, and refuses methods that an address of ours does not have, with Allow (RFC 9110 §15.5.6). Stands right
 * after `router.routes()` and before the engine.
 */
export function allowMethods(router: Pick<Router, 'match'>): Middleware {
  return async (ctx, next) => {
    // Set by the router: the layers whose path fits, whatever their method.
    const matched = (ctx as RouterContext).matched ?? router.match(ctx.path, ctx.method).path;
    const methods = new Set(matched.flatMap((layer) => layer.methods));
    if (methods.size === 0 || methods.has(ctx.method)) return next();
    ctx.res.setHeader('Allow', [...methods, 'OPTIONS'].join(', '));
    if (ctx.method !== 'OPTIONS') throw failure('method_not_allowed');
    ctx.body = null;
    ctx.status = 204;
  };
}

interface PipelineDeps extends RouteDeps {
  recognised: Recognised;
}

function pipeline(route: Route, path: string, deps: PipelineDeps) {
  const query = strictly(route.query);
  const body = strictly(route.body);
  let fixed: Reply | undefined;
  return async (ctx: Context, rawParams: Record<string, string>): Promise<void> => {
    requestOf(ctx).route = path;
    ctx.res.setHeader('Cache-Control', 'no-store');
    const { caller, refusal } = await access(ctx, route, deps);
    if (caller !== undefined) noteCaller(ctx, caller);
    // Refused requests count as well, so that nobody guesses tokens at full speed.
    await takeFromLimit(ctx, deps.limits, route.limit, caller?.id);
    if (refusal !== undefined) {
      await deps.noteRefusal(refusal, caller);
      throw refusal;
    }
    refuseNullBytes(rawParams);
    const params = parsePart('params', route.params, route.params === undefined ? undefined : rawParams);
    const parsedQuery = parsePart('query', query, readQuery(ctx));
    const parsedBody = await readBody(ctx, body, deps.bodyLimitBytes);
    const version = needsVersion(route) ? versionOf(ctx.req.headers['if-match']) : undefined;
    const input = { params, query: parsedQuery, body: parsedBody, caller, version };
    const late = namesAnother(input) ?? (await lackingSignIn(ctx, route, caller, deps));
    if (late !== undefined) {
      await deps.noteRefusal(late, caller);
      throw late;
    }
    if (route.csv === true) {
      // `as`: csvReply says what `run` answers.
      sendCsv(ctx, (await route.run(input)) as AsyncIterable<string>);
      return;
    }
    if (route.fixed === true) {
      fixed ??= fixedReply(replyOf(route, await route.run(input)));
      sendReply(ctx, route, fixed);
      return;
    }
    sendReply(ctx, route, await once(ctx, route, input, deps.idempotency));
  };
}

async function readBody(ctx: Context, schema: ReturnType<typeof strictly>, limitBytes: number) {
  if (ctx.method === 'GET') return undefined;
  // RFC 7396: a PATCH changes the fields it names, null empties one.
  const also = ctx.method === 'PATCH' ? ['application/merge-patch+json'] : [];
  return parsePart('body', schema, await readJson(ctx, limitBytes, also));
}

type Input = RouteInput<unknown, unknown, unknown, Caller | undefined>;

/** Runs the route; a POST that names a key, once for that key. */
async function once(
  ctx: Context,
  route: Route,
  input: Input,
  idempotency: RouteDeps['idempotency'],
): Promise<Reply> {
  const act = async () => replyOf(route, await route.run(input));
  const key = takesKey(route) ? idempotencyKeyOf(ctx.req.headers['idempotency-key']) : undefined;
  const { caller, params, query, body } = input;
  if (key === undefined || caller === undefined) return act();
  const request = { key, caller, route: `${route.method} ${pathOf(route)}`, input: [params, query, body] };
  const { answer, replayed } = await idempotency.once(request, act);
  if (replayed) ctx.res.setHeader('Idempotency-Replayed', 'true');
  if (answer instanceof AppError) throw answer;
  return answer;
}

function noteCaller(ctx: Context, caller: Caller): void {
  const facts = requestOf(ctx);
  facts.clientId = caller.clientId;
  if (caller.kind === 'account') facts.accountId = caller.id;
  if (caller.apiKeyId !== null) noteKey(caller.apiKeyId);
}

interface Admission {
  caller: Caller | undefined;
  refusal: AppError | undefined;
}

async function access(ctx: Context, route: Route, deps: PipelineDeps): Promise<Admission> {
  const { permission } = route;
  if (permission === 'public') return { caller: undefined, refusal: undefined };
  const caller = await callerOf(ctx, deps);
  if (caller === undefined) return { caller, refusal: unauthenticated(ctx, deps.site) };
  if (permission === 'authenticated' && caller.apiKeyId !== null && route.openToKeys !== true) {
    return { caller, refusal: failure('permission_denied') };
  }
  if (permission === 'authenticated' || (await deps.permits(caller, permission))) {
    return { caller, refusal: boundElsewhere(route, caller) };
  }
  // RFC 6750 §3.1: name the scope that would do.
  challenge(ctx, deps.site, `, error="insufficient_scope", scope="${permission}"`);
  return { caller, refusal: failure('permission_denied', { permission }) };
}

/**
 * What was not good lately needs a permit of its address before it is looked up, or made-up keys would cost the database
 * as much as real ones. A caller who is known is held up by no stranger behind the same address.
 */
async function callerOf(ctx: Context, { recognised, ...deps }: PipelineDeps): Promise<Caller | undefined> {
  const { headers } = ctx.req;
  const { authorization, 'x-api-key': key } = headers;
  const credential = `${key ?? ''} ${authorization ?? ''}`;
  const isOffered = key !== undefined || authorization !== undefined;
  if (isOffered && !recognised.has(credential)) await takeFromLimit(ctx, deps.limits, 'api-credential');
  const url = `${deps.site.origin}${ctx.path}`;
  const caller = await deps.authenticate(headers, { method: ctx.method, url });
  if (caller === undefined) recognised.forget(credential);
  else recognised.add(credential);
  return caller;
}

/** RFC 9470 §3: the client has its person sign in again, in the way that is named. */
async function lackingSignIn(ctx: Context, route: Route, caller: Caller | undefined, deps: PipelineDeps) {
  const isAsked = route.sensitive === true || (route.sensitive === 'of-people' && caller && isPerson(caller));
  const demand = isAsked && caller && (await deps.signInDemand(caller));
  if (!demand) return undefined;
  const { acrValues, maxAgeSeconds } = demand;
  const code = 'insufficient_user_authentication';
  const wanted = [
    ...(acrValues === undefined ? [] : [`acr_values="${acrValues.join(' ')}"`]),
    ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`]),
  ];
  challenge(ctx, deps.site, `, error="${code}", ${wanted.join(', ')}`);
  return failure(code, { ...demand });
}

/** With a token of their own: what somebody made a key for goes on without them. */
function isPerson({ accountId, apiKeyId }: Caller): boolean {
  return accountId !== null && apiKeyId === null;
}

/** RFC 6750 §3.1: no error code when no token was sent at all. */
function unauthenticated(ctx: Context, site: Site): AppError {
  const error = ctx.req.headers.authorization === undefined ? '' : ', error="invalid_token"';
  challenge(ctx, site, error);
  return failure('authentication_required');
}

function challenge(ctx: Context, site: Site, rest: string): void {
  ctx.res.setHeader('WWW-Authenticate', `Bearer realm="${site.issuer}"${rest}`);
}
