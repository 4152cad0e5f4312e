// What a request looked like when it arrived here, told to whoever holds the server's secret: `gatehouse doctor` asks
// through the public address and so sees what the proxies in between have made of it.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Middleware } from 'koa';
import { createClientAddress, createPeerTrust } from '../http/client-ip.ts';
import type { Site } from '../http/site.ts';

export interface Reflection {
  /** Who connected: the last proxy, or the client itself. */
  readonly peer: string | null;
  readonly isPeerTrusted: boolean;
  /** The address that limits, lockout and the ledger would see. */
  readonly address: string | null;
  readonly forwardedFor: string | null;
  readonly forwardedProto: string | null;
  readonly host: string | null;
}

const PATH = '/api/v1/reflection';
const HEADER = 'x-gatehouse-probe';
const VALID_SECONDS = 300;

/** Stands before everything that reads or replaces forwarding headers. Without a good proof it is not there. */
export function reflectionMiddleware(deps: {
  site: Site;
  key: Buffer;
  trustedProxies: readonly string[];
}): Middleware {
  const addressOf = createClientAddress(deps.trustedProxies);
  const isTrusted = createPeerTrust(deps.trustedProxies);
  const path = `${deps.site.basePath}${PATH}`;
  return async (ctx, next) => {
    if (ctx.path !== path || !isProof(deps.key, ctx.get(HEADER))) return next();
    const { headers, socket } = ctx.req;
    const reflection: Reflection = {
      peer: socket.remoteAddress ?? null,
      isPeerTrusted: isTrusted(ctx.req),
      address: addressOf(ctx.req),
      forwardedFor: textOf(headers['x-forwarded-for']),
      forwardedProto: textOf(headers['x-forwarded-proto']),
      host: textOf(headers.host),
    };
    ctx.set('Cache-Control', 'no-store');
    ctx.body = reflection;
  };
}

/** The request that asks for it. */
export function reflectionRequest(key: Buffer): { path: string; headers: Record<string, string> } {
  const at = String(Math.floor(Date.now() / 1000));
  return { path: PATH, headers: { [HEADER]: `${at}.${sign(key, at).toString('base64url')}` } };
}

function isProof(key: Buffer, text: string): boolean {
  const [at = '', signature = ''] = text.split('.');
  const presented = Buffer.from(signature, 'base64url');
  const expected = sign(key, at);
  const age = Math.abs(Date.now() / 1000 - Number(at));
  return presented.length === expected.length && timingSafeEqual(presented, expected) && age < VALID_SECONDS;
}

function sign(key: Buffer, at: string): Buffer {
  return createHmac('sha256', key).update(`reflection ${at}`).digest();
}

function textOf(header: string | string[] | undefined): string | null {
  return header === undefined ? null : String(header);
}
