// Is the process alive, and may it be sent traffic: /healthz and /readyz.
import type { Middleware } from 'koa';
import { requestOf } from './request-id.ts';
import type { Site } from './site.ts';

export interface Health {
  middleware: Middleware;
  /** From now on not ready, so that a load balancer looks elsewhere while running requests finish. */
  drain(): void;
}

export interface HealthDeps {
  site: Site;
  /** Name → true when it works; one that throws or takes too long counts as failing. */
  checks: Readonly<Record<string, () => Promise<boolean>>>;
  /** Name → true when it works. Without it the server goes on, only slower or stricter: still ready, but degraded. */
  spares?: Readonly<Record<string, () => boolean>>;
  checkTimeoutMilliseconds?: number;
}

/** Anybody may ask, so that checks are run at most this often, and once for all who ask at the same time. */
const FRESH_MILLISECONDS = 1000;

const RETRY_AFTER_SECONDS = '5';

export function createHealth(deps: HealthDeps): Health {
  let draining = false;
  const failingChecks = remembered(() => runChecks(deps.checks, deps.checkTimeoutMilliseconds ?? 2000));
  const atBoth = (path: string) => new Set([path, `${deps.site.basePath}${path}`]);
  const alive = atBoth('/healthz');
  const ready = atBoth('/readyz');
  const middleware: Middleware = async (ctx, next) => {
    const isReadiness = ready.has(ctx.path);
    if (!(isReadiness || alive.has(ctx.path)) || (ctx.method !== 'GET' && ctx.method !== 'HEAD'))
      return next();
    requestOf(ctx).route = isReadiness ? '/readyz' : '/healthz';
    ctx.res.setHeader('Cache-Control', 'no-store');
    ctx.type = 'application/json';
    ctx.status = 200;
    if (!isReadiness) {
      ctx.body = JSON.stringify({ status: 'ok' });
      return;
    }
    const failing = draining ? ['draining'] : await failingChecks();
    if (failing.length > 0) {
      ctx.status = 503;
      ctx.res.setHeader('Retry-After', RETRY_AFTER_SECONDS);
    }
    ctx.body = JSON.stringify(readiness(failing, missingSpares(deps.spares ?? {})));
  };
  return {
    middleware,
    drain: () => {
      draining = true;
    },
  };
}

function missingSpares(spares: Readonly<Record<string, () => boolean>>): string[] {
  return Object.entries(spares).flatMap(([name, works]) => (works() ? [] : [name]));
}

function readiness(failing: readonly string[], degraded: readonly string[]): object {
  if (failing.length > 0) return { status: 'not ready', failing };
  return degraded.length > 0 ? { status: 'degraded', degraded } : { status: 'ready' };
}

function remembered<T>(run: () => Promise<T>): () => Promise<T> {
  let last: { result: Promise<T>; until: number } | undefined;
  return () => {
    if (last !== undefined && performance.now() < last.until) return last.result;
    const begun = { result: run(), until: Number.POSITIVE_INFINITY };
    begun.result.finally(() => {
      begun.until = performance.now() + FRESH_MILLISECONDS;
    });
    last = begun;
    return begun.result;
  };
}

/** The names of those that fail; never rejects. */
async function runChecks(checks: HealthDeps['checks'], timeout: number): Promise<string[]> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => ((await passes(check, timeout)) ? undefined : name)),
  );
  return results.filter((name) => name !== undefined);
}

async function passes(check: () => Promise<boolean>, timeout: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, timeout, false);
  });
  try {
    return await Promise.race([check(), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
