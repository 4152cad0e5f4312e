// Protection of forms: a signed double submit, and where the browser says the request came from.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import { failure } from '../errors.ts';
import type { Site } from './site.ts';

export interface Csrf {
  /** The token for a form; sets the cookie when the browser has none. `binding` ties it to one session or sign-in. */
  token(ctx: Context, binding?: string): string;
  /** Throws `cross_site_request` or `form_expired`. */
  check(ctx: Context, presented: string | undefined, binding?: string): void;
  readonly fieldName: string;
}

const FIELD = '_csrf';
const COOKIE_VALUE = /^[A-Za-z0-9_-]{43}$/;

export function createCsrf(deps: { site: Site; secret: Buffer }): Csrf {
  // The prefix pins the cookie to this very host (RFC 6265bis §4.1.3.2); it needs Secure, which plain http cannot have.
  const name = deps.site.secure ? '__Host-gatehouse_csrf' : 'gatehouse_csrf';
  const attributes = `Path=/; HttpOnly; SameSite=Lax${deps.site.secure ? '; Secure' : ''}`;
  const sign = (cookie: string, binding: string) =>
    createHmac('sha256', deps.secret).update(`${cookie}\0${binding}`).digest();
  return {
    fieldName: FIELD,
    token: (ctx, binding = '') => {
      const cookie = cookieOf(ctx.req, name) ?? freshCookie(ctx, name, attributes);
      return sign(cookie, binding).toString('base64url');
    },
    check: (ctx, presented, binding = '') => {
      refuseOtherSites(ctx.req, deps.site);
      const cookie = cookieOf(ctx.req, name);
      if (cookie === undefined || presented === undefined) throw failure('form_expired');
      if (!sameToken(sign(cookie, binding), presented)) throw failure('form_expired');
    },
  };
}

/** What modern browsers say in Sec-Fetch-Site; older ones are judged by Origin, then Referer. */
export function refuseOtherSites(req: IncomingMessage, site: Site): void {
  const fetchSite = req.headers['sec-fetch-site'];
  if (fetchSite !== undefined) {
    if (fetchSite !== 'same-origin' && fetchSite !== 'none') throw failure('cross_site_request');
    return;
  }
  const { origin, referer } = req.headers;
  if (origin !== undefined && origin !== site.origin) throw failure('cross_site_request');
  if (origin === undefined && referer !== undefined && originOf(referer) !== site.origin) {
    throw failure('cross_site_request');
  }
}

function originOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
}

function cookieOf(req: IncomingMessage, name: string): string | undefined {
  const fresh = (req as Carrier)[FRESH];
  if (fresh !== undefined) return fresh;
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const [key, value] = pair.trim().split('=', 2);
    if (key === name && value !== undefined && COOKIE_VALUE.test(value)) return value;
  }
  return undefined;
}

// Two forms on one page share the cookie that the first of them set.
const FRESH = Symbol('fresh csrf cookie');
type Carrier = IncomingMessage & { [FRESH]?: string };

function freshCookie(ctx: Context, name: string, attributes: string): string {
  const value = randomBytes(32).toString('base64url');
  (ctx.req as Carrier)[FRESH] = value;
  ctx.append('Set-Cookie', `${name}=${value}; ${attributes}`);
  return value;
}

function sameToken(expected: Buffer, presented: string): boolean {
  const given = Buffer.from(presented, 'base64url');
  return given.length === expected.length && timingSafeEqual(given, expected);
}
