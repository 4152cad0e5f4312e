// The addresses and methods of the protocol, as this server offers them: exact, while the engine's router takes any case.
import type { Context } from 'koa';
import { failure } from '../platform/errors.ts';
import { readFormAsQuery } from '../platform/http/input.ts';
import { routes } from './settings.ts';

const READ = ['GET', 'HEAD'];
const READ_FROM_ANYWHERE = [...READ, 'OPTIONS'];
const WRITE = ['POST'];
const WRITE_FROM_ANYWHERE = [...WRITE, 'OPTIONS'];

const endpoints: ReadonlyMap<string, readonly string[]> = new Map([
  [routes.authorization, [...READ, ...WRITE]],
  [routes.token, WRITE_FROM_ANYWHERE],
  [routes.userinfo, [...READ, ...WRITE_FROM_ANYWHERE]],
  [routes.introspection, WRITE_FROM_ANYWHERE],
  [routes.revocation, WRITE_FROM_ANYWHERE],
  [routes.pushed_authorization_request, WRITE_FROM_ANYWHERE],
  [routes.device_authorization, WRITE_FROM_ANYWHERE],
  [routes.code_verification, [...READ, ...WRITE]],
  [routes.end_session, [...READ, ...WRITE]],
  [`${routes.end_session}/confirm`, WRITE],
  [`${routes.end_session}/success`, READ],
  [routes.jwks, READ_FROM_ANYWHERE],
  ['/.well-known/openid-configuration', READ_FROM_ANYWHERE],
  ['/.well-known/oauth-authorization-server', READ_FROM_ANYWHERE],
]);

/** Where the engine goes on after a step: /authorize/:uid and /device/:uid. */
const resumed = [`${routes.authorization}/`, `${routes.code_verification}/`];

/**
 * False when the address is none of ours, in exactly this spelling: limits and guess counters know endpoints by it, and
 * the engine would also answer /TOKEN or /device/. Throws method_not_allowed, with Allow set (RFC 9110 §15.5.6).
 */
export function isProtocolRequest(ctx: Pick<Context, 'method' | 'path' | 'set'>): boolean {
  const methods = endpoints.get(ctx.path) ?? (isResumed(ctx.path) ? READ : undefined);
  if (methods === undefined) return false;
  if (methods.includes(ctx.method)) return true;
  ctx.set('Allow', methods.join(', '));
  throw failure('method_not_allowed');
}

function isResumed(path: string): boolean {
  const prefix = resumed.find((start) => path.startsWith(start));
  return prefix !== undefined && /^[^/]+$/.test(path.slice(prefix.length));
}

// Not long: a key that was withdrawn must be forgotten soon.
const KEPT_SECONDS = 300;

/**
 * Metadata and keys may be kept for a while, by caches in between too. Keys for at most half of the time for which a new
 * one is published before it signs: whoever has an old copy fetches another before the first token of that key arrives.
 */
export function allowCaching(ctx: Context, keyPublishDelaySeconds: number): void {
  const keys = ctx.path === routes.jwks;
  if (!(keys || ctx.path.startsWith('/.well-known/')) || ctx.status !== 200) return;
  // The other one is for pages of ours alone.
  if (!keys) Object.assign(ctx.body ?? {}, { response_types_supported: ['code'] });
  const seconds = keys ? Math.min(KEPT_SECONDS, Math.floor(keyPublishDelaySeconds / 2)) : KEPT_SECONDS;
  ctx.set('Cache-Control', `public, max-age=${seconds}`);
}

// As a query it has to fit into a request line that browsers and proxies let through.
const POSTED_BYTES = 8 * 1024;

/**
 * Authorization and sign-out requests may be posted (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2). A post from
 * another site comes without our cookies, which are SameSite=Lax; as a GET that follows a redirect it comes with them.
 */
export async function answerPostAsGet(ctx: Context, issuer: string): Promise<boolean> {
  const posted = ctx.path === routes.authorization || ctx.path === routes.end_session;
  if (ctx.method !== 'POST' || !posted) return false;
  const query = await readFormAsQuery(ctx, POSTED_BYTES);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
  ctx.set('Location', `${issuer}${ctx.path}?${query}`);
  ctx.body = null;
  ctx.status = 303;
  return true;
}
