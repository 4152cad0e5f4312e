// Counts a request against its limit and says in the headers what is left (draft-ietf-httpapi-ratelimit-headers).
import type { Context, Middleware } from 'koa';
import { addressPrefix } from '../../lib/ip.ts';
import { failure } from '../errors.ts';
import type { LimitName, Limits, LimitVerdict } from '../limits/rate-limit.ts';
import { refuseDeclaredSize } from './input.ts';
import { requestOf } from './request-id.ts';
import type { Site } from './site.ts';

/** Throws `rate_limited` when nothing is left. The key is the caller, or the address while nobody is known. */
export async function takeFromLimit(
  ctx: Context,
  limits: Limits,
  name: LimitName,
  callerId?: string,
): Promise<void> {
  const verdict = await limits.take(name, callerId === undefined ? addressKey(ctx) : `caller:${callerId}`);
  if (verdict === undefined) return;
  limitHeaders(ctx, name, verdict);
  if (!verdict.allowed) throw failure('rate_limited', { retryAfterSeconds: verdict.resetSeconds });
}

/**
 * `paths`: engine endpoint → the limit that counts it, null for none; `/:uid` at its end is any last part. At most two
 * look-ups.
 */
export function limitMiddleware(deps: {
  site: Site;
  limits: Limits;
  paths: Readonly<Record<string, LimitName | null>>;
  /** The most that whoever answers there reads; it would call a longer body malformed. */
  bodyLimitBytes?: number;
}): Middleware {
  const names = new Map(
    Object.entries(deps.paths).map(([path, name]) => [`${deps.site.basePath}${path}`, { path, name }]),
  );
  return async (ctx, next) => {
    const { path } = ctx;
    const found = names.get(path) ?? names.get(`${path.slice(0, path.lastIndexOf('/'))}/:uid`);
    if (found === undefined) return next();
    requestOf(ctx).route = found.path;
    // A preflight asks for nothing yet.
    if (found.name !== null && ctx.method !== 'OPTIONS') await takeFromLimit(ctx, deps.limits, found.name);
    if (deps.bodyLimitBytes !== undefined) refuseDeclaredSize(ctx, deps.bodyLimitBytes);
    return next();
  };
}

function addressKey(ctx: Context): string {
  const { address } = requestOf(ctx);
  return `address:${address === null ? 'unknown' : addressPrefix(address)}`;
}

function limitHeaders(ctx: Context, name: LimitName, verdict: LimitVerdict): void {
  ctx.res.setHeader('RateLimit-Policy', `"${name}";q=${verdict.limit};w=${verdict.windowSeconds}`);
  ctx.res.setHeader('RateLimit', `"${name}";r=${verdict.remaining};t=${verdict.resetSeconds}`);
}
