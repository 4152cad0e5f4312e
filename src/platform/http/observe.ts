// Counts every answer by route pattern, method and status.
import type { Middleware } from 'koa';
import type { Metrics } from '../metrics.ts';
import { requestOf } from './request-id.ts';

/** Stands right inside requestContext; everything inside it must answer and not throw. */
export function observeRequests(metrics: Pick<Metrics, 'observeRequest'>): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } finally {
      const { route, startedAt } = requestOf(ctx);
      metrics.observeRequest({
        route: route ?? 'other',
        method: ctx.method,
        status: ctx.status,
        seconds: (performance.now() - startedAt) / 1000,
      });
    }
  };
}
