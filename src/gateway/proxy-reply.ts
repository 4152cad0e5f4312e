// What a proxy is answered: who it is in headers, or the refusal that its client gets.

import { problemReply, type Reply } from '../platform/api/plain.ts';
import { type AppError, failure } from '../platform/errors.ts';
import type { KeyLimitVerdict } from '../platform/limits/key-limits.ts';
import type { ProxyKind } from './proxy-request.ts';
import type { Allowed, Denied } from './verify.ts';

/** All of them, always: a proxy that sets what it is answered also replaces what a stranger sent under the same names. */
export function allowedReply({ identity, granted, limits, reservationId }: Allowed): Reply {
  const { owner, chain } = identity;
  const told: Record<string, string | null> = {
    'X-Auth-Subject': identity.subject,
    'X-Auth-Kind': identity.kind,
    'X-Auth-Client': identity.clientId,
    'X-Auth-Key': chain[0]?.id ?? null,
    'X-Auth-Account': identity.accountId,
    'X-Auth-Organization': identity.organizationId,
    'X-Auth-Owner': owner && `${owner.kind}:${owner.id}`,
    'X-Auth-Scope': granted.texts.join(' '),
    'X-Auth-Roles': identity.roles.join(' '),
    'X-Auth-Reservation': reservationId,
  };
  const headers = Object.entries(told).map(([name, value]) => [name, headerText(value ?? '')]);
  return {
    status: 200,
    headers: { 'Cache-Control': 'no-store', ...Object.fromEntries(headers), ...limitHeaders(limits) },
    body: null,
  };
}

export interface Asked {
  readonly proxy: ProxyKind;
  readonly permissions: readonly string[];
  readonly isOffered: boolean;
  readonly issuer: string;
  readonly requestId: string;
}

export function deniedReply({ code, details, limits }: Denied, asked: Asked): Reply {
  return failedReply(failure(code, { ...details }), asked, limitHeaders(limits));
}

export function failedReply(
  error: AppError,
  asked: Asked,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  // Whoever holds the credential may be a stranger: what is wrong with it is for the ledger and for its manager.
  const told =
    error.status === 401 && error.code !== 'proof_required' ? failure('authentication_required') : error;
  const reply = problemReply(told, asked.requestId, { ...headers, ...challenge(told, asked) });
  return asked.proxy === 'nginx' ? forNginx(reply) : reply;
}

/** RFC 6750 §3; no error code when nothing was sent at all. */
function challenge(
  { code, status }: AppError,
  { issuer, permissions, isOffered }: Asked,
): Record<string, string> {
  const scheme = code === 'proof_required' ? 'DPoP' : 'Bearer';
  const say = (rest: string) => ({ 'WWW-Authenticate': `${scheme} realm="${issuer}"${rest}` });
  if (status === 401) return say(isOffered ? ', error="invalid_token"' : '');
  if (code !== 'permission_missing') return {};
  return say(`, error="insufficient_scope", scope="${permissions.join(' ')}"`);
}

/**
 * nginx takes 2xx, 401 and 403 from `auth_request` and makes a 500 of all else. The true status and the body travel in
 * headers, from which examples/gateways/nginx makes the answer.
 */
function forNginx(reply: Reply): Reply {
  return {
    ...reply,
    status: reply.status === 401 ? 401 : 403,
    headers: {
      ...reply.headers,
      'X-Auth-Status': String(reply.status),
      'X-Auth-Problem': asciiJson(reply.body ?? '{}'),
    },
  };
}

function asciiJson(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Percent-encoded where it could end or fold a header (RFC 9110 §5.5). */
export function headerText(value: string): string {
  return value.toWellFormed().replaceAll(/[^\x20-\x24\x26-\x7e]+|^ +| +$/g, encodeURIComponent);
}

/** draft-ietf-httpapi-ratelimit-headers: one entry for each limit, the key's own first. */
export function limitHeaders(limits: readonly KeyLimitVerdict[]): Record<string, string> {
  if (limits.length === 0) return {};
  const named = limits.map((one, index) => ({ ...one, name: `"${index + 1}-${one.per}"` }));
  return {
    'RateLimit-Policy': named
      .map(({ name, limit, windowSeconds }) => `${name};q=${limit};w=${windowSeconds}`)
      .join(', '),
    RateLimit: named
      .map(({ name, remaining, resetSeconds }) => `${name};r=${remaining};t=${resetSeconds}`)
      .join(', '),
  };
}
