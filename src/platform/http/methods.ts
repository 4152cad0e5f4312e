// Answers OPTIONS and refuses methods that an address of ours does not have, with Allow (RFC 9110 §15.5.6).
import type { Router, RouterContext } from '@koa/router';
import type { Middleware } from 'koa';
import { failure } from '../errors.ts';

/** Stands right after `router.routes()` and before the engine. */
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
