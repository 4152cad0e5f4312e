// Security headers: a few for every answer, the full set with a fresh CSP nonce for pages.
import type { Context, Middleware } from 'koa';
import { nonceOf } from './request-id.ts';
import type { Site } from './site.ts';

/** For every answer, the engine's included, so it does as little as it can; HTML gets the framing ban on the way out. */
export function securityHeaders(site: Site): Middleware {
  return async (ctx, next) => {
    const { res } = ctx;
    res.setHeader('X-Content-Type-Options', 'nosniff');
    res.setHeader('Referrer-Policy', 'no-referrer');
    res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    if (site.secure) res.setHeader('Strict-Transport-Security', 'max-age=63072000; includeSubDomains');
    await next();
    if (isForeignHtml(ctx)) framingBan(ctx);
  };
}

/** The headers of a page of ours. `formAction`: where a form on it may lead besides this site (see formActionSource). */
export function pageHeaders(
  ctx: Context,
  formAction: readonly string[] = [],
  frames: readonly string[] = [],
): void {
  const { res } = ctx;
  res.setHeader('Content-Security-Policy', contentSecurityPolicy(nonceOf(ctx), formAction, frames));
  res.setHeader('X-Frame-Options', 'DENY');
  res.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  res.setHeader('Permissions-Policy', PERMISSIONS);
  res.setHeader('Cache-Control', 'no-store');
  // Nothing leaves this site (RFC 9700 §4.2.4), but our own forms still send their Origin: under no-referrer it would
  // be `null`, and browsers without fetch metadata would be refused.
  res.setHeader('Referrer-Policy', 'same-origin');
}

const PERMISSIONS =
  'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()';

export function contentSecurityPolicy(
  nonce: string,
  formAction: readonly string[],
  frames: readonly string[] = [],
): string {
  const sourcesOf = (addresses: readonly string[]) => [
    ...new Set(addresses.map(formActionSource).filter((source) => source !== undefined)),
  ];
  return [
    "default-src 'none'",
    `style-src 'self' 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
    "img-src 'self' data: https:",
    "font-src 'self'",
    ["form-action 'self'", ...sourcesOf(formAction)].join(' '),
    ...(frames.length === 0 ? [] : [['frame-src', ...sourcesOf(frames)].join(' ')]),
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}

/**
 * The CSP source of a redirect URI (or origin, or `scheme:`). Chrome applies form-action to every redirect that follows
 * a form post, so the page that posts towards a client must name the client. Undefined when the text is no address that
 * a browser may be sent to.
 */
export function formActionSource(target: string): string | undefined {
  if (!URL.canParse(target)) return undefined;
  const url = new URL(target);
  if (NEVER_A_TARGET.has(url.protocol)) return undefined;
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return url.protocol;
  // The URL parser lets these stand in a host name; here they would end the directive.
  if (/[;,'"\s]/.test(url.origin)) return undefined;
  // CSP has no grammar for IPv6 hosts (CSP3 §2.3.1): a loopback app on [::1] can only be named by its scheme.
  return url.hostname.startsWith('[') ? url.protocol : url.origin;
}

const NEVER_A_TARGET = new Set([
  'javascript:',
  'data:',
  'blob:',
  'file:',
  'about:',
  'vbscript:',
  'filesystem:',
]);

/** HTML that no page of ours made: the engine's form_post answer. It brings its own script hash, so only framing is set. */
function isForeignHtml(ctx: Context): boolean {
  const type = ctx.res.getHeader('Content-Type');
  return typeof type === 'string' && type.startsWith('text/html') && !ctx.res.hasHeader('X-Frame-Options');
}

function framingBan(ctx: Context): void {
  if (ctx.headerSent) return;
  ctx.res.setHeader('X-Frame-Options', 'DENY');
  if (!ctx.res.hasHeader('Content-Security-Policy')) {
    ctx.res.setHeader('Content-Security-Policy', "frame-ancestors 'none'; base-uri 'none'");
  }
}
