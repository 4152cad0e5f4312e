// What the issuer URL says about this site: its origin, the path everything lives under, and whether it is https.
import type { Middleware } from 'koa';

export interface Site {
  /** Without a trailing slash. */
  readonly issuer: string;
  readonly origin: string;
  readonly host: string;
  /** '' or '/auth': what every path of ours starts with. */
  readonly basePath: string;
  readonly secure: boolean;
}

export function siteOf(issuer: string): Site {
  const url = new URL(issuer);
  return {
    issuer: issuer.replace(/\/+$/, ''),
    origin: url.origin,
    host: url.host,
    basePath: url.pathname.replace(/\/+$/, ''),
    secure: url.protocol === 'https:',
  };
}

/**
 * Metadata of an issuer with a path is also looked for with the well-known part in front of that path (RFC 8414 §3.1,
 * RFC 8615 §3): both such addresses lead to the ones below the issuer.
 */
export function wellKnownAtRoot(site: Site): Middleware {
  const inner = new Map(
    ['oauth-authorization-server', 'openid-configuration', 'authzen-configuration'].map((name) => [
      `/.well-known/${name}${site.basePath}`,
      `${site.basePath}/.well-known/${name}`,
    ]),
  );
  return (ctx, next) => {
    const path = site.basePath === '' ? undefined : inner.get(ctx.path);
    if (path !== undefined) ctx.path = path;
    return next();
  };
}

/**
 * Hands over requests below the issuer's path, with that path taken off as long as the handler runs. `mountPath` is where
 * koa-mount leaves it too: the engine puts it in front of every address that it makes.
 */
export function withinBasePath(site: Site, handle: Middleware): Middleware {
  if (site.basePath === '') return handle;
  return async (ctx, next) => {
    const { path } = ctx;
    if (!path.startsWith(`${site.basePath}/`)) return next();
    ctx.path = path.slice(site.basePath.length);
    ctx.mountPath = site.basePath;
    try {
      await handle(ctx, () => {
        ctx.path = path;
        return next();
      });
    } finally {
      ctx.path = path;
    }
  };
}
